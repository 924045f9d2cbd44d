//! `layout` of types that `deku` does not know, or only half.

use deku::{DekuRead, DekuSize, DekuWrite};

#[derive(conntrack::Encode, conntrack::Decode)]
#[nla(layout)]
struct Nothing {
    flags: u8,
    mask: u8,
}

#[derive(Default, DekuRead, DekuSize, conntrack::Encode, conntrack::Decode)]
#[nla(layout)]
struct ReadOnly {
    flags: u8,
    mask: u8,
}

#[derive(DekuRead, DekuWrite, DekuSize, conntrack::Encode, conntrack::Decode)]
#[nla(layout)]
struct WithoutDefault {
    flags: u8,
    mask: u8,
}

#[derive(Default, DekuRead, DekuWrite, conntrack::Encode, conntrack::Decode)]
#[nla(layout)]
struct OfAnySize {
    flags: u8,
    mask: u8,
}

#[derive(conntrack::Encode, conntrack::Decode)]
struct Nest {
    #[nla(CTA_MARK)]
    nothing: Option<Nothing>,
}

fn main() {}
