//! Every value survives the way to JSON and back, and the shape that is promised is the one that is written.

use std::fmt::Debug;

use conntrack::codec::{RawAttribute, decode};
use conntrack::events::UnknownMessage;
use conntrack::header::NlMsgHdr;
use conntrack::{
    Change, Changes, CpuStats, Endpoint, Event, EventCounters, Expect, ExpectFlags, Flow, FlowKey, GreTimeouts, Groups,
    MirrorStats, NewExpect, NewFlow, Origin, PerCpu, ProtoInfo, Protocol, Removal, Seconds, Status, TcpFlagBits,
    TcpFlags, TimeoutPolicy, Timeouts, Tuple,
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
    let tuple = |fields: &str| format!(r#"{{"src": "::1", "dst": "::2", "protocol": "tcp", {fields}}}"#);
    assert_eq!(refused::<Tuple>(&tuple(r#""sprot": 1"#)), r#""sprot" is not a field of Tuple"#);
    assert_eq!(refused::<Tuple>(&tuple(r#""sport": 65536, "dport": 1"#)), "sport: 65536 is not a number of 16 bits");
    assert_eq!(refused::<Tuple>(&tuple(r#""sport": 1"#)), "dport is missing (missing CTA_PROTO_DST_PORT)");
    assert_eq!(refused::<Status>(r#"["ASURED"]"#), r#""ASURED" is not the name of a bit"#);
    assert_eq!(refused::<Protocol>(r#""tpc""#), r#""tpc" is not a Protocol"#);
    assert_eq!(refused::<conntrack::Labels>("[128]"), "128 is not a label, 0 to 127");
    assert_eq!(refused::<conntrack::HelperName>(r#""ft\u0000p""#), r#""ft\0p" is not a text without a NUL"#);
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

/// The error for a value that is refused; it says which word is wrong.
fn refused<T: DeserializeOwned + Debug>(text: &str) -> String {
    let error = from_str::<T>(text).expect_err(text).to_string();
    error.split(" at line").next().unwrap().to_owned()
}

/// A tuple of `protocol`, and more fields.
fn tuple_of(protocol: &str, fields: &str) -> String {
    format!(r#"{{"src": "10.0.0.1", "dst": "10.0.0.2", "protocol": {protocol}{fields}}}"#)
}

const PORTS: &str = r#", "sport": 1, "dport": 2"#;
const ICMP: &str = r#", "icmp_type": 8, "icmp_code": 0, "icmp_id": 9"#;
const ICMPV6: &str = r#", "icmpv6_type": 128, "icmpv6_code": 0, "icmpv6_id": 9"#;

/// A key names what to delete: it may not name two flows and mean one of them.
#[test]
fn two_variants_of_a_choice() {
    let tuple = tuple_of(r#""udp""#, PORTS);
    let both = [
        format!(r#"{{"tuple": {{"orig": {tuple}, "reply": {tuple}}}}}"#),
        format!(r#"{{"tuple": {{"reply": {tuple}, "orig": {tuple}}}}}"#),
    ];
    for key in both {
        assert_eq!(refused::<FlowKey>(&key), r#"tuple: "orig" and "reply" exclude each other"#);
    }
    assert!(from_str::<FlowKey>(&format!(r#"{{"tuple": {{"orig": null, "reply": {tuple}}}}}"#)).is_ok());

    let other = r#"{"type": 9, "payload": "00"}"#;
    let info = |variants: &str| refused::<ProtoInfo>(&format!("{{{variants}}}"));
    let (tcp, sctp) = (r#""tcp": {"state": "CLOSE"}"#, r#""sctp": {"state": "CLOSED"}"#);
    assert_eq!(info(&format!("{tcp}, {sctp}")), r#""tcp" and "sctp" exclude each other"#);
    assert_eq!(info(&format!(r#"{tcp}, "other": [{other}]"#)), r#""tcp" and "other" exclude each other"#);
    assert_eq!(info(&format!(r#""other": [{other}, {other}]"#)), "other: a list of 2 is not a list of one attribute");
}

#[test]
fn fields_of_another_protocol() {
    let tuple = |protocol: &str, fields: &str| refused::<Tuple>(&tuple_of(protocol, fields));
    assert_eq!(tuple(r#""udp""#, &[PORTS, ICMP].concat()), r#""sport" and "icmp_id" exclude each other"#);
    for (protocol, fields, field) in [
        (r#""udp""#, ICMP, "icmp_id"),
        (r#""tcp""#, ICMPV6, "icmpv6_id"),
        ("132", ICMP, "icmp_id"),
        (r#""icmp""#, PORTS, "sport"),
        (r#""icmp""#, ICMPV6, "icmpv6_id"),
        (r#""icmpv6""#, ICMP, "icmp_id"),
        (r#""icmpv6""#, PORTS, "sport"),
        ("50", PORTS, "sport"),
        ("51", PORTS, "sport"),
    ] {
        let expected = format!(r#""{field}" is not a field of protocol {}"#, protocol.trim_matches('"'));
        let text = tuple(protocol, fields);
        let named = [("132", "sctp"), ("50", "50"), ("51", "51")].iter().find(|(number, _)| *number == protocol);
        let expected = named.map_or(expected.clone(), |(number, name)| {
            expected.replace(&format!("protocol {number}"), &format!("protocol {name}"))
        });
        assert_eq!(text, expected);
    }
    // DCCP has ports before Linux 6.17 and none since; the same may happen to any other protocol.
    for protocol in [r#""dccp""#, r#""udplite""#, r#""sctp""#, r#""gre""#, "200"] {
        for fields in ["", PORTS] {
            survives(&from_str::<Tuple>(&tuple_of(protocol, fields)).unwrap());
        }
    }
    let new =
        format!(r#"{{"orig": {}, "reply": {}, "timeout": 9}}"#, tuple_of(r#""udp""#, ICMP), tuple_of("17", PORTS));
    assert_eq!(refused::<NewFlow>(&new), r#"orig: "icmp_id" is not a field of protocol udp"#);
}

#[test]
fn the_same_field_twice() {
    let tuple = tuple_of(r#""udp""#, PORTS);
    assert_eq!(
        refused::<Tuple>(&tuple_of(r#""udp""#, r#", "sport": 1, "dport": 2, "sport": 3"#)),
        r#""sport" is given twice"#
    );
    assert_eq!(
        refused::<FlowKey>(&format!(r#"{{"tuple": {{"orig": {tuple}, "orig": {tuple}}}}}"#)),
        r#"tuple: "orig" is given twice"#
    );
    assert_eq!(refused::<Changes>(r#"{"mark": {"value": 1}, "mark": null}"#), r#""mark" is given twice"#);
    assert_eq!(refused::<Changes>(r#"{"mark": {"value": 1, "value": 2}}"#), r#"mark: "value" is given twice"#);
    assert_eq!(
        refused::<TcpFlags>(r#"{"flags": [], "mask": [], "flags": ["SACK_PERM"]}"#),
        r#""flags" is given twice"#
    );
    assert_eq!(refused::<RawAttribute>(r#"{"type": 1, "type": 2, "payload": ""}"#), r#""type" is given twice"#);
    assert_eq!(refused::<PerCpu<CpuStats>>(r#"{"cpu": 1, "found": 1, "found": 2}"#), r#""found" is given twice"#);
    // Nor does it take long to tell in an object of very many.
    let mut many: Vec<_> = (0..300_000).map(|number| format!(r#""field-{number}": 0"#)).collect();
    many.extend([1, 2].map(|number| format!(r#""last": {number}"#)));
    assert_eq!(refused::<Tuple>(&format!("{{{}}}", many.join(", "))), r#""last" is given twice"#);
}

/// An object says something: one without a field would be read as if it were not there.
#[test]
fn objects_of_nothing() {
    for field in ["mark", "labels"] {
        assert_eq!(
            refused::<Changes>(&format!(r#"{{"{field}": {{}}}}"#)),
            format!(
                "{field}: an object without fields is not {}",
                if field == "mark" { "Mark" } else { "LabelChange" }
            )
        );
        assert!(from_str::<Changes>(&format!(r#"{{"{field}": null}}"#)).is_ok());
    }
}

#[test]
fn numbers_that_are_none() {
    assert_eq!(refused::<Status>(r#"["0x100000000"]"#), r#""0x100000000" is not a bit of 32"#);
    assert_eq!(refused::<Status>(r#"["0x+1"]"#), r#""0x+1" is not the name of a bit"#);
    assert_eq!(refused::<Groups>(r#"["0x+1"]"#), r#""0x+1" is not the name of a group"#);
    assert_eq!(refused::<Protocol>("256"), "256 is not a number of 8 bits");
    assert_eq!(refused::<Seconds>("-1"), "-1 is not a number of 32 bits");
    assert_eq!(refused::<Seconds>("true"), "true is not a number of 32 bits");
    assert!(refused::<Seconds>("1.5").contains("floating point `1.5`"));
    assert!(refused::<Seconds>("4294967296000000000000").contains("floating point"));
    assert_eq!(refused::<Seconds>(r#""9""#), r#""9" is not a number of 32 bits"#);
    assert_eq!(refused::<conntrack::Labels>("[1, -1]"), "-1 is not a label, 0 to 127");
}

/// What stands around the values is as strict as they are.
#[test]
fn words_that_nobody_declared() {
    let (_, message) = captures::flows().into_iter().next().unwrap();
    let flow: Flow = decode(message.attributes()).unwrap();
    let refused = |value: &mut serde_json::Value, check: fn(serde_json::Value) -> serde_json::Error| {
        value["typo"] = json!(1);
        let text = check(value.take()).to_string();
        assert!(text.contains("typo"), "{text}");
    };
    let event = to_value(Event::New(flow.clone(), Origin::default())).unwrap();
    let change = to_value(Change::Inserted { flow: Box::new(flow.clone()), origin: None }).unwrap();
    refused(&mut event.clone(), |value| from_value::<Event>(value).unwrap_err());
    let mut origin = event.clone();
    origin["origin"]["typo"] = json!(1);
    assert!(from_value::<Event>(origin).unwrap_err().to_string().contains("typo"));
    refused(&mut json!({"event": "overrun", "lost": 1}), |value| from_value::<Event>(value).unwrap_err());
    refused(&mut change.clone(), |value| from_value::<Change>(value).unwrap_err());
    refused(&mut json!({"lost": 1}), |value| from_value::<MirrorStats>(value).unwrap_err());
    refused(&mut json!({"lost": 1}), |value| from_value::<EventCounters>(value).unwrap_err());
    refused(&mut json!({"cpu": 1, "found": 1}), |value| from_value::<PerCpu<CpuStats>>(value).unwrap_err());
    refused(&mut json!({"address": "10.0.0.1"}), |value| from_value::<Endpoint>(value).unwrap_err());
    let header = NlMsgHdr { len: 20, kind: 0x0a00, flags: 1, seq: 2, pid: 3 };
    let unknown: Event = Event::Unknown(UnknownMessage { header, body: vec![0; 4] }, Origin::default());
    let mut unknown = to_value(unknown).unwrap();
    unknown["message"]["typo"] = json!(1);
    assert!(from_value::<Event>(unknown).unwrap_err().to_string().contains("typo"));
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
        Event::ExpectNew(expect.clone(), origin),
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
        Change::ExpectationInserted { expectation: Box::new(expect.clone()), origin: None },
        Change::ExpectationRemoved { expectation: Box::new(expect.clone()), how: Removal::Destroyed, origin: None },
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
