//! A protocol that does not exist, whose structs say everything that can be declared: what connection tracking does
//! not use today is tested with it.

// Of generated code, lints that are forbidden where it stands see nothing.
#![forbid(missing_docs, missing_debug_implementations, unreachable_pub, unused_variables)]
#![deny(unused_qualifications)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conntrack::codec::{BoundedBytes, Native, NulString, RawAttribute};
use conntrack::{Decode, Encode};

const SAMPLE_NAME: u16 = 1;
const SAMPLE_COUNT: u16 = 2;
const SAMPLE_ELEMENT: u16 = 3;
const SAMPLE_FIRST: u16 = 10;
const SAMPLE_LAST: u16 = 13;
const SAMPLE_LOW: u16 = 20;
const SAMPLE_HIGH: u16 = 21;
const SAMPLE_V4: u16 = 30;
const SAMPLE_V6: u16 = 31;
const SAMPLE_TEXT: u16 = 32;
const SAMPLE_PADDED: u16 = 40;
const SAMPLE_BLOB: u16 = 41;
const SAMPLE_ADDRESS: u16 = 42;
const SAMPLE_PAD: u16 = 50;

const NESTS_KEPT: u16 = 1;
const NESTS_OPEN: u16 = 2;
const NESTS_OPENS: u16 = 3;
const NESTS_GAPS: u16 = 4;
const NESTS_LAST: u16 = 5;
const NESTS_INNER: u16 = 6;
const NESTS_INNER_LIST: u16 = 7;
const KEPT_NAME: u16 = 1;
const OPEN_NUMBER: u16 = 1;
const OPEN_FIRST: u16 = 2;
const OPEN_SECOND: u16 = 3;
const GAPS_FIRST: u16 = 20;
const GAPS_LAST: u16 = 23;

/// All of it in one nest.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[nla(pad(SAMPLE_PAD))]
pub struct Sample {
    /// A string.
    #[nla(SAMPLE_NAME)]
    pub name: NulString<7>,
    /// A word of the host's.
    #[nla(SAMPLE_COUNT)]
    pub count: Option<Native<u16>>,
    /// As many attributes as there are elements.
    #[nla(SAMPLE_ELEMENT, repeated)]
    pub elements: Vec<Range>,
    /// As many attributes as there are elements, each with its number.
    #[nla(SAMPLE_FIRST..=SAMPLE_LAST)]
    pub indexed: Vec<i32>,
    /// All of the range, or nothing.
    #[nla(flatten)]
    pub range: Option<Range>,
    /// One of several things.
    #[nla(flatten)]
    pub target: Target,
    /// Without a payload it is padding.
    #[nla(SAMPLE_PADDED)]
    pub padded: Option<u16>,
    /// Bytes.
    #[nla(SAMPLE_BLOB)]
    pub blob: Option<BoundedBytes<5>>,
    /// An address of either family in one attribute.
    #[nla(SAMPLE_ADDRESS)]
    pub address: Option<IpAddr>,
    /// Everything else.
    #[nla(rest)]
    pub rest: Vec<RawAttribute>,
}

/// Two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Range {
    /// The lower one.
    #[nla(SAMPLE_LOW)]
    pub low: u64,
    /// The higher one.
    #[nla(SAMPLE_HIGH)]
    pub high: Option<i8>,
}

/// A choice with a group, beside a single attribute.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Target {
    /// An address, of one of two types.
    Host {
        /// The address.
        #[nla(SAMPLE_V4 as Ipv4Addr, SAMPLE_V6 as Ipv6Addr)]
        address: IpAddr,
    },
    /// A name.
    #[nla(SAMPLE_TEXT)]
    Name(String),
}

/// Nests that keep what is not declared in them, and a flattened struct with a choice and lists.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Nests {
    /// Keeps everything.
    #[nla(NESTS_KEPT)]
    pub kept: Kept,
    /// Keeps one attribute.
    #[nla(NESTS_OPEN)]
    pub open: Option<Open>,
    /// Several that do.
    #[nla(NESTS_OPENS, repeated)]
    pub opens: Vec<Open>,
    /// A list with gaps.
    #[nla(NESTS_GAPS)]
    pub gaps: Option<Gaps>,
    /// A text that comes last.
    #[nla(NESTS_LAST)]
    pub last: Wrapped,
    /// A flattened struct that flattens another one.
    #[nla(flatten)]
    pub inner: Option<Inner>,
}

/// A struct with all that it has no field for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Kept {
    /// A text.
    #[nla(KEPT_NAME)]
    pub name: Wrapped,
    /// Everything else.
    #[nla(rest)]
    pub rest: Vec<RawAttribute>,
}

/// A choice that has a variant for what is not declared.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Open {
    /// An attribute.
    #[nla(OPEN_NUMBER)]
    Number(u32),
    /// Several.
    Group {
        /// This one is always there.
        #[nla(OPEN_FIRST)]
        first: u8,
        /// And this one not.
        #[nla(OPEN_SECOND)]
        second: Option<Range>,
    },
    /// Any other.
    #[nla(other)]
    Other(RawAttribute),
}

/// A list whose elements keep their numbers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Gaps {
    /// The elements.
    #[nla(GAPS_FIRST..=GAPS_LAST)]
    pub elements: Vec<Option<u16>>,
}

/// A struct to be flattened.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Inner {
    /// Required where the struct is there.
    #[nla(NESTS_INNER)]
    pub number: u8,
    /// A list.
    #[nla(NESTS_INNER_LIST, repeated)]
    pub list: Vec<u16>,
    /// Another flattened struct.
    #[nla(flatten)]
    pub range: Option<Range>,
}

/// A text in a type of its own.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[nla(transparent)]
pub struct Wrapped(pub String);
