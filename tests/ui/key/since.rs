//! `since` is the version of a kernel.

#[derive(conntrack::Decode)]
struct Marked {
    #[nla(CTA_MARK, since = "banana")]
    mark: Option<u32>,
    #[nla(CTA_ZONE, since = "6")]
    zone: Option<u16>,
    #[nla(CTA_USE, since = "6.x")]
    count: Option<u32>,
    #[nla(CTA_ID, since = "")]
    id: Option<u32>,
    #[nla(CTA_STATUS, since = "v6.1")]
    status: Option<u32>,
    #[nla(CTA_TIMEOUT, since = "2.6.39")]
    timeout: Option<u32>,
    #[nla(rest, since = "6.1")]
    rest: Vec<conntrack::codec::RawAttribute>,
}

fn main() {}
