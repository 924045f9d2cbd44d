//! The bytes of the requests beside those for flows, one attribute a line: expectations, statistics, policies, helpers.

use std::net::{IpAddr, SocketAddr};

use conntrack::codec::Layout;
use conntrack::header::NlMsgHdr;
use conntrack::request::{expect, helper, policy, stats};
use conntrack::*;
use conntrack_tests::captures;
use conntrack_tests::explain::{explained, structure};

fn v4(last: u8, port: u16) -> SocketAddr {
    ([10, 0, 0, last], port).into()
}

fn v6(last: u16, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]), port)
}

fn master() -> Tuple {
    Tuple::tcp(v4(1, 40000), v4(2, 21))
}

fn expected() -> Tuple {
    Tuple::tcp(v4(2, 0), v4(1, 5000))
}

#[test]
fn expectation_requests() {
    insta::assert_snapshot!("expect_dump", explained(&expect::dump()));
    let of = ExpectMaster::from(&FlowKey::new(master()).in_zone(7));
    insta::assert_snapshot!("expect_dump_of", explained(&expect::dump_of(&of).unwrap()));

    let key = ExpectKey::new(expected());
    insta::assert_snapshot!("expect_get", explained(&expect::get(&key.in_zone(7)).unwrap()));
    insta::assert_snapshot!("expect_delete", explained(&expect::delete(&key.with_id(ExpectId([1, 2, 3, 4]))).unwrap()));
    let sip = ExpectHelper { name: "sip".parse().unwrap() };
    insta::assert_snapshot!("expect_delete_of_helper", explained(&expect::delete_of_helper(&sip)));
    insta::assert_snapshot!("expect_flush", explained(&expect::flush()));

    let least = NewExpect::from_any_port(expected(), master());
    insta::assert_snapshot!("expect_create", explained(&expect::create(&least).unwrap()));
    let most = least
        .class("ftp".parse().unwrap(), 1)
        .flags(ExpectFlags::PERMANENT | ExpectFlags::INACTIVE)
        .nat(FlowDirection::REPLY, v4(9, 99))
        .function("nat-follow-master".parse().unwrap())
        .zone(7);
    insta::assert_snapshot!("expect_create_everything", explained(&expect::create(&most).unwrap()));
    let v6 = NewExpect::from_anyone(Tuple::udp(v6(2, 0), v6(1, 5000)), Tuple::udp(v6(1, 5060), v6(2, 5060)));
    insta::assert_snapshot!("expect_create_v6", explained(&expect::create(&v6).unwrap()));
    let echo = Tuple::echo(v4(2, 0).ip(), v4(1, 0).ip(), 7);
    insta::assert_snapshot!(
        "expect_create_icmp",
        explained(&expect::create(&NewExpect::exactly(echo, master())).unwrap())
    );
    let update = ExpectUpdate::new(most.tuples, Seconds(60));
    insta::assert_snapshot!("expect_update", explained(&expect::update(&update).unwrap()));
}

/// Linux 5.10 and 6.16 to 6.18.15 would use class 0.
#[test]
fn a_class_of_expectations_goes_with_its_helper() {
    let new = NewExpect::from_any_port(expected(), master());
    let with = |class, helper: Option<&str>| NewExpect {
        class,
        helper: helper.map(|name| name.parse().unwrap()),
        ..new.clone()
    };
    for class in [1, 2, u32::MAX] {
        assert_eq!(expect::create(&with(Some(class), None)).err(), Some(UsageError::ClassWithoutHelper(class)));
        assert!(expect::create(&with(Some(class), Some("sip"))).is_ok());
    }
    // That is the class without one.
    assert!(expect::create(&with(Some(0), None)).is_ok());
    assert!(expect::create(&with(None, None)).is_ok());
    assert_eq!(new.clone().class("sip".parse().unwrap(), 2), with(Some(2), Some("sip")));
}

