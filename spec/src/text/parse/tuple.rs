//! One direction of a flow.

use std::net::IpAddr;
use std::str::FromStr;

use super::tokens::u16_or_hex;
use super::{TextError, TextErrorKind, Word, Words};
use crate::{Family, L4, Protocol, Tuple};

/// The words of a tuple, as they come.
#[derive(Debug)]
pub(super) struct TupleWords<'a> {
    protocol: Protocol,
    src: Option<IpAddr>,
    dst: Option<(IpAddr, Word<'a>)>,
    /// Source port or key, ICMP type.
    first: Option<u16>,
    /// Destination port or key, ICMP identifier.
    second: Option<u16>,
    /// ICMP code.
    code: Option<u8>,
}

/// What a protocol's tuple can have beside the addresses.
enum Kind {
    Ports,
    Keys,
    Icmp,
    Nothing,
}

fn kind(protocol: Protocol) -> Kind {
    match protocol {
        Protocol::ICMP | Protocol::ICMPV6 => Kind::Icmp,
        Protocol::GRE => Kind::Keys,
        _ if (L4::Ports { src: 0, dst: 0 }).may_be_of(protocol) => Kind::Ports,
        _ => Kind::Nothing,
    }
}

/// Whether every kernel reports the ports. The tracker of another protocol may not be there, as DCCP's since Linux 6.17:
/// its flows then have none.
fn always_has_ports(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::TCP | Protocol::UDP)
}

const KNOWN: &str = "src=, dst=, sport=, dport=, srckey=, dstkey=, type=, code=, id=, zone=";
pub(super) const U16: &str = "a number of 16 bits";
const U8: &str = "a number of 8 bits";

impl<'a> TupleWords<'a> {
    /// The protocol, which is the first word.
    pub(super) fn start(words: &mut Words<'a>) -> Result<Self, TextError> {
        let word = words.next().ok_or_else(|| words.missing("a protocol"))?;
        if !word.name.is_empty() {
            return Err(word.error(TextErrorKind::Value { expected: "a protocol" }));
        }
        let protocol = word.parse("a protocol")?;
        Ok(Self { protocol, src: None, dst: None, first: None, second: None, code: None })
    }

    /// Whether `id=` is still to come, which for ICMP is the query's.
    pub(super) fn wants_id(&self) -> bool {
        matches!(kind(self.protocol), Kind::Icmp) && self.second.is_none()
    }

    pub(super) fn take(&mut self, word: Word<'a>) -> Result<(), TextError> {
        match (word.name, kind(self.protocol)) {
            ("src", _) => word.set(&mut self.src, word.parse("an IP address")?),
            ("dst", _) => word.set(&mut self.dst, (word.parse("an IP address")?, word)),
            ("sport", Kind::Ports) => word.set(&mut self.first, word.parse(U16)?),
            ("dport", Kind::Ports) | ("id", Kind::Icmp) => word.set(&mut self.second, word.parse(U16)?),
            ("srckey", Kind::Keys) => word.set(&mut self.first, word.parse_with(U16, u16_or_hex)?),
            ("dstkey", Kind::Keys) => word.set(&mut self.second, word.parse_with(U16, u16_or_hex)?),
            ("type", Kind::Icmp) => word.set(&mut self.first, word.parse::<u8>(U8)?.into()),
            ("code", Kind::Icmp) => word.set(&mut self.code, word.parse(U8)?),
            ("sport" | "dport" | "srckey" | "dstkey" | "type" | "code" | "id", _) => {
                Err(word.error(TextErrorKind::NotOfProtocol))
            }
            _ => Err(word.error(TextErrorKind::Unknown { known: KNOWN })),
        }
    }

    pub(super) fn finish(self, words: &Words<'a>) -> Result<Tuple, TextError> {
        let src = self.src.ok_or_else(|| words.missing("src="))?;
        let (dst, dst_word) = self.dst.ok_or_else(|| words.missing("dst="))?;
        if Family::of(src) != Family::of(dst) {
            return Err(dst_word.error(TextErrorKind::MixedFamilies));
        }
        let l4 = match (kind(self.protocol), self.first, self.second) {
            (Kind::Nothing, ..) => None,
            (Kind::Ports | Kind::Keys, None, None) if !always_has_ports(self.protocol) => None,
            (Kind::Ports | Kind::Keys, Some(src), Some(dst)) => Some(L4::Ports { src, dst }),
            (Kind::Ports, None, _) => return Err(words.missing("sport=")),
            (Kind::Ports, ..) => return Err(words.missing("dport=")),
            (Kind::Keys, None, _) => return Err(words.missing("srckey=")),
            (Kind::Keys, ..) => return Err(words.missing("dstkey=")),
            (Kind::Icmp, kind, id) => {
                let kind = kind.and_then(|kind| u8::try_from(kind).ok()).ok_or_else(|| words.missing("type="))?;
                let code = self.code.ok_or_else(|| words.missing("code="))?;
                let id = id.ok_or_else(|| words.missing("id="))?;
                Some(match self.protocol {
                    Protocol::ICMP => L4::Icmp { id, kind, code },
                    _ => L4::Icmpv6 { id, kind, code },
                })
            }
        };
        Ok(Tuple::new(src, dst, self.protocol, l4))
    }
}

impl FromStr for Tuple {
    type Err = TextError;

    /// Reads what is printed: the protocol, then in any order the addresses, the ports or what the protocol has instead,
    /// and the zone if there is one.
    ///
    /// TCP and UDP must have ports, ICMP its identifiers. Other protocols may come without ports, as some kernels report
    /// them.
    ///
    /// ```
    /// use conntrack_spec::Tuple;
    ///
    /// let tuple: Tuple = "tcp src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=80".parse()?;
    /// assert_eq!(tuple, Tuple::tcp("10.0.0.1:40000".parse()?, "10.0.0.2:80".parse()?));
    ///
    /// let error = "tcp src=10.0.0.1 dst=10.0.0.2 sport=http dport=80".parse::<Tuple>().unwrap_err();
    /// assert_eq!(error.to_string(), r#""sport=http" at byte 30: expected a number of 16 bits"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, TextError> {
        let mut words = Words::new(text);
        let mut tuple = TupleWords::start(&mut words)?;
        let mut zone = None;
        for word in words.by_ref() {
            match word.name {
                "zone" => word.set(&mut zone, word.parse(U16)?)?,
                _ => tuple.take(word)?,
            }
        }
        Ok(Self { zone, ..tuple.finish(&words)? })
    }
}
