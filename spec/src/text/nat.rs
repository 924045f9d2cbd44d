//! What to translate to.

use std::fmt;
use std::net::IpAddr;

use super::address::Address;
use crate::{Nat, NatPorts};

impl fmt::Display for Nat {
    /// As iptables(8) takes it behind `--to-source`: `192.0.2.1`, `192.0.2.1-192.0.2.9:1024-2047`,
    /// `[2001:db8::1]:80`; `:80` if only the port is translated, nothing if nothing is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.ports.filter(|ports| *ports != NatPorts::default());
        if let Some(min) = self.min {
            write_host(f, min, ports.is_some())?;
        }
        if let Some(max) = self.max {
            f.write_str("-")?;
            write_host(f, max, ports.is_some())?;
        }
        ports.map_or(Ok(()), |ports| write!(f, ":{ports}"))
    }
}

/// The colons of an IPv6 address must not run into that of the port.
fn write_host(f: &mut fmt::Formatter<'_>, address: IpAddr, with_port: bool) -> fmt::Result {
    match address {
        IpAddr::V6(_) if with_port => write!(f, "[{}]", Address(address)),
        _ => write!(f, "{}", Address(address)),
    }
}

impl fmt::Display for NatPorts {
    /// Prints `80` or `1024-2047`; nothing for no port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (None, None) => Ok(()),
            (Some(min), None) => write!(f, "{min}"),
            (min, Some(max)) => write!(f, "{}-{max}", min.unwrap_or(0)),
        }
    }
}
