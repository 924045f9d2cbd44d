//! Two fields that name one constant.

#[derive(conntrack::Encode, conntrack::Decode)]
struct Marked {
    #[nla(CTA_MARK)]
    mark: Option<u32>,
    #[nla(CTA_MARK)]
    again: Option<u32>,
}

fn main() {}
