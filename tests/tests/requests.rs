//! The bytes of every request and every structure, one attribute a line: what a change of them looks like in review.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use conntrack::codec::BoundedBytes;
use conntrack::netlink::Request;
use conntrack::*;
use conntrack_tests::captures;
use conntrack_tests::explain::{explained, structure};

fn v4(last: u8, port: u16) -> SocketAddr {
    ([10, 0, 0, last], port).into()
}

fn v6(last: u16, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]), port)
}

fn help() -> Help {
    Help { name: "ftp".parse().expect("short"), info: Some(BoundedBytes::new(&[1, 2, 3]).expect("short")) }
}

fn seq_adj(by: i32) -> SeqAdj {
    SeqAdj { correction_pos: 0x0102_0304, offset_before: by, offset_after: -by }
}

fn tcp_info() -> ProtoInfo {
    ProtoInfo::Tcp(ProtoInfoTcp {
        state: Some(TcpState::ESTABLISHED),
        wscale_original: Some(7),
        wscale_reply: Some(8),
        flags_original: Some(TcpFlags::set(TcpFlagBits::WINDOW_SCALE | TcpFlagBits::BE_LIBERAL)),
        flags_reply: Some(TcpFlags::exactly(TcpFlagBits::WINDOW_SCALE)),
    })
}

fn everything_new() -> NewFlow {
    NewFlow::tcp(v4(1, 40000), v4(2, 21))
        .master(Tuple::udp(v4(3, 1), v4(4, 2)))
        .timeout(Duration::from_millis(1500))
        .mark(7)
        .proto_info(tcp_info())
        .help("ftp".parse::<HelperName>().expect("short"))
        .nat_src(Nat::to_range(IpAddr::from([192, 0, 2, 1])..=IpAddr::from([192, 0, 2, 9])).ports(1000..=2000))
        .nat_dst(Nat::to(IpAddr::from([192, 0, 2, 10])).port(80))
        .seq_adj(seq_adj(5), seq_adj(-5))
        .zone(9)
        .labels(Labels::from_iter([0, 127]))
        .synproxy(Synproxy { isn: 1, its: 2, tsoff: 3 })
}

fn everything_changed() -> Changes {
    Changes::new()
        .remove_helper()
        .timeout(Duration::from_secs(60))
        .status(Status::CONFIRMED | Status::ASSURED)
        .proto_info(tcp_info())
        .mark_bits(0xff, 0x0f)
        .seq_adj(seq_adj(5), seq_adj(-5))
        .synproxy(Synproxy { isn: 1, its: 2, tsoff: 3 })
        .labels_masked(Labels::from_iter([1]), Labels::from_iter([1, 2]))
}

#[test]
fn create() {
    insta::assert_snapshot!("create_udp", explained(&request::create(&NewFlow::udp(v4(1, 5353), v4(2, 53))).unwrap()));
    insta::assert_snapshot!("create_tcp_v6", explained(&request::create(&NewFlow::tcp(v6(1, 1), v6(2, 2))).unwrap()));
    let echo = NewFlow::echo(v6(1, 0).ip(), v6(2, 0).ip(), 7);
    insta::assert_snapshot!("create_icmpv6", explained(&request::create(&echo).unwrap()));
    let esp = NewFlow::generic(Protocol::ESP, v4(1, 0).ip(), v4(2, 0).ip());
    insta::assert_snapshot!("create_esp", explained(&request::create(&esp).unwrap()));
    insta::assert_snapshot!("create_everything", explained(&request::create(&everything_new()).unwrap()));
}

#[test]
fn upsert() {
    insta::assert_snapshot!(explained(&request::upsert(&NewFlow::udp(v4(1, 5353), v4(2, 53))).unwrap()));
}

#[test]
fn update() {
    let update = FlowUpdate { key: Tuple::tcp(v4(1, 1), v4(2, 2)).into(), changes: everything_changed() };
    insta::assert_snapshot!("update_everything", explained(&request::update(&update).unwrap()));
    let update = FlowUpdate { key: Tuple::tcp(v4(1, 1), v4(2, 2)).into(), changes: Changes::new().mark(0) };
    insta::assert_snapshot!("update_mark_to_zero", explained(&request::update(&update).unwrap()));
}

