//! Decoding recurses as deep as declarations do, so none may be inside itself.

#[derive(conntrack::Decode)]
struct Nest {
    #[nla(CTA_TUPLE_ORIG, repeated)]
    inside: Vec<Nest>,
}

fn main() {}
