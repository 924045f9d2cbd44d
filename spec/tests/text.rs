//! Flows as text.

use std::time::{Duration, SystemTime};

use conntrack_spec::{
    Counters, DccpState, Endpoint, Family, Flow, FlowId, FlowKey, Help, LabelNames, Labels, Nanoseconds, Nat, NewFlow,
    ProtoInfo, ProtoInfoDccp, ProtoInfoSctp, ProtoInfoTcp, Protocol, SctpState, SecCtx, Seconds, Status, TcpState,
    Timestamp, Tuple, codec::RawAttribute,
};

fn tuple() -> Tuple {
    Tuple::tcp("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:80".parse().unwrap())
}

/// A flow that has been answered, and nothing else.
fn flow(orig: Tuple) -> Flow {
    Flow { status: Status::CONFIRMED | Status::SEEN_REPLY, ..Flow::new(orig, FlowId([1, 2, 3, 4])) }
}

#[test]
#[cfg(target_endian = "little")]
fn lines_are_those_of_conntrack_8() {
    let mut lines = include_str!("captures/conntrack-l.txt").lines().filter(|line| !line.starts_with('#'));
    let now = lines.next().and_then(|line| line.strip_prefix("now ")).unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.parse().unwrap());
    let names = LabelNames::from_conf("0 guest\n3 blue tooth\n");
    let mut flows = 0;
    while let Some(hex) = lines.next() {
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let flow: Flow = conntrack_spec::codec::decode(&bytes).unwrap();
        assert_eq!(flow.display().now(now).to_string(), lines.next().unwrap());
        let extended = flow.display().extended().id().ktimestamp().labels(&names).now(now);
        assert_eq!(extended.to_string(), lines.next().unwrap());
        flows += 1;
    }
    assert_eq!(flows, 17);
}

/// What the kernel of the capture did not send, as `libnetfilter_conntrack` 1.0.9 prints it.
#[test]
fn everything_at_once() {
    let mut orig = tuple().in_zone(6);
    orig.ip.src = "2001:db8::1".parse().unwrap();
    orig.ip.dst = "::1.2.3.4".parse().unwrap();
    let flow = Flow {
        reply: tuple().inverse().in_zone(7),
        zone: Some(0),
        status: Status::ASSURED,
        mark: Some(5),
        sec_ctx: Some(SecCtx { name: "system_u:object_r:x:s0".to_owned() }),
        use_count: Some(9),
        timeout: Some(Seconds(u32::MAX)),
        proto_info: Some(ProtoInfo::Tcp(ProtoInfoTcp { state: Some(TcpState::CLOSE), ..ProtoInfoTcp::default() })),
        counters_orig: Some(Counters { packets: u64::MAX, bytes: 3 }),
        counters_reply: Some(Counters { packets: 0, bytes: 0 }),
        timestamp: Some(Timestamp {
            start: Nanoseconds(1_700_000_000_999_999_999),
            stop: Some(Nanoseconds(1_700_000_100_000_000_000)),
        }),
        help: Some(Help { name: "ftp".parse().unwrap(), info: None }),
        labels: Some([0, 1, 3].into_iter().collect()),
        ..flow(orig)
    };
    let names = LabelNames::from_conf("# labels\n0 foo\n1\tbar baz\n3 three\n3 again\n128 none\n");
    assert_eq!(
        flow.display().extended().id().ktimestamp().labels(&names).to_string(),
        "ipv6     10 tcp      6 4294967295 CLOSE src=2001:db8::1 dst=::1.2.3.4 sport=40000 dport=80 zone-orig=6 \
         packets=18446744073709551615 bytes=3 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=80 dport=40000 zone-reply=7 \
         packets=0 bytes=0 [ASSURED] mark=5 secctx=system_u:object_r:x:s0 zone=0 delta-time=100 \
         [start=Tue Nov 14 22:13:20 2023] [stop=Tue Nov 14 22:15:00 2023] helper=ftp use=9 id=16909060 \
         labels=foo,bar baz,three"
    );
}

#[test]
fn one_mark_hides_the_others() {
    let ending = |status| Flow { status, ..flow(tuple()) }.to_string().split("dport=40000").nth(1).unwrap().to_owned();
    assert_eq!(ending(Status::SEEN_REPLY), "");
    assert_eq!(ending(Status::ASSURED), " [ASSURED]");
    assert_eq!(ending(Status::ASSURED | Status::OFFLOAD), " [OFFLOAD]");
    assert_eq!(ending(Status::ASSURED | Status::OFFLOAD | Status::HW_OFFLOAD), " [HW_OFFLOAD]");
}

