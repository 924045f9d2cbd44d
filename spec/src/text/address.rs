//! Addresses, as `inet_ntop` prints them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// An address in the words of `inet_ntop`, which conntrack(8) uses.
///
/// It differs from Rust's in one thing: an IPv6 address whose first 96 bits are 0, and not the following 16, ends in
/// an IPv4 address (`::10.0.0.1`).
pub(crate) struct Address(pub(crate) IpAddr);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V6(v6) => match v6.octets() {
                [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ..] => write!(f, "{v6}"),
                [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, low @ ..] => write!(f, "::{}", Ipv4Addr::from(low)),
                _ => write!(f, "{v6}"),
            },
            IpAddr::V4(v4) => write!(f, "{v4}"),
        }
    }
}
