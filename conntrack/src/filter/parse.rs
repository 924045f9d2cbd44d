//! A filter from words.

use std::net::IpAddr;
use std::str::FromStr;

use conntrack_spec::{Family, Status, TextError, TextErrorKind, Word, Words};
use ipnet::IpNet;

use super::{Filter, Masked, Ports, Side};

const KNOWN: &str = "family=, proto=, src=, dst=, sport=, dport=, reply-src=, reply-dst=, reply-sport=, reply-dport=, \
                     icmp-type=, icmp-code=, icmp-id=, mark=, status=, zone=, state=";
const PORT: &str = "a port, or a range such as 80-443";
const NUMBER: &str = "a number";

impl FromStr for Filter {
    type Err = TextError;

    /// Reads a filter from words, which blanks separate and which may come in any order, each once: a flow has to meet
    /// all of them. No words are a filter that selects everything.
    ///
    /// | word | flows |
    /// |---|---|
    /// | `family=ipv6` | of this family: `ipv4`, `ipv6` |
    /// | `proto=tcp` | of this transport protocol: conntrack(8)'s word, or a number |
    /// | `src=10.0.0.0/8` `dst=2001:db8::1` | whose first packet came from here, went here |
    /// | `sport=53` `dport=80-443` | from and to this port, or one of these |
    /// | `reply-src=` `reply-dst=` `reply-sport=` `reply-dport=` | whose answers do so |
    /// | `icmp-type=8` `icmp-code=0` `icmp-id=7` | of ICMP or ICMPv6, whose query has this |
    /// | `mark=7` `mark=0x700/0xff00` | whose mark is this, under this mask |
    /// | `status=assured,!seen_reply` | that have these bits, and do not have those after `!` |
    /// | `zone=3` | in this zone, with either direction; 0 is the default zone |
    /// | `state=ESTABLISHED` | of TCP, in this state |
    ///
    /// Names may be in either case; numbers of marks and status bits may be hexadecimal, after `0x`. What is printed is
    /// read as the same filter.
    ///
    /// ```
    /// use conntrack::{Filter, Status};
    ///
    /// let filter: Filter = "proto=udp dport=53 src=10.0.0.0/8 status=!seen_reply".parse()?;
    /// let built = Filter::new().udp().orig_dst_port(53).orig_src("10.0.0.0/8".parse::<ipnet::IpNet>()?);
    /// assert_eq!(filter, built.without_status(Status::SEEN_REPLY));
    /// assert_eq!(filter.to_string(), "proto=udp src=10.0.0.0/8 dport=53 status=!seen_reply");
    ///
    /// let error = "proto=udp dport=domain".parse::<Filter>().unwrap_err();
    /// assert_eq!(error.to_string(), r#""dport=domain" at byte 10: expected a port, or a range such as 80-443"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, TextError> {
        let mut filter = Self::new();
        for word in Words::new(text) {
            match (word.name, word.name.strip_prefix("reply-")) {
                ("family", _) => word.set(&mut filter.family, word.parse_with("ipv4 or ipv6", family)?)?,
                ("proto", _) => word.set(&mut filter.protocol, word.parse("a protocol")?)?,
                ("mark", _) => word.set(&mut filter.mark, word.parse_with("a mark, or a mark/mask", mark)?)?,
                ("status", _) => word.set(&mut filter.status, word.parse_with("status bits", status)?)?,
                ("zone", _) => word.set(&mut filter.zone, word.parse(NUMBER)?)?,
                ("state", _) => word.set(&mut filter.tcp_state, word.parse("a TCP state")?)?,
                ("icmp-type", _) => word.set(&mut filter.orig.icmp_type, word.parse(NUMBER)?)?,
                ("icmp-code", _) => word.set(&mut filter.orig.icmp_code, word.parse(NUMBER)?)?,
                ("icmp-id", _) => word.set(&mut filter.orig.icmp_id, word.parse(NUMBER)?)?,
                (_, Some(name)) => side(&mut filter.reply, name, &word)?,
                (name, None) => side(&mut filter.orig, name, &word)?,
            }
        }
        // Kept until here, so that another word of the name is seen to be the second.
        let (mark, status) = (filter.mark.and_then(Masked::criterion), filter.status.and_then(Masked::criterion));
        Ok(Self { mark, status, ..filter })
    }
}

/// The words that there are for each direction.
fn side(side: &mut Side, name: &str, word: &Word<'_>) -> Result<(), TextError> {
    let network = || word.parse_with("an address, or a network such as 10.0.0.0/8", network);
    match name {
        "src" => word.set(&mut side.src, network()?),
        "dst" => word.set(&mut side.dst, network()?),
        "sport" => word.set(&mut side.src_port, ports(word)?),
        "dport" => word.set(&mut side.dst_port, ports(word)?),
        _ => Err(word.error(TextErrorKind::Unknown { known: KNOWN })),
    }
}

/// Any family would be no criterion.
fn family(text: &str) -> Option<Family> {
    text.parse().ok().filter(|family| *family != Family::UNSPEC)
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)).map(|net: IpNet| net.trunc())
}

fn ports(word: &Word<'_>) -> Result<Ports, TextError> {
    let ports = word.parse_with(PORT, |text| {
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        Some(Ports { min: min.parse().ok()?, max: max.parse().ok()? })
    })?;
    if ports.min > ports.max { Err(word.error(TextErrorKind::Range)) } else { Ok(ports) }
}

fn mark(text: &str) -> Option<Masked<u32>> {
    let (value, mask) = text.split_once('/').map_or((text, None), |(value, mask)| (value, Some(mask)));
    Some(Masked { value: number(value)?, mask: mask.map_or(Some(u32::MAX), number)? })
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn status(text: &str) -> Option<Masked<Status>> {
    text.split(',').try_fold(Masked::<Status>::default(), |so_far, name| {
        let unwanted = name.strip_prefix('!');
        let mask: Status = unwanted.unwrap_or(name).parse().ok()?;
        let value = if unwanted.is_some() { Status::empty() } else { mask };
        so_far.and(Masked { value, mask })
    })
}
