//! What is never decoded takes its default, and has none.

#[derive(conntrack::Encode, conntrack::Decode)]
#[nla(transparent)]
struct Mark(u32);

#[derive(conntrack::Decode)]
struct Sent {
    #[nla(CTA_MARK, send_only)]
    mark: Mark,
}

fn main() {}
