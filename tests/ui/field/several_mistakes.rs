//! Every mistake is reported, not the first.

#[derive(conntrack::Encode, conntrack::Decode)]
struct Flow {
    mark: Option<u32>,
    #[nla(CTA_ID, nested)]
    id: conntrack::FlowId,
    #[nla(CTA_USE, CTA_ZONE)]
    count: Option<u32>,
    #[nla(CTA_TIMEOUT)]
    timeout: Option<u32>,
    #[nla(CTA_TIMEOUT)]
    again: Option<u32>,
}

fn main() {
    // The stub keeps this from being a mistake of its own.
    let _ = conntrack::codec::decode::<Flow>(&[]);
}
