//! Numbers and bits by their names.

use std::str::FromStr;

use super::{TextError, TextErrorKind, Words};
use crate::codec::Name;
use crate::{DccpState, Family, Protocol, SctpState, Status, TcpState, names};

/// A number by conntrack(8)'s word for it, in either case, or by itself.
macro_rules! numbers {
    ($($type:ident: $expected:literal;)*) => {$(
        impl FromStr for $type {
            type Err = TextError;

            #[doc = concat!("Reads what is printed, in either case: ", $expected, ", or the number.")]
            fn from_str(text: &str) -> Result<Self, TextError> {
                let mut words = Words::new(text);
                let word = words.next().ok_or_else(|| words.missing($expected))?;
                let error = || word.error(TextErrorKind::Value { expected: $expected });
                let mut values = $type::NAMES.iter().filter_map(|name| name.value.try_into().ok().map($type));
                let named = values.find(|value| text.trim().eq_ignore_ascii_case(&value.to_string()));
                named.or_else(|| text.trim().parse().ok().map($type)).ok_or_else(error)
            }
        }
    )*};
}

numbers! {
    Protocol: "a protocol";
    Family: "ipv4 or ipv6";
    TcpState: "a TCP state";
    SctpState: "an SCTP state";
    DccpState: "a DCCP state";
}

/// The bit, or bits, of a word.
fn bit(name: &str) -> Option<Status> {
    let is_it = |known: &&Name| names::word(known, Status::PREFIX).eq_ignore_ascii_case(name);
    let number = match Status::NAMES.iter().find(is_it) {
        Some(known) => known.value.try_into().ok()?,
        None if name == "0" => 0,
        None => names::hex(name)?.try_into().ok()?,
    };
    Some(Status::from_bits_retain(number))
}

impl FromStr for Status {
    type Err = TextError;

    /// Reads what is printed, in either case: `SEEN_REPLY,ASSURED,0x10000`, or `0` for no bits.
    fn from_str(text: &str) -> Result<Self, TextError> {
        let mut words = Words::new(text);
        let word = words.next().ok_or_else(|| words.missing("a status"))?;
        let bits = text.trim().split(',').map(bit);
        bits.reduce(|all, bit| Some(all? | bit?))
            .flatten()
            .ok_or_else(|| word.error(TextErrorKind::Value { expected: "status bits, separated by commas" }))
    }
}
