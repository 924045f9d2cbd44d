//! A union.

#[derive(conntrack::Encode, conntrack::Decode)]
union Mark {
    number: u32,
    bytes: [u8; 4],
}

fn main() {}
