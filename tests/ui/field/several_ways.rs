//! A field that is several things at once, or what only a variant can be.

#[derive(conntrack::Decode)]
struct Marked {
    #[nla(CTA_MARK, flatten)]
    mark: Option<conntrack::Mark>,
    #[nla(other)]
    other: conntrack::codec::RawAttribute,
    #[nla(flatten, since = "6.1")]
    status: Option<conntrack::StatusFilter>,
    #[nla(rest)]
    rest: Vec<conntrack::codec::RawAttribute>,
    #[nla(rest)]
    more: Vec<conntrack::codec::RawAttribute>,
}

fn main() {}
