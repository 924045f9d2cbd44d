//! A path that leads nowhere.

#[derive(conntrack::Decode)]
#[nla(crate = ::conntrak)]
struct Marked {
    #[nla(CTA_MARK)]
    mark: Option<u32>,
}

fn main() {}