#[test]
fn a_delete_of_expectations_never_lacks_what_it_is_for() {
    // Without tuple and helper it would be a flush.
    for request in [
        expect::delete(&ExpectKey::new(expected())).unwrap(),
        expect::delete_of_helper(&ExpectHelper { name: HelperName::default() }),
    ] {
        let mut bytes = Vec::new();
        request.encode(1, &mut bytes).unwrap();
        assert!(bytes.len() > 20, "{}", dissect_message(&bytes));
    }
}

#[test]
fn statistics_and_lists() {
    insta::assert_snapshot!("stats_per_cpu", explained(&stats::per_cpu()));
    insta::assert_snapshot!("stats_global", explained(&stats::global()));
    insta::assert_snapshot!("stats_expectations", explained(&stats::expectations()));
    insta::assert_snapshot!("dump_dying", explained(&request::dump_dying()));
    insta::assert_snapshot!("dump_unconfirmed", explained(&request::dump_unconfirmed()));
    let key = FlowKey::new(master()).in_zone(7);
    insta::assert_snapshot!("get_zeroing", explained(&request::get_zeroing(&key).unwrap()));
}

#[test]
#[cfg(target_endian = "little")]
fn conntrack_8_asks_for_the_same_statistics() {
    let theirs = captures::load("conntrack-stats").messages.swap_remove(0).bytes;
    let seq = NlMsgHdr::read(&theirs).unwrap().seq;
    let mut ours = Vec::new();
    stats::global().without_ack().encode(seq, &mut ours).unwrap();
    assert_eq!(dissect_message(&ours).to_string(), dissect_message(&theirs).to_string());
}

/// A policy of each protocol, with all of its timeouts.
fn policies() -> Vec<(&'static str, Timeouts)> {
    let mut next = 0;
    let mut timeout = || {
        next += 1;
        Seconds(next)
    };
    let mut all = Vec::new();
    macro_rules! all {
        ($($name:literal: $type:ident { $($field:ident),* };)*) => {
            $(all.push(($name, $type::new()$(.$field(timeout()))*.into()));)*
        };
    }
    all! {
        "tcp": TcpTimeouts {
            syn_sent, syn_recv, established, fin_wait, close_wait, last_ack, time_wait, close, syn_sent2, retrans, unack
        };
        "udp": UdpTimeouts { unreplied, replied };
        "udplite": UdpliteTimeouts { unreplied, replied };
        "icmp": IcmpTimeouts { timeout };
        "icmpv6": Icmpv6Timeouts { timeout };
        "sctp": SctpTimeouts {
            closed, cookie_wait, cookie_echoed, established, shutdown_sent, shutdown_recd, shutdown_ack_sent,
            heartbeat_sent, heartbeat_acked
        };
        "dccp": DccpTimeouts { request, respond, partopen, open, closereq, closing, timewait };
        "gre": GreTimeouts { unreplied, replied };
        "generic": GenericTimeouts { timeout };
    }
    all
}

#[test]
fn policy_requests() {
    let name: PolicyName = "patient".parse().unwrap();
    insta::assert_snapshot!("policy_dump", explained(&policy::dump()));
    insta::assert_snapshot!("policy_get", explained(&policy::get(&PolicyKey { name: name.clone() })));
    insta::assert_snapshot!("policy_delete", explained(&policy::delete(&PolicyKey { name: name.clone() })));
    insta::assert_snapshot!("policy_delete_unused", explained(&policy::delete_unused()));
    for (protocol, timeouts) in policies() {
        let new = TimeoutPolicy::new(name.clone(), Family::IPV4, timeouts);
        insta::assert_snapshot!(format!("policy_create_{protocol}"), explained(&policy::create(&new).unwrap()));
    }
    let empty = TimeoutPolicy::new(name, Family::IPV6, UdpTimeouts::new());
    insta::assert_snapshot!("policy_replace", explained(&policy::replace(&empty).unwrap()));

    let l3_protocol = Family::IPV4.into();
    let key = DefaultTimeoutsKey { l3_protocol, l4_protocol: Protocol::GENERIC };
    insta::assert_snapshot!("policy_get_defaults", explained(&policy::get_defaults(&key)));
    let defaults = DefaultTimeouts { l3_protocol, timeouts: UdpTimeouts::new().replied(Seconds(0)).into() };
    insta::assert_snapshot!("policy_set_defaults", explained(&policy::set_defaults(&defaults).unwrap()));
}

