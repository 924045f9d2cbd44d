//! `repeated` where it cannot be.

#[derive(conntrack::Decode)]
struct Lists {
    #[nla(CTA_MARK, repeated)]
    not_a_list: u32,
}

#[derive(conntrack::Decode)]
struct Misused {
    #[nla(flatten, repeated)]
    flat: conntrack::Mark,
    #[nla(CTA_IP_V4_SRC as std::net::Ipv4Addr, CTA_IP_V6_SRC as std::net::Ipv6Addr, repeated)]
    addresses: Vec<std::net::IpAddr>,
}

fn main() {}
