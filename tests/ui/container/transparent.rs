//! `transparent` and `layout` where they cannot be.

#[derive(conntrack::Encode, conntrack::Decode)]
#[nla(transparent)]
struct Two(u32, u32);

#[derive(conntrack::Encode, conntrack::Decode)]
#[nla(transparent)]
struct Named {
    mark: u32,
}

#[derive(conntrack::Encode, conntrack::Decode)]
#[nla(transparent, layout)]
struct Both(u32);

#[derive(conntrack::Encode, conntrack::Decode)]
#[nla(transparent)]
struct Declared(#[nla(CTA_MARK)] u32);

#[derive(conntrack::Encode, conntrack::Decode)]
#[nla(transparent)]
struct Sent(#[nla(send_only)] u32);

#[derive(conntrack::Encode, conntrack::Decode)]
#[nla(layout)]
struct Copied {
    #[nla(CTA_MARK)]
    mark: u32,
}

#[derive(conntrack::Encode, conntrack::Decode)]
#[nla(transparent, pad(CTA_COUNTERS_PAD))]
struct Padded(u32);

#[derive(conntrack::Encode, conntrack::Decode)]
#[nla(transparent)]
enum Choice {
    #[nla(CTA_MARK)]
    Mark(u32),
}

fn main() {}
