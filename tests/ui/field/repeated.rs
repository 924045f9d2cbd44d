//! `repeated` where it cannot be.

struct Unknown;

#[derive(conntrack::Encode, conntrack::Decode)]
struct Lists {
    #[nla(CTA_MARK, repeated)]
    not_a_list: u32,
    #[nla(CTA_ZONE, repeated)]
    nothing: Unknown,
    #[nla(CTA_TIMESTAMP..=CTA_LABELS)]
    optional: Option<u32>,
}

#[derive(conntrack::Decode)]
struct Misused {
    #[nla(flatten, repeated)]
    flat: conntrack::Mark,
    #[nla(CTA_IP_V4_SRC as std::net::Ipv4Addr, CTA_IP_V6_SRC as std::net::Ipv6Addr, repeated)]
    addresses: Vec<std::net::IpAddr>,
}

fn main() {}
