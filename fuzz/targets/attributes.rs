//! Every other message: the first byte says which.
#![no_main]

use conntrack_fuzz::type_and_attributes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some((of, attributes)) = type_and_attributes(input) {
        of.check(attributes);
    }
});
