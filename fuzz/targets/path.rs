//! From the offset of a byte to the name of its attribute.
#![no_main]

use conntrack_fuzz::type_and_attributes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((of, attributes)) = type_and_attributes(input) else { return };
    for offset in (0..attributes.len()).chain([attributes.len(), usize::MAX]) {
        if let Some(path) = of.schema.path_at(attributes, offset) {
            assert!(offset < attributes.len(), "{path}, at {offset} of {}", attributes.len());
            assert!(path.attributes().len() <= of.schema.depth().max(1) && !path.to_string().is_empty(), "{path}");
        }
    }
});
