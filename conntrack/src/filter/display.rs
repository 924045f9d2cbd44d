//! A filter as words.

use std::fmt;

use ipnet::IpNet;

use super::{Filter, Masked, Ports, Side};

impl fmt::Display for Filter {
    /// Writes the words that [`FromStr`](std::str::FromStr) reads; nothing for a filter that selects everything.
    ///
    /// Words cannot express a [contradiction](crate::UsageError::Contradiction). Such a filter ends with
    /// `contradiction=` and the criterion's name, which [`FromStr`](std::str::FromStr) refuses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, protocol, orig, reply, mark, status, zone, tcp_state, contradiction } = self;
        let mut words = Words { f, first: true };
        words.word("", "family", *family)?;
        words.word("", "proto", *protocol)?;
        words.side("", orig)?;
        words.side("reply-", reply)?;
        if let Some(Masked { value, mask }) = *mark {
            match mask {
                u32::MAX => words.word("", "mark", Some(value))?,
                _ => words.word("", "mark", Some(format_args!("{value:#x}/{mask:#x}")))?,
            }
        }
        if let Some(Masked { value, mask }) = *status {
            let yes = (!value.is_empty()).then(|| value.to_string());
            let no = (mask - value).iter().map(|bit| format!("!{bit}"));
            let bits: Vec<_> = yes.into_iter().chain(no).collect();
            words.word("", "status", Some(bits.join(",").to_ascii_lowercase()))?;
        }
        words.word("", "zone", *zone)?;
        words.word("", "state", *tcp_state)?;
        words.word("", "contradiction", *contradiction)
    }
}

/// Words, and blanks between them.
struct Words<'f, 'a> {
    f: &'f mut fmt::Formatter<'a>,
    first: bool,
}

impl Words<'_, '_> {
    fn word(&mut self, prefix: &str, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
        let Some(value) = value else { return Ok(()) };
        let blank = if std::mem::take(&mut self.first) { "" } else { " " };
        write!(self.f, "{blank}{prefix}{name}={value}")
    }

    fn side(&mut self, prefix: &str, side: &Side) -> fmt::Result {
        let Side { src, dst, src_port, dst_port, icmp_id, icmp_type, icmp_code } = *side;
        self.word(prefix, "src", src.map(Network))?;
        self.word(prefix, "dst", dst.map(Network))?;
        self.word(prefix, "sport", src_port)?;
        self.word(prefix, "dport", dst_port)?;
        self.word(prefix, "icmp-type", icmp_type)?;
        self.word(prefix, "icmp-code", icmp_code)?;
        self.word(prefix, "icmp-id", icmp_id)
    }
}

/// A network; one address alone without the length of its prefix.
struct Network(IpNet);

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

impl fmt::Display for Ports {
    /// `80` or `80-443`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single() {
            Some(port) => port.fmt(f),
            None => write!(f, "{}-{}", self.min, self.max),
        }
    }
}
