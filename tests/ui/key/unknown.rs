//! Keys that do not exist.

#[derive(conntrack::Encode, conntrack::Decode)]
#[nla(transparant, name = "marked")]
struct Marked {
    #[nla(CTA_MARK, optional)]
    mark: Option<u32>,
    #[nla(flaten)]
    more: conntrack::Mark,
    #[nla(CTA_ZONE, sinse = "6.1", send_only)]
    zone: Option<u16>,
}

fn main() {}
