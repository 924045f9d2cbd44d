//! A constant that does not exist.

#[derive(conntrack::Encode, conntrack::Decode)]
struct Marked {
    #[nla(CTA_MRAK)]
    mark: Option<u32>,
}

fn main() {}