#[test]
fn get_and_delete() {
    let key = FlowKey::new(Tuple::udp(v4(1, 1), v4(2, 2)));
    insta::assert_snapshot!("get", explained(&request::get(&key.in_zone(9)).unwrap()));
    let by_reply = FlowKey::by_reply(Tuple::udp(v6(1, 1), v6(2, 2)).in_zone(9));
    insta::assert_snapshot!("get_by_reply", explained(&request::get(&by_reply).unwrap()));
    insta::assert_snapshot!("delete", explained(&request::delete(&key.with_id(FlowId([1, 2, 3, 4]))).unwrap()));
}

/// A creation with it crashes Linux 5.10.
#[test]
fn private_data_of_a_helper_is_restored_by_an_update() {
    let mut flow = Flow::new(Tuple::tcp(v4(1, 40000), v4(2, 21)), FlowId([1, 2, 3, 4]));
    flow.zone = Some(9);
    flow.help = Some(help());
    let text = |request: Result<Request<'_>, UsageError>| dissect_message(&bytes(request)).to_string();
    for request in [request::create(&NewFlow::from(&flow)), request::upsert(&NewFlow::from(&flow))].map(text) {
        assert!(request.contains("CTA_HELP_NAME") && !request.contains("CTA_HELP_INFO"), "{request}");
    }
    let update = FlowUpdate::restoring(&flow).expect("the helper has private data");
    assert_eq!(update.key, FlowKey::new(flow.orig).in_zone(9), "without the id");
    assert_eq!(update.changes, Changes { help: Some(help()), ..Changes::new() });
    assert!(text(request::update(&update)).contains("CTA_HELP_INFO"));

    flow.help = Some(Help { info: None, ..help() });
    assert_eq!(FlowUpdate::restoring(&flow), None);
    flow.help = None;
    assert_eq!(FlowUpdate::restoring(&flow), None);
}

#[test]
fn states_are_restored_in_a_form_that_the_kernel_takes() {
    let restored = |protocol, info: ProtoInfo| {
        let mut flow = Flow::new(Tuple::with_ports(protocol, v4(1, 1), v4(2, 2)), FlowId([1, 2, 3, 4]));
        flow.proto_info = Some(info);
        let new = NewFlow::from(&flow);
        request::create(&new).unwrap();
        new.proto_info
    };
    let dccp = |state, role| ProtoInfo::Dccp(ProtoInfoDccp { state, role, handshake_seq: Some(0x0102_0304_0506) });
    let open = dccp(Some(DccpState::OPEN), Some(DccpRole::SERVER));
    assert_eq!(restored(Protocol::DCCP, open.clone()), Some(open));
    // The kernel refuses these.
    for (state, role) in [
        (None, Some(DccpRole::CLIENT)),
        (Some(DccpState::OPEN), None),
        (Some(DccpState::IGNORE), Some(DccpRole::CLIENT)),
        (Some(DccpState::OPEN), Some(DccpRole(2))),
    ] {
        assert_eq!(restored(Protocol::DCCP, dccp(state, role)), None, "{state:?} {role:?}");
        let new = NewFlow::new(Tuple::with_ports(Protocol::DCCP, v4(1, 1), v4(2, 2))).proto_info(dccp(state, role));
        assert_eq!(request::create(&new).err(), Some(UsageError::Dccp), "{state:?} {role:?}");
    }
    let sctp =
        |state| ProtoInfo::Sctp(ProtoInfoSctp { state: Some(state), vtag_original: Some(1), vtag_reply: Some(2) });
    assert_eq!(restored(Protocol::SCTP, sctp(SctpState::CLOSED)), Some(sctp(SctpState::CLOSED)));
    assert_eq!(restored(Protocol::SCTP, sctp(SctpState::HEARTBEAT_ACKED)), Some(sctp(SctpState::ESTABLISHED)));
    assert_eq!(restored(Protocol::SCTP, sctp(SctpState(10))), None);
}

/// The protocols whose tracker a kernel may lack: it then reports their flows without ports.
const OPTIONAL: [Protocol; 4] = [Protocol::DCCP, Protocol::GRE, Protocol::SCTP, Protocol::UDPLITE];

fn bytes(request: Result<Request<'_>, UsageError>) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.unwrap().encode(1, &mut bytes).unwrap();
    bytes
}

