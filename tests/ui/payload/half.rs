//! A nest that can be decoded, in one that shall be encoded too.

#[derive(conntrack::Decode)]
struct Inner {
    #[nla(CTA_IP_V4_SRC)]
    src: u32,
}

#[derive(conntrack::Encode, conntrack::Decode)]
struct Outer {
    #[nla(CTA_TUPLE_IP)]
    ip: Option<Inner>,
}

fn main() {}