fn sip_in_user_space() -> UserHelper {
    let class = |name: &str, max, timeout| HelperClass::new(name.parse().unwrap(), max, Seconds(timeout));
    let classes =
        vec![class("signalling", 1, 180), class("audio", 4, 180), class("video", 4, 180), class("image", 2, 180)];
    let tuple = HelperTuple::new(Family::IPV4, Protocol::UDP);
    UserHelper { private_data: 32, ..UserHelper::new("sip-u".parse().unwrap(), tuple, 3, classes) }
}

#[test]
fn helper_requests() {
    let helper = sip_in_user_space();
    insta::assert_snapshot!("helper_dump", explained(&helper::dump()));
    insta::assert_snapshot!("helper_get", explained(&helper::get(&helper.key())));
    insta::assert_snapshot!("helper_create", explained(&helper::create(&helper).unwrap()));
    let one =
        UserHelper { policy: HelperPolicy::new(helper.policy.classes[..1].to_vec()), status: None, ..helper.clone() };
    insta::assert_snapshot!("helper_upsert", explained(&helper::upsert(&one).unwrap()));
    insta::assert_snapshot!("helper_delete", explained(&helper::delete(&helper.key())));
    insta::assert_snapshot!("helper_delete_all", explained(&helper::delete_all()));
}

#[test]
fn helpers_that_make_no_sense() {
    let refused = |helper: &UserHelper| helper::create(helper).err();
    let helper = sip_in_user_space();
    let with = |classes: usize, said| UserHelper {
        policy: HelperPolicy {
            count: said,
            classes: helper.policy.classes.iter().cloned().cycle().take(classes).collect(),
        },
        ..helper.clone()
    };
    assert_eq!(refused(&with(0, 0)), Some(UsageError::Classes { given: 0, said: 0 }));
    assert_eq!(refused(&with(5, 5)), Some(UsageError::Classes { given: 5, said: 5 }));
    assert_eq!(refused(&with(3, 2)), Some(UsageError::Classes { given: 3, said: 2 }));
    assert_eq!(refused(&with(4, 4)), None);
    assert_eq!(refused(&UserHelper { name: HelperName::default(), ..helper.clone() }), Some(UsageError::NoName));
    let too_long = Seconds(4_294_968);
    let long = HelperClass { timeout: too_long, ..helper.policy.classes[0].clone() };
    let long = UserHelper { policy: HelperPolicy::new(vec![long]), ..helper };
    assert_eq!(refused(&long), Some(UsageError::TimeoutTooLong(too_long)));
}

#[test]
fn structures() {
    let expect = Expect {
        tuple: expected(),
        mask: NewExpect::from_any_port(expected(), master()).tuples.mask,
        master: master(),
        nat: Some(ExpectNat::new(FlowDirection::REPLY, Protocol::TCP, v4(9, 99))),
        timeout: Seconds(300),
        id: ExpectId([1, 2, 3, 4]),
        flags: ExpectFlags::all(),
        class: 1,
        helper: Some("ftp".parse().unwrap()),
        function: Some("nat-follow-master".parse().unwrap()),
    };
    insta::assert_snapshot!("expect", structure(&expect));
    let cpu = CpuStats { searched: Some(1), found: Some(2), chain_too_long: Some(15), ..CpuStats::default() };
    insta::assert_snapshot!("cpu_stats", structure(&cpu));
    insta::assert_snapshot!("global_stats", structure(&GlobalStats { entries: 3, max_entries: Some(262_144) }));
    insta::assert_snapshot!("expect_stats", structure(&ExpectStats { new: 1, create: 2, delete: 3 }));
    insta::assert_snapshot!("user_helper", structure(&sip_in_user_space()));
    let raw = codec::RawAttribute { kind: 3, payload: vec![0, 0, 0, 9] };
    let other = Timeouts::Other { protocol: Protocol(200), timeouts: vec![raw] };
    let policy =
        TimeoutPolicy { use_count: Some(2), ..TimeoutPolicy::new("new".parse().unwrap(), Family::IPV4, other) };
    // Of the timeouts of a protocol that is not declared, nothing is known but their bytes.
    insta::assert_snapshot!("policy_of_another_protocol", structure(&policy));
}

