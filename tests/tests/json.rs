//! Every value survives the way to JSON and back, and the shape that is promised is the one that is written.

use std::fmt::Debug;

use conntrack::codec::{RawAttribute, decode};
use conntrack::events::UnknownMessage;
use conntrack::header::NlMsgHdr;
use conntrack::{
    Change, CpuStats, Event, Expect, ExpectFlags, Flow, FlowKey, GreTimeouts, Groups, MirrorStats, NewExpect, NewFlow,
    Origin, PerCpu, ProtoInfo, Protocol, Removal, Seconds, Status, TcpFlagBits, TcpFlags, TimeoutPolicy, Timeouts,
    Tuple,
};
use conntrack_tests::captures;
use conntrack_tests::every_message;
use conntrack_tests::generate::{fixed, value};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{from_str, from_value, json, to_string, to_value};

/// # Panics
/// It does not come back as it was.
fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = to_string(value).unwrap();
    let back: T = from_str(&text).unwrap_or_else(|error| panic!("{error}, in {text}, of {value:?}"));
    assert_eq!(&back, value, "{text}");
}

macro_rules! round_trips {
    ($($name:ident: $type:ty;)*) => {
        proptest! {
            #![proptest_config(fixed(300))]
            $(
                #[test]
                fn $name(value in value::<$type>()) {
                    survives(&value);
                }
            )*
        }
    };
}

every_message!(round_trips);

/// What a kernel really sent.
#[test]
fn captured_flows() {
    let flows = captures::flows();
    assert!(flows.len() > 50);
    for (_, message) in flows {
        survives::<Flow>(&decode(message.attributes()).unwrap());
    }
}

#[test]
fn what_nobody_declared() {
    let mut new = NewFlow::generic(Protocol(143), "10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    new.proto_info = Some(ProtoInfo::Other(RawAttribute { kind: 0x8009, payload: vec![0, 255] }));
    new.status = Some(Status::from_bits_retain(0x4003_0008));
    survives(&new);
    let written = to_value(&new).unwrap();
    assert_eq!(written["proto_info"], json!({"other": [{"type": 0x8009, "payload": "00ff"}]}));
    assert_eq!(written["status"], json!(["CONFIRMED", "0x40030000"]));
    assert_eq!(written["orig"], json!({"src": "10.0.0.1", "dst": "10.0.0.2", "protocol": 143}));
}

#[test]
fn choices_that_another_attribute_makes() {
    let policy =
        TimeoutPolicy::new("slow".parse().unwrap(), conntrack::Family::IPV6, GreTimeouts::new().replied(Seconds(9)));
    survives(&policy);
    assert_eq!(
        to_value(&policy).unwrap(),
        json!({
            "name": "slow",
            "l3_protocol": "ipv6",
            "timeouts": {"protocol": "gre", "timeouts": {"replied": 9}}
        })
    );
    let unknown = Timeouts::Other {
        protocol: Protocol(200),
        timeouts: vec![RawAttribute { kind: 1, payload: vec![0, 0, 0, 7] }],
    };
    survives(&unknown);
}

/// The whole of a flow: a change of this is one that users see.
#[test]
fn shape() {
    let (_, message) = captures::flows().into_iter().find(|(name, _)| name == "dump-ftp-dnat").unwrap();
    let flow: Flow = decode(message.attributes()).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&flow).unwrap());
}

#[test]
fn parts() {
    let flags = TcpFlags { flags: 0x0a, mask: 0xff };
    survives(&flags);
    assert_eq!(to_value(flags).unwrap()["flags"], json!(["SACK_PERM", "BE_LIBERAL"]));
    survives(&TcpFlagBits::all());
    assert_eq!(to_value(TcpFlagBits::CLOSE_INIT).unwrap(), json!(["CLOSE_INIT"]));
    assert_eq!(to_value(ExpectFlags::PERMANENT | ExpectFlags::USERSPACE).unwrap(), json!(["PERMANENT", "USERSPACE"]));
    assert_eq!(to_value(conntrack::FlowDirection::REPLY).unwrap(), json!("REPLY"));
    let key = FlowKey::new(Tuple::udp("[::1]:1".parse().unwrap(), "[::2]:2".parse().unwrap()))
        .with_id(conntrack::FlowId([0, 0, 1, 0]));
    assert_eq!(
        to_value(key).unwrap(),
        json!({"tuple": {"orig": {"src": "::1", "dst": "::2", "protocol": "udp", "sport": 1, "dport": 2}}, "id": 256})
    );
    let stats = PerCpu { cpu: 3, stats: CpuStats { found: Some(0), ..CpuStats::default() } };
    survives(&stats);
    assert_eq!(to_value(stats).unwrap(), json!({"cpu": 3, "found": 0}));
}

