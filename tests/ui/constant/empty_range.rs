//! A range from high to low.

const FIRST: u16 = 1;
const LAST: u16 = 4;

#[derive(conntrack::Encode, conntrack::Decode)]
struct Policies {
    #[nla(LAST..=FIRST)]
    policies: Vec<u32>,
}

fn main() {}