#[test]
fn tuples_without_ports_are_for_the_kernel_to_judge() {
    for protocol in OPTIONAL {
        for (client, server) in [(v4(1, 0).ip(), v4(2, 0).ip()), (v6(1, 0).ip(), v6(2, 0).ip())] {
            let tuple = Tuple::generic(protocol, client, server);
            let key = FlowKey::new(tuple);
            let update = FlowUpdate { key, changes: Changes::new().mark(1) };
            let new = NewFlow::new(tuple);
            let expect = NewExpect::exactly(tuple, Tuple::tcp(v4(1, 1), v4(2, 2)));
            for sent in [bytes(request::get(&key)), bytes(request::update(&update)), bytes(request::delete(&key))] {
                assert_eq!(codec::decode::<FlowKey>(&sent[20..]), Ok(key), "{protocol}");
            }
            assert_eq!(codec::decode::<NewFlow>(&bytes(request::create(&new))[20..]), Ok(new), "{protocol}");
            if client.is_ipv4() {
                let sent = bytes(request::expect::create(&expect));
                assert_eq!(codec::decode::<NewExpect>(&sent[20..]), Ok(expect), "{protocol}");
            }
        }
    }
    let gre = FlowKey::new(Tuple::generic(Protocol::GRE, v4(1, 0).ip(), v4(2, 0).ip()));
    #[rustfmt::skip]
    let attributes = [
        0x24, 0, 1, 0x80, // CTA_TUPLE_ORIG
        0x14, 0, 1, 0x80, // CTA_TUPLE_IP
        8, 0, 1, 0, 10, 0, 0, 1, 8, 0, 2, 0, 10, 0, 0, 2,
        0xc, 0, 2, 0x80, // CTA_TUPLE_PROTO
        5, 0, 1, 0, 47, 0, 0, 0,
    ];
    if cfg!(target_endian = "little") {
        assert_eq!(bytes(request::get(&gre))[20..], attributes);
    }
    // Every kernel reports these with ports or identifiers.
    for protocol in [Protocol::TCP, Protocol::UDP, Protocol::ICMP, Protocol::ICMPV6] {
        let tuple = Tuple::generic(protocol, v4(1, 0).ip(), v4(2, 0).ip());
        assert_eq!(request::get(&tuple.into()).err(), Some(UsageError::WrongL4("the key")), "{protocol}");
    }
}

/// Of whatever protocol, with whatever a kernel reports for it.
#[test]
fn reported_keys_are_accepted() {
    let l4 = [
        None,
        Some(L4::Ports { src: 1, dst: 2 }),
        Some(L4::Icmp { id: 1, kind: 42, code: 0 }),
        Some(L4::Icmpv6 { id: 1, kind: 160, code: 0 }),
    ];
    for (protocol, l4) in (0..=u8::MAX).flat_map(|protocol| l4.map(|l4| (Protocol(protocol), l4))) {
        let tuple = Tuple::new(v4(1, 0).ip(), v4(2, 0).ip(), protocol, l4);
        let reported = codec::encode(&Flow::new(tuple, FlowId([1, 2, 3, 4]))).unwrap();
        let key = codec::decode::<Flow>(&reported).unwrap().key();
        for sent in [request::get(&key), request::get_zeroing(&key), request::delete(&key)].map(bytes) {
            assert_eq!(codec::decode::<FlowKey>(&sent[20..]), Ok(key), "{tuple:?}");
        }
        let key = ExpectKey::new(tuple).with_id(ExpectId([1, 2, 3, 4]));
        for sent in [request::expect::get(&key), request::expect::delete(&key)].map(bytes) {
            assert_eq!(codec::decode::<ExpectKey>(&sent[20..]), Ok(key), "{tuple:?}");
        }
    }
    // Without an id it is somebody's mistake: the kernel would ignore these ports, and find the flow of other ones.
    let esp = Tuple::with_ports(Protocol::ESP, v4(1, 1), v4(2, 2));
    assert_eq!(request::delete(&esp.into()).err(), Some(UsageError::WrongL4("the key")));
    // No kernel reports these.
    let mixed = FlowKey::new(Tuple::udp(v4(1, 1), v6(2, 2))).with_id(FlowId([1; 4]));
    assert_eq!(request::get(&mixed).err(), Some(UsageError::MixedFamilies("the key")));
}

