//! The decoder that has to be fast, and all that is made of a flow: texts, keys, requests.
#![no_main]

use std::time::{Duration, SystemTime};

use conntrack::codec::decode;
use conntrack::{Flow, FlowDirection, LabelNames, NewFlow, request};
use conntrack_tests::types;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|attributes: &[u8]| {
    types::check::<Flow>(attributes);
    let Ok(flow) = decode::<Flow>(attributes) else { return };
    let names: LabelNames = (0..128).map(|bit| (bit, "name")).collect();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let text = flow.display().extended().id().ktimestamp().now(now).labels(&names).to_string();
    assert!(!text.contains('\n') || flow.sec_ctx.is_some() || flow.help.is_some(), "{text}");
    for direction in [FlowDirection::ORIGINAL, FlowDirection::REPLY] {
        let tuple = flow.tuple(direction);
        assert_eq!(tuple.inverse().inverse().proto, tuple.proto);
    }
    assert!(flow.has_same_state(&flow) && flow.is_same_flow(&flow));
    let (_, _) = (flow.translated_source(), flow.translated_destination());
    let _ = request::get(&flow.key()).map(|_| ());
    let new = NewFlow::from(&flow);
    let _ = new.to_string();
    let _ = request::create(&new).map(|_| ());
});
