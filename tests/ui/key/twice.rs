//! Keys that are said twice.

#[derive(conntrack::Decode)]
struct Marked {
    #[nla(CTA_MARK, receive_only, receive_only)]
    mark: Option<u32>,
    #[nla(CTA_USE, send_only, receive_only)]
    count: Option<u32>,
    #[nla(CTA_ZONE, since = "2.6", since = "6.8")]
    zone: Option<u16>,
}

fn main() {}
