//! A field that says nothing.

#[derive(conntrack::Encode, conntrack::Decode)]
struct Marked {
    #[nla(CTA_ID)]
    id: conntrack::FlowId,
    mark: Option<u32>,
}

fn main() {}
