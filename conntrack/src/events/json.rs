//! Events for `serde`: what they are about, and a field `event` that says what it is.

use conntrack_spec::Expect;
use conntrack_spec::header::NlMsgHdr;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

use super::{Event, Groups, Origin, UnknownMessage};

/// An event, its parts owned or borrowed.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
enum Shape<F, E, M> {
    New { flow: F, origin: Origin },
    Update { flow: F, origin: Origin },
    Destroy { flow: F, origin: Origin },
    ExpectNew { expectation: E, origin: Origin },
    ExpectDestroy { expectation: E, origin: Origin },
    Overrun { lost: u32 },
    Unknown { message: M, origin: Origin },
}

impl<T: Serialize> Serialize for Event<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape: Shape<&T, &Expect, &UnknownMessage> = match self {
            Self::New(flow, origin) => Shape::New { flow, origin: *origin },
            Self::Update(flow, origin) => Shape::Update { flow, origin: *origin },
            Self::Destroy(flow, origin) => Shape::Destroy { flow, origin: *origin },
            Self::ExpectNew(expectation, origin) => Shape::ExpectNew { expectation, origin: *origin },
            Self::ExpectDestroy(expectation, origin) => Shape::ExpectDestroy { expectation, origin: *origin },
            Self::Overrun { lost } => Shape::Overrun { lost: *lost },
            Self::Unknown(message, origin) => Shape::Unknown { message, origin: *origin },
        };
        shape.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Event<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Shape::<T, Expect, UnknownMessage>::deserialize(deserializer)? {
            Shape::New { flow, origin } => Self::New(flow, origin),
            Shape::Update { flow, origin } => Self::Update(flow, origin),
            Shape::Destroy { flow, origin } => Self::Destroy(flow, origin),
            Shape::ExpectNew { expectation, origin } => Self::ExpectNew(expectation, origin),
            Shape::ExpectDestroy { expectation, origin } => Self::ExpectDestroy(expectation, origin),
            Shape::Overrun { lost } => Self::Overrun { lost },
            Shape::Unknown { message, origin } => Self::Unknown(message, origin),
        })
    }
}

/// The list of their names; those without a name come last, as one hexadecimal number.
impl Serialize for Groups {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut names = self.iter_names();
        let mut list: Vec<_> = names.by_ref().map(|(name, _)| name.to_owned()).collect();
        if !names.remaining().is_empty() {
            list.push(format!("{:#x}", names.remaining().bits()));
        }
        serializer.collect_seq(list)
    }
}

impl<'de> Deserialize<'de> for Groups {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut groups = Self::empty();
        for name in Vec::<String>::deserialize(deserializer)? {
            let digits = name.strip_prefix("0x").filter(|digits| !digits.starts_with('+'));
            let number = || u32::from_str_radix(digits?, 16).ok().map(Self::from_bits_retain);
            let group = Self::from_name(&name).or_else(number);
            groups |= group.ok_or_else(|| D::Error::custom(format_args!("{name:?} is not the name of a group")))?;
        }
        Ok(groups)
    }
}

/// A message that is not decoded: its header, and what follows in hex.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    length: u32,
    #[serde(rename = "type")]
    kind: u16,
    flags: u16,
    seq: u32,
    pid: u32,
    #[serde(with = "conntrack_spec::json::hex")]
    payload: Vec<u8>,
}

impl Serialize for UnknownMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let NlMsgHdr { len: length, kind, flags, seq, pid } = self.header;
        Message { length, kind, flags, seq, pid, payload: self.body.clone() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for UnknownMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Message { length: len, kind, flags, seq, pid, payload: body } = Message::deserialize(deserializer)?;
        Ok(Self { header: NlMsgHdr { len, kind, flags, seq, pid }, body })
    }
}
