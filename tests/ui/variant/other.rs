//! `other` twice, and of a type that keeps nothing.

use conntrack::codec::RawAttribute;

#[derive(conntrack::Decode)]
enum Twice {
    #[nla(CTA_PROTOINFO_TCP)]
    Tcp(conntrack::ProtoInfoTcp),
    #[nla(other)]
    Other(RawAttribute),
    #[nla(other)]
    Another(RawAttribute),
}

struct Kept;

#[derive(conntrack::Encode, conntrack::Decode)]
enum Untyped {
    #[nla(CTA_PROTOINFO_TCP)]
    Tcp(conntrack::ProtoInfoTcp),
    #[nla(other)]
    Other(Kept),
}

fn main() {}
