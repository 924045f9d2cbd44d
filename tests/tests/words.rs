//! What is printed is read as the same, and what cannot be read says which word it is.

use std::fmt::{Debug, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use conntrack::{
    Family, Filter, FlowId, FlowKey, KernelVersion, KeyTuple, L4, Protocol, SctpState, Status, TcpState, TextError,
    TextErrorKind, Tuple, UsageError,
};
use conntrack_tests::generate::fixed;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::option::of;
use proptest::prelude::*;

fn reads_back<T: Display + FromStr<Err = TextError> + PartialEq + Debug>(value: &T) {
    let text = value.to_string();
    match text.parse::<T>() {
        Ok(read) => assert_eq!(&read, value, "{text}"),
        Err(error) => panic!("{error}, in {text}, of {value:?}"),
    }
}

fn addresses() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    let v6 = prop_oneof![any::<Ipv6Addr>(), any::<u32>().prop_map(|low| Ipv6Addr::from(u128::from(low)))];
    prop_oneof![
        any::<(Ipv4Addr, Ipv4Addr)>().prop_map(|(src, dst)| (src.into(), dst.into())),
        (v6, any::<Ipv6Addr>()).prop_map(|(src, dst)| (src.into(), dst.into())),
    ]
}

/// Tuples that packets can have.
fn tuples() -> impl Strategy<Value = Tuple> {
    let tracked = [Protocol::TCP, Protocol::UDP, Protocol::UDPLITE, Protocol::SCTP, Protocol::GRE, Protocol::DCCP];
    let with_ports = (prop::sample::select(tracked.to_vec()), any::<(u16, u16)>())
        .prop_map(|(protocol, (src, dst))| (protocol, Some(L4::Ports { src, dst })));
    let icmp = any::<(u16, u8, u8, bool)>().prop_map(|(id, kind, code, v6)| {
        if v6 {
            (Protocol::ICMPV6, Some(L4::Icmpv6 { id, kind, code }))
        } else {
            (Protocol::ICMP, Some(L4::Icmp { id, kind, code }))
        }
    });
    let generic = any::<u8>().prop_filter_map("every kernel tracks it in detail", move |number| {
        let protocol = Protocol(number);
        let detailed = matches!(protocol, Protocol::TCP | Protocol::UDP | Protocol::ICMP | Protocol::ICMPV6);
        (!detailed).then_some((protocol, None))
    });
    (addresses(), prop_oneof![with_ports, icmp, generic], of(any::<u16>()))
        .prop_map(|((src, dst), (protocol, l4), zone)| Tuple { zone, ..Tuple::new(src, dst, protocol, l4) })
}

fn keys() -> impl Strategy<Value = FlowKey> {
    (tuples(), any::<bool>(), of(any::<u16>()), of(any::<[u8; 4]>())).prop_map(|(tuple, reply, zone, id)| FlowKey {
        tuple: if reply { KeyTuple::Reply(tuple) } else { KeyTuple::Orig(tuple) },
        zone,
        id: id.map(FlowId),
    })
}

fn networks() -> impl Strategy<Value = IpNet> {
    prop_oneof![
        (any::<Ipv4Addr>(), 0..=32_u8).prop_map(|(address, length)| Ipv4Net::new(address, length).unwrap().into()),
        (any::<Ipv6Addr>(), 0..=128_u8).prop_map(|(address, length)| Ipv6Net::new(address, length).unwrap().into()),
    ]
}

