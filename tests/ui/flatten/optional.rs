//! An `Option` of a flattened struct of which everything is optional.

#[derive(conntrack::Encode, conntrack::Decode)]
struct Parts {
    #[nla(CTA_MARK)]
    mark: Option<u32>,
    #[nla(CTA_ZONE, repeated)]
    zones: Vec<u16>,
    #[nla(CTA_USE, send_only)]
    count: u32,
}

#[derive(conntrack::Encode, conntrack::Decode)]
struct Outer {
    #[nla(flatten)]
    parts: Option<Parts>,
}

/// The struct itself can be flattened.
#[derive(conntrack::Encode, conntrack::Decode)]
struct Fine {
    #[nla(flatten)]
    parts: Parts,
}

fn main() {}