/// Filters with something for the kernel in each of its criteria.
fn filters() -> [(&'static str, Filter); 6] {
    [
        ("all", Filter::all()),
        ("mark_and_status", Filter::new().mark_masked(1, 3).status(Status::ASSURED).without_status(Status::DST_NAT)),
        ("zone", Filter::new().zone(9)),
        (
            "tuples",
            Filter::new().udp().orig_src(v4(1, 0).ip()).orig_dst_port(53).reply_src(v4(2, 0).ip()).reply_src_port(53),
        ),
        ("icmp", Filter::new().ipv4().protocol(Protocol::ICMP).icmp_type(8).icmp_code(0).icmp_id(7)),
        ("icmpv6", Filter::new().ipv6().protocol(Protocol::ICMPV6).icmp_type(128).icmp_code(0).icmp_id(7)),
    ]
}

/// A kernel with every filter. Plans rely on the running kernel too, so one that is older plans less.
const KERNEL: KernelVersion = KernelVersion::new(6, 18);

#[test]
fn dump() {
    for (name, filter) in filters() {
        let plan = filter.plan_dump(KERNEL).unwrap();
        assert!(plan.is_exact() || KernelVersion::running() < KERNEL, "{name}");
        insta::assert_snapshot!(format!("dump_{name}"), explained(&request::dump(&plan)));
    }
    // The kernel gets these wrong or does not know them, so it is not asked.
    let inexact = Filter::new().tcp().orig_src(v6(1, 0).ip()).orig_dst_port(80..=81).tcp_state(TcpState::CLOSE);
    let plan = inexact.plan_dump(KERNEL).unwrap();
    assert!(!plan.is_exact());
    insta::assert_snapshot!("dump_inexact", explained(&request::dump(&plan)));
}

/// The flushes of a filter; `None` on a running kernel that cannot do them, which says so.
fn flush_plans(filter: &Filter) -> Option<Vec<FlushPlan>> {
    let plans = filter.plan_flush(KERNEL).unwrap();
    if plans.is_none() {
        let running = KernelVersion::running();
        assert!(running < KERNEL, "{filter}");
        eprintln!("SKIPPED the flush of {filter}: Linux {running} cannot do it");
    }
    plans
}

#[test]
fn flush() {
    for (name, filter) in filters().into_iter().skip(1) {
        let Some(plans) = flush_plans(&filter) else { continue };
        let explained: Vec<_> = plans.iter().map(|plan| explained(&request::flush(plan))).collect();
        insta::assert_snapshot!(format!("flush_{name}"), explained.join("\n"));
    }
    insta::assert_snapshot!("flush_everything", explained(&request::flush_all()));
}

#[test]
fn what_every_flow_meets_is_no_criterion() {
    let all = [
        Filter::new().mark_masked(0, 0),
        Filter::new().status(Status::empty()),
        Filter::new().without_status(Status::empty()),
        Filter::new().family(Family::UNSPEC),
        "mark=0/0 status=0".parse().unwrap(),
    ];
    for filter in all {
        assert!(filter.is_all(), "{filter:?}");
        assert_eq!(filter.plan_flush(KERNEL), Err(UsageError::FlushWithoutCriteria), "{filter:?}");
    }
    // Nor does it take one away.
    assert_eq!(Filter::new().mark(7).mark_masked(0, 0), Filter::new().mark(7));
    assert_eq!(Filter::new().ipv4().family(Family::UNSPEC), Filter::new().ipv4());
    let answered = Filter::new().status(Status::SEEN_REPLY);
    assert_eq!(answered.clone().status(Status::empty()).without_status(Status::empty()), answered);
    // What no flow meets is one.
    let none = Filter::new().mark_masked(7, 0);
    if let Some(plans) = flush_plans(&none) {
        assert_eq!(plans[0].criteria().mark, Some(Mark { value: 7, mask: Some(0) }));
    }
    assert_eq!("mark=7/0".parse(), Ok(none));
    assert!("mark=0/0 mark=7".parse::<Filter>().is_err());
}

#[test]
fn a_flush_that_the_kernel_gets_wrong_is_not_asked_for() {
    let address = Filter::new().orig_src(v6(1, 0).ip());
    let port = Filter::new().ipv4().protocol(Protocol::SCTP).orig_dst_port(1);
    let prefix = Filter::new().orig_src("10.0.0.0/8".parse::<ipnet::IpNet>().unwrap());
    let other_family = Filter::new().family(Family(7)).udp();
    for filter in [address, port, prefix, other_family, Filter::new().tcp_state(TcpState::CLOSE)] {
        assert_eq!(filter.plan_flush(KERNEL).unwrap(), None, "{filter:?}");
    }
}

/// The kernel refuses a filter by an ICMP type that it does not track (`EINVAL`).
#[test]
fn icmp_types_that_the_kernel_does_not_track_are_compared_here() {
    let tracked: [(Protocol, &[u8]); 2] =
        [(Protocol::ICMP, &[0, 8, 13, 14, 15, 16, 17, 18]), (Protocol::ICMPV6, &[128, 129, 139, 140])];
    for (protocol, tracked) in tracked {
        for kind in 0..=u8::MAX {
            let filter = Filter::new().ipv4().protocol(protocol).icmp_type(kind);
            let plan = filter.plan_dump(KERNEL).unwrap();
            let sent = plan
                .criteria()
                .orig
                .and_then(|orig| orig.proto)
                .and_then(|proto| proto.icmp_type.or(proto.icmpv6_type));
            assert_eq!(sent, Some(kind).filter(|kind| tracked.contains(kind)), "{filter}");
            assert!(sent.is_some() || !plan.is_exact(), "{filter}");
            assert!(sent.is_some() || filter.plan_flush(KERNEL) == Ok(None), "{filter}");
        }
    }
}

/// A filter with two different values for a criterion, the criterion's name, and flows that meet one of the two.
fn contradictions() -> Vec<(Filter, &'static str)> {
    let [one, other] = [v4(1, 0).ip(), v4(2, 0).ip()];
    let net = |text: &str| text.parse::<ipnet::IpNet>().unwrap();
    let all = Filter::new;
    vec![
        (all().udp().tcp(), "protocol"),
        (all().tcp().ipv4().udp(), "protocol"),
        (all().ipv4().ipv6(), "family"),
        (all().orig_src(one).orig_src(other), "orig_src"),
        (all().orig_src(net("10.0.0.0/8")).orig_src(one), "orig_src"),
        (all().orig_dst(one).orig_dst(other), "orig_dst"),
        (all().reply_src(one).reply_src(other), "reply_src"),
        (all().reply_dst(one).reply_dst(other), "reply_dst"),
        (all().orig_src_port(1).orig_src_port(2), "orig_src_port"),
        (all().orig_dst_port(1).orig_dst_port(1..=2), "orig_dst_port"),
        (all().reply_src_port(1).reply_src_port(2), "reply_src_port"),
        (all().reply_dst_port(1).reply_dst_port(2), "reply_dst_port"),
        (all().icmp_id(1).icmp_id(2), "icmp_id"),
        (all().icmp_type(8).icmp_type(0), "icmp_type"),
        (all().icmp_code(0).icmp_code(1), "icmp_code"),
        (all().mark(1).mark(2), "mark"),
        (all().mark(1).mark_masked(1, 1), "mark"),
        (all().zone(0).zone(1), "zone"),
        (all().tcp_state(TcpState::CLOSE).tcp_state(TcpState::ESTABLISHED), "tcp_state"),
        (all().status(Status::ASSURED).without_status(Status::ASSURED), "status"),
        (all().without_status(Status::ASSURED | Status::SRC_NAT).status(Status::SRC_NAT), "status"),
        // The first of them counts, and a later agreement takes nothing back.
        (all().udp().tcp().mark(1).mark(2).udp(), "protocol"),
    ]
}

#[test]
fn a_second_value_for_a_criterion_is_refused() {
    let id = FlowId([1; 4]);
    let mut flows = vec![Flow::new(Tuple::echo(v4(1, 0).ip(), v4(2, 0).ip(), 1), id)];
    for (client, server) in [(v4(1, 1), v4(2, 1)), (v4(2, 2), v4(1, 2)), (v6(1, 1), v6(2, 2))] {
        flows.push(Flow::new(Tuple::udp(client, server), id));
        flows.push(Flow { mark: Some(1), status: Status::all(), ..Flow::new(Tuple::tcp(client, server), id) });
    }
    for (filter, name) in contradictions() {
        let error = UsageError::Contradiction(name);
        assert_eq!(filter.plan_dump(KERNEL), Err(error.clone()), "{filter:?}");
        assert_eq!(filter.plan_flush(KERNEL), Err(error.clone()), "{filter:?}");
        assert_eq!(filter.compile().err(), Some(error.clone()), "{filter:?}");
        assert_eq!(filter.lasting().compile().err(), Some(error), "{filter:?}");
        assert!(!filter.is_all(), "{filter:?}");
        assert_eq!(flows.iter().find(|flow| filter.matches(flow)), None, "{filter:?}");
        assert!(filter.to_string().parse::<Filter>().is_err(), "{filter}");
    }
    let error = Filter::new().udp().tcp().plan_dump(KERNEL).unwrap_err();
    assert_eq!(error.to_string(), "the filter has two contradicting values for protocol");
}

#[test]
fn the_same_value_twice_is_one_criterion() {
    let net = "10.0.0.0/8".parse::<ipnet::IpNet>().unwrap();
    let once = Filter::new().ipv4().udp().orig_src(net).orig_dst_port(53).mark(7).zone(3);
    let host_bits = "10.9.9.9/8".parse::<ipnet::IpNet>().unwrap();
    let twice = once.clone().ipv4().udp().orig_src(host_bits).orig_dst_port(53..=53).mark_masked(7, u32::MAX).zone(3);
    assert_eq!(twice, once);
    // Status bits add up.
    let bits = Filter::new().status(Status::ASSURED | Status::SEEN_REPLY).without_status(Status::SRC_NAT);
    let apart = Filter::new().status(Status::ASSURED).without_status(Status::SRC_NAT).status(Status::SEEN_REPLY);
    assert_eq!(apart, bits);
    assert_eq!(apart.status(Status::ASSURED), bits);
}

#[test]
fn structures() {
    insta::assert_snapshot!("new_flow", structure(&everything_new()));
    insta::assert_snapshot!("changes", structure(&everything_changed()));
    let flow = Flow {
        orig: Tuple::tcp(v6(1, 40000), v6(2, 21)),
        reply: Tuple::tcp(v6(2, 21), v6(1, 40000)).in_zone(3),
        zone: Some(9),
        status: Status::all(),
        mark: Some(7),
        sec_ctx: Some(SecCtx { name: "system_u:object_r:unlabeled_t:s0".to_owned() }),
        id: FlowId([1, 2, 3, 4]),
        use_count: Some(2),
        master: Some(Tuple::echo(v4(1, 0).ip(), v4(2, 0).ip(), 7)),
        timeout: Some(Seconds(431_999)),
        proto_info: Some(tcp_info()),
        counters_orig: Some(Counters { packets: 1, bytes: 52 }),
        counters_reply: Some(Counters { packets: u64::MAX, bytes: 0 }),
        timestamp: Some(Timestamp { start: Nanoseconds(1), stop: Some(Nanoseconds(2)) }),
        help: Some(help()),
        labels: Some(Labels([0xff; 16])),
        seq_adj_orig: Some(seq_adj(5)),
        seq_adj_reply: Some(seq_adj(-5)),
        synproxy: Some(Synproxy { isn: 1, its: 2, tsoff: 3 }),
        timestamp_event: Some(Nanoseconds(3)),
    };
    insta::assert_snapshot!("flow", structure(&flow));
    let sctp = ProtoInfoSctp { state: Some(SctpState::ESTABLISHED), vtag_original: Some(1), vtag_reply: Some(2) };
    insta::assert_snapshot!("proto_info_sctp", structure(&ProtoInfo::Sctp(sctp)));
    let dccp = ProtoInfoDccp {
        state: Some(DccpState::OPEN),
        role: Some(DccpRole::SERVER),
        handshake_seq: Some(0x0102_0304_0506),
    };
    insta::assert_snapshot!("proto_info_dccp", structure(&ProtoInfo::Dccp(dccp)));
}

mod conntrack8 {
    //! What conntrack(8) 1.4.7 sends for the same, byte for byte; and why not, where not.
    //!
    //! Everywhere: its padding behind a byte-sized attribute is whatever was in memory, and its request number the time
    //! of day.

    use conntrack::codec::Layout;
    use conntrack::header::NlMsgHdr;

    use super::*;

    /// The `index`-th message that it sends for a command.
    fn theirs(capture: &str, index: usize) -> Vec<u8> {
        captures::load(capture).messages.swap_remove(index).bytes
    }

    /// Without what is in parentheses: the padding.
    fn without_padding(text: &str) -> String {
        let pieces = text.split_inclusive(['(', ')']);
        pieces.filter(|piece| !piece.ends_with(')') || piece.contains('\n')).collect()
    }

    #[track_caller]
    fn assert_same(theirs: &[u8], request: &Request<'_>) {
        let seq = NlMsgHdr::read(theirs).unwrap().seq;
        let mut ours = Vec::new();
        request.encode(seq, &mut ours).unwrap();
        let [theirs, ours] = [theirs, &ours].map(|bytes| without_padding(&dissect_message(bytes).to_string()));
        assert_eq!(theirs, ours);
    }

    #[test]
    fn creates_alike() {
        let udp = NewFlow::udp(v4(1, 1000), v4(2, 2000)).timeout(Duration::from_secs(60));
        assert_same(&theirs("conntrack-create-udp", 0), &request::create(&udp).unwrap());

        let flags = Some(TcpFlags { flags: 0x0a, mask: 0x0a });
        let state = ProtoInfoTcp {
            state: Some(TcpState::ESTABLISHED),
            flags_original: flags,
            flags_reply: flags,
            ..ProtoInfoTcp::default()
        };
        let tcp = NewFlow::tcp(v4(1, 1000), v4(2, 80))
            .timeout(Duration::from_secs(60))
            .mark(7)
            .proto_info(ProtoInfo::Tcp(state));
        assert_same(&theirs("conntrack-create-tcp", 0), &request::create(&tcp).unwrap());
    }

    #[test]
    fn translates_alike() {
        let snat = NewFlow::udp(v4(1, 1001), v4(2, 2000))
            .timeout(Duration::from_secs(60))
            .nat_src(IpAddr::from([192, 0, 2, 1]));
        assert_same(&theirs("conntrack-create-snat", 0), &request::create(&snat).unwrap());
    }

    #[test]
    fn updates_alike() {
        let key = Tuple::udp(v4(1, 1000), v4(2, 2000)).into();
        let update = FlowUpdate { key, changes: Changes::new().mark(9) };
        // They dump the table first, to find what to update, and get it afterwards, to show it.
        assert_same(&theirs("conntrack-update-mark", 1), &request::update(&update).unwrap());
    }

    #[test]
    fn gets_alike() {
        let key = Tuple::udp(v4(1, 1000), v4(2, 2000)).into();
        assert_same(&theirs("conntrack-get-udp", 0), &request::get(&key).unwrap());
    }

    #[test]
    fn dumps_alike() {
        let cases = [
            ("conntrack-dump", Filter::all()),
            ("conntrack-dump-ipv4", Filter::new().ipv4()),
            ("conntrack-dump-mark", Filter::new().mark(7)),
        ];
        for (capture, filter) in cases {
            // It does not ask for an acknowledgement, which the kernel does not send for a dump.
            assert_same(&theirs(capture, 0), &request::dump(&filter.plan_dump(KERNEL).unwrap()).without_ack());
        }
    }

    #[test]
    fn flushes_alike() {
        assert_same(&theirs("conntrack-flush", 0), &request::flush_all());
        // It sets no version, so that its flush of IPv4 flows deletes IPv6 flows as well.
        if let Some(ipv4) = flush_plans(&Filter::new().ipv4()) {
            assert_same(&theirs("conntrack-flush-ipv4", 0), &request::flush(&ipv4[0]).version(0));
        }
    }

    /// It sends all that the dump said of the flow, of which the kernel looks at the tuple alone; and no id, so that a
    /// flow that took the tuple meanwhile would be deleted.
    #[test]
    fn deletes_alike_as_far_as_the_kernel_looks() {
        let theirs = theirs("conntrack-delete-udp", 1);
        let flow = codec::decode::<NewFlow>(&theirs[20..]).unwrap();
        let mut ours = Vec::new();
        request::delete(&flow.orig.into()).unwrap().encode(1, &mut ours).unwrap();
        assert_eq!(ours.len(), 20 + 52);
        assert_eq!(ours[20..], theirs[20..20 + 52]);
    }
}
