//! A direction where the flattened struct's fields have one each.

#[derive(conntrack::Encode, conntrack::Decode)]
struct Marked {
    #[nla(flatten, send_only)]
    sent: Option<conntrack::Mark>,
    #[nla(flatten, receive_only)]
    received: Option<conntrack::Counters>,
}

fn main() {}
