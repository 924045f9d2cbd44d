//! Everything that is read from text: what is read is printed as something that reads the same.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use conntrack::{
    DccpState, Family, Filter, FlowKey, HelperName, KernelVersion, LabelNames, Protocol, SctpState, Status, TcpState,
    Tuple,
};
use libfuzzer_sys::fuzz_target;

fn check<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    let printed = value.to_string();
    let again = printed.parse::<T>().ok();
    assert_eq!(again, Some(value), "{text:?} is printed as {printed:?}");
}

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    check::<Tuple>(text);
    check::<FlowKey>(text);
    check::<Filter>(text);
    check::<Status>(text);
    check::<Protocol>(text);
    check::<Family>(text);
    check::<TcpState>(text);
    check::<SctpState>(text);
    check::<DccpState>(text);
    check::<HelperName>(text);
    check::<KernelVersion>(text);
    let names = LabelNames::from_conf(text);
    for bit in 0..=u8::MAX {
        if let Some(name) = names.get(bit) {
            assert!(bit < 128 && !name.is_empty() && text.contains(name), "{bit} {name:?}");
        }
    }
});
