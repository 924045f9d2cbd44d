//! Everything that is read from text.
#![no_main]

use conntrack::{KernelVersion, LabelNames};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let names = LabelNames::from_conf(text);
    for bit in 0..=u8::MAX {
        match names.get(bit) {
            Some(name) => assert!(bit < 128 && !name.is_empty() && text.contains(name), "{bit} {name:?}"),
            None => {}
        }
    }
    if let Ok(version) = text.parse::<KernelVersion>() {
        assert_eq!(version.to_string().parse(), Ok(version));
    }
});
