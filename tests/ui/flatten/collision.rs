//! A flattened struct that declares what its owner declares.

#[derive(conntrack::Decode)]
struct Marked {
    #[nla(CTA_MARK)]
    mark: Option<u32>,
    #[nla(flatten)]
    masked: Option<conntrack::Mark>,
}

fn main() {}
