//! A number inside another field's range.

const FIRST: u16 = 1;
const SECOND: u16 = 2;
const LAST: u16 = 4;

#[derive(conntrack::Decode)]
struct Policies {
    #[nla(FIRST..=LAST)]
    policies: Vec<u32>,
    #[nla(SECOND)]
    second: Option<u32>,
}

fn main() {}