/// What cannot be said is refused, and the message says where.
#[test]
fn refusals() {
    fn refused<T: DeserializeOwned + Debug>(text: &str) -> String {
        let error = from_str::<T>(text).expect_err(text).to_string();
        error.split(" at line").next().unwrap().to_owned()
    }
    let tuple = |fields: &str| format!(r#"{{"src": "::1", "dst": "::2", "protocol": "tcp", {fields}}}"#);
    assert_eq!(refused::<Tuple>(&tuple(r#""sprot": 1"#)), r#""sprot" is not a field of Tuple"#);
    assert_eq!(refused::<Tuple>(&tuple(r#""sport": 65536, "dport": 1"#)), "sport: 65536 is not a number of 16 bits");
    assert_eq!(refused::<Tuple>(&tuple(r#""sport": 1"#)), "dport is missing (missing CTA_PROTO_DST_PORT)");
    assert_eq!(refused::<Status>(r#"["ASURED"]"#), r#""ASURED" is not the name of a bit"#);
    assert_eq!(refused::<Protocol>(r#""tpc""#), r#""tpc" is not a Protocol"#);
    assert_eq!(refused::<conntrack::Labels>("[128]"), "128 is not a label, 0 to 127");
    assert_eq!(
        refused::<conntrack::HelperName>(r#""a name of far too many bytes""#),
        r#""a name of far too many bytes" is not a text of at most 15 bytes"#
    );
    assert_eq!(
        refused::<conntrack::Changes>(r#"{"mark": {"value": -1}}"#),
        "mark.value: -1 is not a number of 32 bits"
    );
    assert_eq!(refused::<Expect>("[]"), "a list is not an object");
    let addresses = r#""dst": "::2", "protocol": "gre""#;
    for src in [r#""10.0.0""#, r#""::1::""#, "7"] {
        let error = refused::<Tuple>(&format!(r#"{{"src": {src}, {addresses}}}"#));
        assert_eq!(error, format!("src: {src} is not an IP address"));
    }
    let name = "x".repeat(70_000);
    assert_eq!(
        refused::<conntrack::SecCtx>(&format!(r#"{{"name": "{name}"}}"#)),
        "name: attribute 1 has 70001 bytes, at most 65531 fit"
    );
}

/// Nothing that is written in an object is lost.
#[test]
fn what_is_not_kept_is_refused() {
    fn refused<T: DeserializeOwned + Debug>(value: serde_json::Value) -> String {
        from_value::<T>(value).unwrap_err().to_string()
    }
    let mut new = to_value(NewFlow::udp("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap())).unwrap();
    new["other"] = json!([{"type": 500, "payload": "00"}]);
    assert_eq!(refused::<NewFlow>(new.clone()), r#""other" is not a field of NewFlow"#);
    new["other"] = json!([{"type": 7, "payload": "0000002a"}]);
    assert_eq!(refused::<NewFlow>(new), r#""other" is not a field of NewFlow"#);
    assert_eq!(
        refused::<ProtoInfo>(json!({"other": [{"type": 0x8001, "payload": ""}]})),
        "other: 32769 is not undeclared: it is CTA_PROTOINFO_TCP"
    );
    assert_eq!(
        refused::<ProtoInfo>(json!({"other": [{"type": 9, "payload": "", "typo": 3}]})),
        r#"other: "typo" is not a field of RawAttribute"#
    );
    assert_eq!(
        refused::<TcpFlags>(json!({"flags": [], "mask": [], "typo": 3})),
        r#""typo" is not a field of TcpFlags"#
    );
    assert_eq!(refused::<TcpFlags>(json!({"flags": []})), "an object is not an object of flags and mask");
    assert_eq!(
        refused::<RawAttribute>(json!({"type": 65536, "payload": ""})),
        "an object is not an object of type and payload"
    );
}

fn an_expectation(flow: &Flow) -> Expect {
    let new = NewExpect::from_any_port(flow.orig, flow.orig);
    Expect {
        tuple: new.tuples.tuple,
        mask: new.tuples.mask,
        master: new.tuples.master,
        nat: None,
        timeout: Seconds(9),
        id: conntrack::ExpectId([1, 2, 3, 4]),
        flags: ExpectFlags::INACTIVE,
        class: 1,
        helper: None,
        function: None,
    }
}

#[test]
fn events() {
    let (_, message) = captures::flows().into_iter().next().unwrap();
    let flow: Flow = decode(message.attributes()).unwrap();
    let origin = Origin { port: 7, group: Groups::DESTROY, nsid: Some(0) };
    let header = NlMsgHdr { len: 22, kind: 0x0a00, flags: 1, seq: 2, pid: 3 };
    let expect = an_expectation(&flow);
    let events = [
        Event::New(flow.clone(), origin),
        Event::Update(flow.clone(), Origin::default()),
        Event::Destroy(flow, Origin { group: Groups::from_bits_retain(0x8000_0001), ..origin }),
        Event::ExpectNew(expect, origin),
        Event::ExpectDestroy(expect, origin),
        Event::Overrun { lost: u32::MAX },
        Event::Unknown(UnknownMessage { header, body: vec![0, 1, 0xff] }, origin),
    ];
    events.iter().for_each(survives);
    let written: Vec<_> = events.iter().map(|event| to_value(event).unwrap()).collect();
    let kinds: Vec<_> = written.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["new", "update", "destroy", "expect_new", "expect_destroy", "overrun", "unknown"]);
    assert_eq!(written[0]["origin"], json!({"port": 7, "group": ["DESTROY"], "nsid": 0}));
    assert_eq!(written[2]["origin"]["group"], json!(["NEW", "0x80000000"]));
    assert_eq!(written[5], json!({"event": "overrun", "lost": u32::MAX}));
    assert_eq!(
        written[6]["message"],
        json!({"length": 22, "type": 0x0a00, "flags": 1, "seq": 2, "pid": 3, "payload": "0001ff"})
    );
}

#[test]
fn a_mirror() {
    let (_, message) = captures::flows().into_iter().next().unwrap();
    let flow: Box<Flow> = Box::new(decode(message.attributes()).unwrap());
    let expect = an_expectation(&flow);
    let changes = [
        Change::Inserted { flow: flow.clone(), origin: None },
        Change::Changed {
            before: flow.clone(),
            after: Box::new(Flow { mark: Some(7), ..*flow.clone() }),
            origin: Some(Origin { port: 7, group: Groups::UPDATE, nsid: None }),
        },
        Change::Removed { flow: flow.clone(), how: Removal::Destroyed, origin: None },
        Change::Removed { flow: flow.clone(), how: Removal::Missed, origin: None },
        Change::Removed { flow: flow.clone(), how: Removal::Unmatched, origin: None },
        Change::Ended { flow: flow.clone(), origin: Origin { port: 0, group: Groups::DESTROY, nsid: None } },
        Change::ExpectationInserted { expectation: Box::new(expect), origin: None },
        Change::ExpectationRemoved { expectation: Box::new(expect), how: Removal::Destroyed, origin: None },
    ];
    changes.iter().for_each(survives);
    let written: Vec<_> = changes.iter().map(|change| to_value(change).unwrap()).collect();
    let flow = to_value(flow).unwrap();
    assert_eq!(written[0], json!({"change": "inserted", "flow": flow}));
    assert_eq!((&written[1]["before"], &written[1]["after"]["mark"]), (&flow, &json!(7)));
    assert_eq!(written[1]["origin"], json!({"port": 7, "group": ["UPDATE"]}));
    assert_eq!(written[2], json!({"change": "removed", "flow": flow, "how": "destroyed"}));
    assert_eq!(written[5], json!({"change": "ended", "flow": flow, "origin": {"port": 0, "group": ["DESTROY"]}}));
    let expectation = to_value(expect).unwrap();
    assert_eq!(written[6], json!({"change": "expectation_inserted", "expectation": expectation}));

    let mut stats = MirrorStats::default();
    stats.lost = u64::MAX;
    survives(&stats);
    assert_eq!(from_str::<MirrorStats>(r#"{"lost": 18446744073709551615}"#).unwrap(), stats);
}
