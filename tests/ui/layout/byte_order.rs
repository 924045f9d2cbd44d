//! `layout` of structs that do not say their byte order: deku would take the host's.

use deku::{DekuRead, DekuSize, DekuWrite};

#[derive(Default, DekuRead, DekuWrite, DekuSize, conntrack::Encode, conntrack::Decode)]
#[nla(layout)]
struct Unsaid {
    family: u8,
    address: [u8; 4],
    index: u32,
    ports: [u16; 2],
    #[deku(endian = "big")]
    said: u16,
    range: (u8, std::primitive::u64),
}

#[derive(Default, DekuRead, DekuWrite, DekuSize, conntrack::Encode, conntrack::Decode)]
#[nla(layout)]
#[deku(endian = "little")]
struct Said {
    index: u32,
    ports: [u16; 2],
}

fn main() {}
