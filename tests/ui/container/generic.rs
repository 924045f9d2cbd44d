//! A struct with parameters.

#[derive(conntrack::Encode, conntrack::Decode)]
struct Marked<T> {
    #[nla(CTA_MARK)]
    mark: Option<T>,
}

fn main() {}
