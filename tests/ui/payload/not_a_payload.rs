//! A field of a type that no attribute holds.

struct Opaque(u32);

#[derive(conntrack::Encode, conntrack::Decode)]
struct Marked {
    #[nla(CTA_MARK)]
    mark: Option<Opaque>,
}

fn main() {}
