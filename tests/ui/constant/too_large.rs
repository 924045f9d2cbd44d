//! A number whose upper bits are flags.

const NESTED_MARK: u16 = conntrack::codec::NLA_F_NESTED | 1;

#[derive(conntrack::Encode, conntrack::Decode)]
struct Marked {
    #[nla(NESTED_MARK)]
    mark: Option<u32>,
}

#[derive(conntrack::Encode)]
#[nla(pad(NESTED_MARK))]
struct Padded {}

fn main() {}