/// What the kernel really sends, of which nothing is undeclared.
#[test]
#[cfg(target_endian = "little")]
fn captured_statistics() {
    let mut cpus = 0;
    for message in captures::load("stats-cpu").messages.iter().filter(|message| message.kind == 0x0104) {
        let stats: CpuStats = codec::decode_with(message.attributes(), codec::Mode::Strict).unwrap();
        assert!(stats.found.is_some() && stats.chain_too_long.is_some(), "{stats:?}");
        cpus += 1;
    }
    assert!(cpus > 0);
    let message = captures::load("stats").messages.swap_remove(0);
    let stats: GlobalStats = codec::decode_with(message.attributes(), codec::Mode::Strict).unwrap();
    assert_eq!(stats, GlobalStats { entries: 0, max_entries: Some(262_144) });
}

/// The protocol says what the timeouts are, wherever it stands among the attributes.
#[test]
fn timeouts_go_by_their_protocol() {
    let [name, l3, l4, data] = [1, 2, 3, 4].map(|number| {
        let payload: Vec<u8> = match number {
            1 => b"a\0".to_vec(),
            2 => vec![0, 2],
            3 => vec![Protocol::UDP.0],
            _ => conntrack_tests::generate::bytes(2, false, &[0, 0, 0, 9]),
        };
        conntrack_tests::generate::bytes(number, number == 4, &payload)
    });
    let tcp = conntrack_tests::generate::bytes(3, false, &[Protocol::TCP.0]);
    let decode = |attributes: &[&Vec<u8>]| {
        let attributes: Vec<u8> = attributes.iter().flat_map(|attribute| attribute.iter().copied()).collect();
        codec::decode::<TimeoutPolicy>(&attributes).map(|policy| policy.timeouts).map_err(|error| error.to_string())
    };
    let udp = Ok(UdpTimeouts::new().replied(Seconds(9)).into());
    assert_eq!(decode(&[&name, &l3, &l4, &data]), udp);
    assert_eq!(decode(&[&data, &name, &l4, &l3]), udp);
    assert_eq!(decode(&[&name, &l3, &tcp, &data, &l4]), udp, "the last one counts");
    let padding = conntrack_tests::generate::bytes(3, false, &[]);
    assert_eq!(decode(&[&name, &l3, &l4, &padding, &data]), udp);
    assert_eq!(decode(&[&name, &l3, &data, &tcp]), Ok(TcpTimeouts::new().syn_recv(Seconds(9)).into()));
    assert_eq!(decode(&[&name, &l3, &data]), Err("missing CTA_TIMEOUT_L4PROTO (at byte 0)".to_owned()));
    assert_eq!(decode(&[&name, &l3, &l4]), Err("missing CTA_TIMEOUT_DATA (at byte 0)".to_owned()));
    let short = conntrack_tests::generate::bytes(4, true, &conntrack_tests::generate::bytes(2, false, &[9]));
    let error = "CTA_TIMEOUT_DATA.CTA_TIMEOUT_UDP_REPLIED: 1 bytes, expected 4 (at byte 32)";
    assert_eq!(decode(&[&name, &l3, &l4, &short]), Err(error.to_owned()));
}
