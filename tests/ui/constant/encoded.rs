//! What is wrong with numbers is wrong where they are only sent, too.

const FIRST: u16 = 1;
const LAST: u16 = 4;
const MY_MARK: u16 = conntrack::uapi::CTA_MARK;

#[derive(conntrack::Encode)]
struct Marked {
    #[nla(CTA_MARK)]
    mark: Option<u32>,
    #[nla(MY_MARK)]
    again: Option<u32>,
}

#[derive(conntrack::Encode)]
struct Policies {
    #[nla(LAST..=FIRST)]
    policies: Vec<u32>,
}

fn main() {}