/// Filters, by what can be called on one.
fn filters() -> impl Strategy<Value = Filter> {
    let ports = || any::<(u16, u16)>().prop_map(|(one, other)| one.min(other)..=one.max(other));
    let criterion = prop_oneof![
        any::<u8>().prop_map(|family| Step::new(move |filter| filter.family(Family(family)))),
        any::<u8>().prop_map(|number| Step::new(move |filter| filter.protocol(Protocol(number)))),
        networks().prop_map(|net| Step::new(move |filter| filter.orig_src(net))),
        networks().prop_map(|net| Step::new(move |filter| filter.orig_dst(net))),
        networks().prop_map(|net| Step::new(move |filter| filter.reply_src(net))),
        networks().prop_map(|net| Step::new(move |filter| filter.reply_dst(net))),
        ports().prop_map(|ports| Step::new(move |filter| filter.orig_src_port(ports.clone()))),
        any::<u16>().prop_map(|port| Step::new(move |filter| filter.orig_dst_port(port))),
        ports().prop_map(|ports| Step::new(move |filter| filter.reply_src_port(ports.clone()))),
        any::<u16>().prop_map(|port| Step::new(move |filter| filter.reply_dst_port(port))),
        any::<u16>().prop_map(|id| Step::new(move |filter| filter.icmp_id(id))),
        any::<u8>().prop_map(|kind| Step::new(move |filter| filter.icmp_type(kind))),
        any::<u8>().prop_map(|code| Step::new(move |filter| filter.icmp_code(code))),
        any::<(u32, u32)>().prop_map(|(mark, mask)| Step::new(move |filter| filter.mark_masked(mark, mask))),
        any::<u32>().prop_map(|mark| Step::new(move |filter| filter.mark(mark))),
        any::<u32>().prop_map(|bits| { Step::new(move |filter| filter.status(Status::from_bits_retain(bits))) }),
        any::<u32>()
            .prop_map(|bits| { Step::new(move |filter| filter.without_status(Status::from_bits_retain(bits))) }),
        any::<u16>().prop_map(|zone| Step::new(move |filter| filter.zone(zone))),
        any::<u8>().prop_map(|state| Step::new(move |filter| filter.tcp_state(TcpState(state)))),
    ];
    // Words cannot say what contradicts itself.
    let add = |filter: Filter, step: &Step| {
        let more = step.0(filter.clone());
        let contradicts = matches!(more.plan_dump(KernelVersion::OLDEST), Err(UsageError::Contradiction(_)));
        if contradicts { filter } else { more }
    };
    prop::collection::vec(criterion, 0..12).prop_map(move |steps| steps.iter().fold(Filter::new(), add))
}

/// One call.
struct Step(Box<dyn Fn(Filter) -> Filter>);

impl Step {
    fn new(call: impl Fn(Filter) -> Filter + 'static) -> Self {
        Self(Box::new(call))
    }
}

impl Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0(Filter::new()))
    }
}

proptest! {
    #![proptest_config(fixed(1000))]

    #[test]
    fn every_tuple(tuple in tuples()) {
        reads_back(&tuple);
    }

    #[test]
    fn every_key(key in keys()) {
        reads_back(&key);
    }

    #[test]
    fn every_filter(filter in filters()) {
        reads_back(&filter);
    }

    #[test]
    fn every_number(number in any::<u8>(), bits in any::<u32>()) {
        reads_back(&Protocol(number));
        reads_back(&Family(number));
        reads_back(&TcpState(number));
        reads_back(&SctpState(number));
        reads_back(&Status::from_bits_retain(bits));
    }

    /// Nothing panics, and what is wrong is a word of the text or behind its end.
    #[test]
    fn anything(text in "((tcp|icmp|50|reply|src|dst|sport|type|status|mark|zone|id|=|::1|10.0.0.1/8|0x7|-|,|!|é|[a-z0-9]) ?){0,12}") {
        let errors = [
            text.parse::<Tuple>().err(),
            text.parse::<FlowKey>().err(),
            text.parse::<Filter>().err(),
        ];
        for error in errors.into_iter().flatten() {
            prop_assert_eq!(text.get(error.at..error.at + error.word.len()), Some(error.word.as_str()));
        }
    }
}

/// Which protocols have ports depends on the kernel: what it reported without them reads back without them.
#[test]
fn protocols_without_ports() {
    let [src, dst] = [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2))];
    for protocol in (0..=u8::MAX).map(Protocol) {
        let generic = Tuple::generic(protocol, src, dst);
        assert_eq!(generic.to_string(), format!("{protocol} src=10.0.0.1 dst=10.0.0.2"));
        match protocol {
            Protocol::TCP | Protocol::UDP | Protocol::ICMP | Protocol::ICMPV6 => {
                let error = generic.to_string().parse::<Tuple>().unwrap_err();
                assert!(matches!(error.kind, TextErrorKind::Missing { .. }), "{error}");
            }
            _ => {
                reads_back(&generic);
                reads_back(&FlowKey::new(generic).with_id(FlowId([0, 0, 1, 0])));
            }
        }
        let ports = Tuple::new(src, dst, protocol, Some(L4::Ports { src: 1, dst: 2 }));
        match protocol {
            Protocol::ESP | Protocol::AH | Protocol::ICMP | Protocol::ICMPV6 => {
                let error = ports.to_string().parse::<Tuple>().unwrap_err();
                assert_eq!(error.kind, TextErrorKind::NotOfProtocol, "{error}");
            }
            _ => reads_back(&ports),
        }
    }
}

