//! Two constants with one number.

const MY_MARK: u16 = conntrack::uapi::CTA_MARK;

#[derive(conntrack::Encode, conntrack::Decode)]
struct Marked {
    #[nla(CTA_MARK)]
    mark: Option<u32>,
    #[nla(MY_MARK)]
    again: Option<u32>,
}

fn main() {}