#[test]
fn states() {
    let state = |proto_info| {
        let line = Flow { proto_info: Some(proto_info), ..flow(tuple()) }.to_string();
        line.trim_start_matches("tcp      6").split(" src=").next().unwrap().to_owned()
    };
    let tcp = |state| ProtoInfo::Tcp(ProtoInfoTcp { state, ..ProtoInfoTcp::default() });
    assert_eq!(state(tcp(Some(TcpState::SYN_SENT2))), " SYN_SENT2");
    assert_eq!(state(tcp(Some(TcpState(10)))), " 10");
    assert_eq!(state(tcp(None)), "");
    let sctp = ProtoInfoSctp { state: Some(SctpState::COOKIE_WAIT), ..ProtoInfoSctp::default() };
    assert_eq!(state(ProtoInfo::Sctp(sctp)), " COOKIE_WAIT");
    let dccp = ProtoInfoDccp { state: Some(DccpState::PARTOPEN), ..ProtoInfoDccp::default() };
    assert_eq!(state(ProtoInfo::Dccp(dccp)), " PARTOPEN");
    assert_eq!(state(ProtoInfo::Other(RawAttribute { kind: 9, payload: vec![] })), "");
}

#[test]
fn time_lived() {
    let lived = |start, stop: Option<u64>, now: Option<u64>| {
        let timestamp = Some(Timestamp { start: Nanoseconds(start), stop: stop.map(Nanoseconds) });
        let flow = Flow { timestamp, ..flow(tuple()) };
        let text = match now {
            Some(now) => flow.display().now(SystemTime::UNIX_EPOCH + Duration::from_secs(now)).to_string(),
            None => flow.to_string(),
        };
        text.split("dport=40000").nth(1).unwrap().to_owned()
    };
    assert_eq!(lived(5_999_999_999, None, None), "");
    assert_eq!(lived(5_999_999_999, None, Some(8)), " delta-time=3");
    assert_eq!(lived(5_999_999_999, Some(7_000_000_000), Some(100)), " delta-time=2");
    assert_eq!(lived(5_999_999_999, Some(0), Some(8)), " delta-time=3");
    assert_eq!(lived(9_000_000_000, Some(1_000_000_000), None), " delta-time=18446744073709551608");
}

#[test]
fn moments() {
    let start = |seconds: u64| {
        let timestamp = Some(Timestamp { start: Nanoseconds(seconds * 1_000_000_000), stop: None });
        let text = Flow { timestamp, ..flow(tuple()) }.display().ktimestamp().to_string();
        text.split("[start=").nth(1).unwrap().trim_end_matches(']').to_owned()
    };
    assert_eq!(start(0), "Thu Jan  1 00:00:00 1970");
    assert_eq!(start(951_782_400), "Tue Feb 29 00:00:00 2000");
    assert_eq!(start(951_868_799), "Tue Feb 29 23:59:59 2000");
    assert_eq!(start(951_868_800), "Wed Mar  1 00:00:00 2000");
    assert_eq!(start(4_107_542_399), "Sun Feb 28 23:59:59 2100");
    assert_eq!(start(4_107_542_400), "Mon Mar  1 00:00:00 2100");
    assert_eq!(start(u64::MAX / 1_000_000_000), "Sun Jul 21 23:34:33 2554");
}

/// What conntrack(8) makes of the same lines, a live test compares.
#[test]
fn names_of_labels() {
    let text = "#0 comment\n0x10 hex\n010 octal\n7seven\n1 first\n1 second\n2 first\n3 under_score\n3  good one \n";
    let names = LabelNames::from_conf(text);
    let found: Vec<_> = (0..=255).filter_map(|bit| Some((bit, names.get(bit)?))).collect();
    assert_eq!(found, [(1, "first"), (3, "good one"), (7, "seven"), (8, "octal"), (16, "hex")]);
}

#[test]
fn labels_without_a_name_are_left_out() {
    let labels = |bits: &[u8]| {
        let labels: Labels = bits.iter().copied().collect();
        let names: LabelNames = [(1, "one"), (127, "last")].into_iter().collect();
        let text = Flow { labels: Some(labels), ..flow(tuple()) }.display().labels(&names).to_string();
        text.split("dport=40000").nth(1).unwrap().to_owned()
    };
    assert_eq!(labels(&[1, 2, 127]), " labels=one,last");
    assert_eq!(labels(&[2]), " labels");
}

