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
        .help(help())
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

const KERNEL: KernelVersion = KernelVersion::new(6, 18);

#[test]
fn dump() {
    for (name, filter) in filters() {
        let plan = filter.plan_dump(KERNEL).unwrap();
        assert!(plan.exact, "{name}");
        insta::assert_snapshot!(format!("dump_{name}"), explained(&request::dump(&plan)));
    }
    // What the kernel would get wrong it is not asked.
    let inexact = Filter::new().tcp().orig_src(v6(1, 0).ip()).orig_dst_port(80..=81).tcp_state(TcpState::CLOSE);
    let plan = inexact.plan_dump(KERNEL).unwrap();
    assert!(!plan.exact);
    insta::assert_snapshot!("dump_inexact", explained(&request::dump(&plan)));
}

#[test]
fn flush() {
    for (name, filter) in filters().into_iter().skip(1) {
        let plans = filter.plan_flush(KERNEL).unwrap().expect("the kernel can do it");
        let explained: Vec<_> = plans.iter().map(|plan| explained(&request::flush(plan))).collect();
        insta::assert_snapshot!(format!("flush_{name}"), explained.join("\n"));
    }
    insta::assert_snapshot!("flush_everything", explained(&request::flush_all()));
}

#[test]
fn what_every_flow_meets_is_no_criterion() {
    let all = [
        Filter::new().mark_masked(0, 0),
        Filter::new().mark(7).mark_masked(0, 0),
        Filter::new().status(Status::empty()),
        Filter::new().without_status(Status::empty()),
        "mark=0/0 status=0".parse().unwrap(),
    ];
    for filter in all {
        assert!(filter.is_all(), "{filter:?}");
        assert_eq!(filter.plan_flush(KERNEL), Err(UsageError::FlushWithoutCriteria), "{filter:?}");
    }
    // What no flow meets is one.
    let none = Filter::new().mark_masked(7, 0);
    let plans = none.plan_flush(KERNEL).unwrap().expect("the kernel can do it");
    assert_eq!(plans[0].request.mark, Some(Mark { value: 7, mask: Some(0) }));
    assert_eq!("mark=7/0".parse(), Ok(none));
    assert!("mark=0/0 mark=7".parse::<Filter>().is_err());
}

#[test]
fn a_flush_that_the_kernel_gets_wrong_is_not_asked_for() {
    let address = Filter::new().orig_src(v6(1, 0).ip());
    let port = Filter::new().ipv4().protocol(Protocol::SCTP).orig_dst_port(1);
    let prefix = Filter::new().orig_src("10.0.0.0/8".parse::<ipnet::IpNet>().unwrap());
    for filter in [address, port, prefix, Filter::new().tcp_state(TcpState::CLOSE)] {
        assert_eq!(filter.plan_flush(KERNEL).unwrap(), None, "{filter:?}");
    }
    // A kernel ignores attributes that it does not know, and would flush more.
    let since = [
        (Filter::new().zone(1), KernelVersion::new(6, 8)),
        (Filter::new().ipv4().udp(), KernelVersion::new(6, 12)),
        (Filter::new().status(Status::ASSURED), KernelVersion::new(5, 15)),
        (Filter::new().ipv4(), KernelVersion::OLDEST),
    ];
    for (filter, version) in since {
        let before = KernelVersion::new(version.major, version.minor - 1);
        assert_eq!(filter.plan_flush(before).unwrap(), None, "{filter:?} before {version}");
        assert!(filter.plan_flush(version).unwrap().is_some(), "{filter:?} on {version}");
    }
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
        let seq = u32::from_ne_bytes(theirs[8..12].try_into().unwrap());
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
        let ipv4 = Filter::new().ipv4().plan_flush(KERNEL).unwrap().unwrap();
        assert_same(&theirs("conntrack-flush-ipv4", 0), &request::flush(&ipv4[0]).version(0));
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
