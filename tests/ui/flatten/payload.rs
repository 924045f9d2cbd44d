//! A flattened payload, which has no attributes.

#[derive(conntrack::Encode, conntrack::Decode)]
struct Marked {
    #[nla(flatten)]
    mark: u32,
}

fn main() {}
