//! JSON: whatever is read is written as something that reads the same, and so is whatever was decoded.
#![no_main]

use std::fmt::Debug;

use conntrack::codec::decode;
use conntrack::{Decode, Expect, Flow, FlowFilter, FlowUpdate, NewExpect, NewFlow, TimeoutPolicy};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn check<T: Decode + Serialize + DeserializeOwned + PartialEq + Debug>(input: &[u8]) {
    let read = serde_json::from_slice::<T>(input).ok();
    for value in [read, decode::<T>(input).ok()].into_iter().flatten() {
        let written = serde_json::to_string(&value).unwrap_or_else(|error| panic!("{error}, of {value:?}"));
        match serde_json::from_str::<T>(&written) {
            Ok(again) => assert_eq!(again, value, "from {written}"),
            Err(error) => panic!("{error}, from {written}, which is {value:?}"),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    check::<Flow>(input);
    check::<NewFlow>(input);
    check::<FlowUpdate>(input);
    check::<FlowFilter>(input);
    check::<Expect>(input);
    check::<NewExpect>(input);
    check::<TimeoutPolicy>(input);
});
