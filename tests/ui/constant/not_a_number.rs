//! A constant that is no attribute number.

const MY_MARK: u32 = 8;

#[derive(conntrack::Decode)]
struct Marked {
    #[nla(MY_MARK)]
    mark: Option<u32>,
    #[nla(CTA_ID)]
    id: Option<conntrack::FlowId>,
}

fn main() {}
