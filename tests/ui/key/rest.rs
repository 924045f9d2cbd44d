//! Words that go with a constant, at a field that has none; and others that would have no effect.

use conntrack::codec::RawAttribute;

#[derive(conntrack::Encode, conntrack::Decode)]
struct Sent {
    #[nla(rest, send_only)]
    rest: Vec<RawAttribute>,
}

#[derive(conntrack::Encode, conntrack::Decode)]
struct Received {
    #[nla(rest, receive_only)]
    rest: Vec<RawAttribute>,
}

#[derive(conntrack::Encode, conntrack::Decode)]
struct Listed {
    #[nla(CTA_MARK as u32, repeated)]
    marks: Vec<u32>,
    #[nla(rest, repeated)]
    rest: Vec<RawAttribute>,
}

#[derive(conntrack::Encode, conntrack::Decode)]
struct Placed {
    #[nla(CTA_MARK)]
    mark: Option<u32>,
    #[nla(rest, also_before = CTA_MARK)]
    rest: Vec<RawAttribute>,
}

#[derive(conntrack::Encode, conntrack::Decode)]
#[nla(pad())]
struct Padded {
    #[nla(CTA_MARK)]
    mark: Option<u32>,
}

fn main() {}
