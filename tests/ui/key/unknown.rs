//! Keys that do not exist.

#[derive(conntrack::Encode, conntrack::Decode)]
#[nla(transparant)]
struct Marked {
    #[nla(CTA_MARK, optional)]
    mark: Option<u32>,
    #[nla(flaten)]
    more: conntrack::Mark,
}

fn main() {}
