//! Two flattened structs that declare the same.

#[derive(conntrack::Decode)]
struct Marked {
    #[nla(flatten)]
    mark: Option<conntrack::Mark>,
    #[nla(flatten)]
    r#match: Option<conntrack::Mark>,
}

fn main() {}
