//! `#[nla]` without a list, with a literal, without an argument where one is needed.

#[derive(conntrack::Decode)]
struct Marked {
    #[nla]
    mark: Option<u32>,
    #[nla(8)]
    number: Option<u32>,
    #[nla(CTA_ZONE, since)]
    zone: Option<u16>,
    #[nla = "CTA_USE"]
    count: Option<u32>,
}

fn main() {}
