//! Flattened structs and enums that would keep the attributes of the struct around them.

use conntrack::codec::RawAttribute;

#[derive(conntrack::Encode, conntrack::Decode)]
struct Kept {
    #[nla(CTA_ZONE)]
    zone: Option<u16>,
    #[nla(rest)]
    rest: Vec<RawAttribute>,
}

#[derive(conntrack::Encode, conntrack::Decode)]
enum Open {
    #[nla(CTA_USE)]
    Count(u32),
    #[nla(other)]
    Other(RawAttribute),
}

#[derive(conntrack::Encode, conntrack::Decode)]
struct Marked {
    #[nla(CTA_MARK)]
    mark: Option<u32>,
    #[nla(flatten)]
    kept: Kept,
    #[nla(flatten)]
    open: Option<Open>,
}

fn main() {}
