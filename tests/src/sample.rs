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