#[test]
fn filters_by_words() {
    let filter: Filter =
        "  proto=TCP\tdport=80-443 reply-src=2001:db8::1 mark=0x10/0x10 status=Assured,!seen_reply,!0x10000 \
                          zone=0 state=established family=IPv6 "
            .parse()
            .unwrap();
    let built = Filter::new()
        .ipv6()
        .tcp()
        .orig_dst_port(80..=443)
        .reply_src("2001:db8::1".parse::<IpAddr>().unwrap())
        .mark_masked(16, 16)
        .status(Status::ASSURED)
        .without_status(Status::SEEN_REPLY | Status::from_bits_retain(0x10000))
        .zone(0)
        .tcp_state(TcpState::ESTABLISHED);
    assert_eq!(filter, built);
    assert_eq!(
        built.to_string(),
        "family=ipv6 proto=tcp dport=80-443 reply-src=2001:db8::1 mark=0x10/0x10 status=assured,!seen_reply,!0x10000 \
         zone=0 state=ESTABLISHED"
    );
    assert!("".parse::<Filter>().unwrap().is_all());
    assert_eq!(Filter::all().to_string(), "");
}

#[test]
fn errors_point_at_the_word() {
    fn error<T: FromStr<Err = TextError> + Debug>(text: &str) -> String {
        text.parse::<T>().expect_err(text).to_string()
    }
    assert_eq!(error::<Filter>("proto=tcp sport=1 sport=2"), r#""sport=2" at byte 18: given before"#);
    assert_eq!(error::<Filter>("dport=443-80"), r#""dport=443-80" at byte 0: the lower end is above the upper end"#);
    assert_eq!(
        error::<Filter>("status=assured,!assured"),
        r#""status=assured,!assured" at byte 0: expected status bits"#
    );
    assert_eq!(error::<Filter>("mark=7/"), r#""mark=7/" at byte 0: expected a mark, or a mark/mask"#);
    assert!(error::<Filter>("tcp").starts_with(r#""tcp" at byte 0: unknown, expected one of family=, proto=, src="#));
    assert!(error::<Filter>("reply-zone=1").starts_with(r#""reply-zone=1" at byte 0: unknown"#));
    assert_eq!(
        "proto=tcp dport=http".parse::<Filter>().unwrap_err().kind,
        TextErrorKind::Value { expected: "a port, or a range such as 80-443" }
    );

    let tuple = |end: &str| error::<Tuple>(&format!("tcp src=10.0.0.1 {end}"));
    assert_eq!(tuple("dst=::1 sport=1 dport=2"), r#""dst=::1" at byte 17: IPv4 and IPv6 are mixed"#);
    assert_eq!(tuple("dst=10.0.0.2 sport=1"), "dport= is missing");
    assert_eq!(tuple("dst=10.0.0.2"), "sport= is missing");
    assert_eq!(error::<Tuple>("sctp src=10.0.0.1 dst=10.0.0.2 dport=1"), "sport= is missing");
    assert_eq!(error::<Tuple>("gre src=10.0.0.1 dst=10.0.0.2 srckey=1"), "dstkey= is missing");
    assert_eq!(tuple("dst=10.0.0.2 srckey=1"), r#""srckey=1" at byte 30: the protocol does not have it"#);
    assert_eq!(error::<Tuple>("src=10.0.0.1"), r#""src=10.0.0.1" at byte 0: expected a protocol"#);
    assert_eq!(error::<Tuple>(""), "a protocol is missing");
    assert_eq!(error::<TcpState>("OPEN"), r#""OPEN" at byte 0: expected a TCP state"#);
}
