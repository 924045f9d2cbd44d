//! An enum that can be nothing.

#[derive(conntrack::Encode, conntrack::Decode)]
enum Never {}

fn main() {}