#[test]
fn tuples_and_keys() {
    assert_eq!(tuple().to_string(), "tcp src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=80");
    assert_eq!(tuple().in_zone(7).to_string(), "tcp src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=80 zone=7");
    let (src, dst) = ("2001:db8::1".parse().unwrap(), "::1".parse().unwrap());
    assert_eq!(Tuple::echo(src, dst, 3).to_string(), "icmpv6 src=2001:db8::1 dst=::1 type=128 code=0 id=3");
    assert_eq!(Tuple::generic(Protocol::ESP, src, dst).to_string(), "50 src=2001:db8::1 dst=::1");
    let gre = Tuple::with_ports(Protocol::GRE, "10.0.0.1:16".parse().unwrap(), "10.0.0.2:65520".parse().unwrap());
    assert_eq!(gre.to_string(), "gre src=10.0.0.1 dst=10.0.0.2 srckey=0x10 dstkey=0xfff0");

    let key = FlowKey::new(tuple()).in_zone(5).with_id(FlowId([0, 0, 1, 0]));
    assert_eq!(key.to_string(), "tcp src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=80 zone=5 id=256");
    let key = FlowKey::by_reply(tuple().inverse());
    assert_eq!(key.to_string(), "reply tcp src=10.0.0.2 dst=10.0.0.1 sport=80 dport=40000");
}

#[test]
fn requests() {
    let client = "10.0.0.1:40000".parse().unwrap();
    let flow = NewFlow::tcp(client, "10.0.0.2:80".parse().unwrap());
    let flow = flow.timeout(Duration::from_secs(60)).zone(3).nat_src(Nat::to("192.0.2.1".parse().unwrap()).port(5));
    assert_eq!(
        flow.to_string(),
        "tcp      6 60 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=80 \
         src=10.0.0.2 dst=10.0.0.1 sport=80 dport=40000 [ASSURED] zone=3 src-nat=192.0.2.1:5"
    );
}

#[test]
fn translations() {
    let (v4, v6) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
    assert_eq!(Nat::to(v4).to_string(), "192.0.2.1");
    assert_eq!(Nat::to_range(v4..="192.0.2.9".parse().unwrap()).ports(1..=9).to_string(), "192.0.2.1-192.0.2.9:1-9");
    assert_eq!(Nat::to(v6).to_string(), "2001:db8::1");
    assert_eq!(Nat::to(v6).port(80).to_string(), "[2001:db8::1]:80");
    assert_eq!(Nat::default().port(80).to_string(), ":80");
}

/// An end of a flow has the address that the flow's line has.
#[test]
fn ends() {
    let end = |address: &str, port| Endpoint { address: address.parse().unwrap(), port }.to_string();
    assert_eq!(end("::10.0.0.1", None), "::10.0.0.1");
    assert_eq!(end("::10.0.0.1", Some(80)), "[::10.0.0.1]:80");
    assert_eq!(end("::1", Some(80)), "[::1]:80");
    assert_eq!(end("10.0.0.1", Some(80)), "10.0.0.1:80");
    let tuple = Tuple::udp("[::10.0.0.1]:1".parse().unwrap(), "[::10.0.0.2]:2".parse().unwrap());
    assert_eq!(tuple.source().to_string(), "[::10.0.0.1]:1");
    assert!(flow(tuple).to_string().contains(" src=::10.0.0.1 "));
}

/// The line goes by the protocol, a tuple and a key by what they have.
#[test]
fn dccp_without_ports() {
    let tuple = Tuple::generic(Protocol::DCCP, "10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    assert_eq!(tuple.to_string(), "dccp src=10.0.0.1 dst=10.0.0.2");
    assert_eq!(FlowKey::new(tuple).to_string(), "dccp src=10.0.0.1 dst=10.0.0.2");
    assert!(flow(tuple).to_string().starts_with("dccp     33 src=10.0.0.1 dst=10.0.0.2 sport=0 dport=0 "));
}

#[test]
fn words() {
    assert_eq!(Protocol::UDPLITE.to_string(), "udplite");
    assert_eq!(format!("{:<8}|{:>4}|", Protocol::TCP, Protocol(250)), "tcp     | 250|");
    assert_eq!(Family::IPV6.to_string(), "ipv6");
    assert_eq!(Family(7).to_string(), "7");
    assert_eq!(TcpState::TIME_WAIT.to_string(), "TIME_WAIT");
    assert_eq!(Status::default().to_string(), "0");
    assert_eq!((Status::SEEN_REPLY | Status::CONFIRMED).to_string(), "SEEN_REPLY,CONFIRMED");
    assert_eq!(Status::from_bits_retain(0x3_0001).to_string(), "EXPECTED,0x30000");
    assert_eq!(Status::from_bits_retain(0x3_0000).to_string(), "0x30000");
}
