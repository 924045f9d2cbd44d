//! The dissector: of whole datagrams, and of attributes.
#![no_main]

use conntrack::{dissect, dissect_message};
use conntrack_fuzz::type_and_attributes;
use conntrack_tests::dissection::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((of, bytes)) = type_and_attributes(input) else { return };
    check(&dissect(of.schema, bytes).to_string(), bytes);
    check(&dissect_message(bytes).to_string(), bytes);
});
