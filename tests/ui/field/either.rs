//! One field for several attributes, said wrongly.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(conntrack::Encode, conntrack::Decode)]
struct Untyped {
    #[nla(CTA_IP_V4_SRC, CTA_IP_V6_SRC)]
    src: IpAddr,
    #[nla(CTA_IP_V4_DST as Ipv4Addr, CTA_IP_V6_DST)]
    dst: IpAddr,
}

#[derive(conntrack::Decode)]
#[nla(transparent)]
struct Address([u8; 16]);

#[derive(conntrack::Decode)]
struct Unrelated {
    #[nla(CTA_IP_V4_SRC as Ipv4Addr, CTA_IP_V6_SRC as Ipv6Addr)]
    src: Address,
}

fn main() {}
