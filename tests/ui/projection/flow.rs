//! Fields that would read a wrong value of a flow: each error names the field and both declarations.

use std::net::Ipv4Addr;

use conntrack::codec::{Native, NulString};
use conntrack::{Conntrack, Counters, Decode, Error, Tuple};

#[derive(Decode)]
struct WrongNest {
    #[nla(CTA_PROTO_NUM)]
    protocol: u8,
}

#[derive(Decode)]
struct ShortMark {
    #[nla(CTA_MARK)]
    mark: Option<u16>,
}

#[derive(Decode)]
struct ShortTimeout {
    #[nla(CTA_TIMEOUT)]
    timeout: u8,
}

#[derive(Decode)]
struct HostOrder {
    #[nla(CTA_MARK)]
    mark: Native<u32>,
}

#[derive(Decode)]
struct Signed {
    #[nla(CTA_USE)]
    count: Option<i32>,
}

const MY_MARK: u16 = conntrack::uapi::CTA_MARK;

#[derive(Decode)]
struct OtherName {
    #[nla(MY_MARK)]
    mark: Option<u32>,
}

mod own {
    pub const CTA_MARK: u16 = 100;
}

#[derive(Decode)]
struct OtherNumber {
    #[nla(own::CTA_MARK)]
    mark: Option<u32>,
}

#[derive(Decode)]
struct List {
    #[nla(CTA_MARK, repeated)]
    marks: Vec<u32>,
}

#[derive(Decode)]
struct Range {
    #[nla(CTA_MARK..=CTA_USE)]
    several: Vec<u32>,
}

#[derive(Decode)]
struct NotANest {
    #[nla(CTA_TUPLE_ORIG)]
    orig: [u8; 4],
}

#[derive(Decode)]
struct Swapped {
    #[nla(CTA_COUNTERS_ORIG)]
    counters: Option<Tuple>,
}

#[derive(Decode)]
struct Padded {
    #[nla(flatten)]
    timeout: Padding,
}

#[derive(Decode)]
#[nla(pad(CTA_TIMEOUT))]
struct Padding {
    #[nla(CTA_COUNTERS_REPLY)]
    reply: Option<Counters>,
}

#[derive(Decode)]
struct Inside {
    #[nla(CTA_TUPLE_ORIG)]
    orig: InsideTuple,
}

#[derive(Decode)]
struct InsideTuple {
    #[nla(CTA_TUPLE_IP)]
    ip: InsideIp,
}

#[derive(Decode)]
struct InsideIp {
    #[nla(CTA_IP_V4_SRC)]
    src: u32,
}

#[derive(Decode)]
struct Beside {
    #[nla(CTA_TUPLE_ORIG)]
    orig: BesideTuple,
}

#[derive(Decode)]
struct BesideTuple {
    #[nla(CTA_ID)]
    id: Option<u32>,
}

#[derive(Decode)]
struct OnlyV4 {
    #[nla(CTA_HELP)]
    help: Option<ShortName>,
}

#[derive(Decode)]
struct ShortName {
    #[nla(CTA_HELP_NAME)]
    name: NulString<7>,
}

#[derive(Decode)]
enum Variant {
    Address {
        #[nla(CTA_ZONE as Ipv4Addr, CTA_MARK as u32)]
        zone: Zone,
    },
}

enum Zone {
    Address(Ipv4Addr),
    Number(u32),
}

impl From<Ipv4Addr> for Zone {
    fn from(address: Ipv4Addr) -> Self {
        Self::Address(address)
    }
}

impl From<u32> for Zone {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl conntrack::codec::DecodePayload for Zone {
    const WIRE: conntrack::codec::Wire = conntrack::codec::Wire::Padding;

    fn vacant() -> Self {
        Self::Number(0)
    }

    fn decode_payload(_: &[u8], _: conntrack::codec::Mode) -> Result<Self, conntrack::DecodeError> {
        Ok(Self::Number(0))
    }
}

fn main() -> Result<(), Error> {
    let ct = Conntrack::open()?;
    drop(ct.dump_as::<WrongNest>()?);
    drop(ct.dump_as::<ShortMark>()?);
    drop(ct.dump_as::<ShortTimeout>()?);
    drop(ct.dump_as::<HostOrder>()?);
    drop(ct.dump_as::<Signed>()?);
    drop(ct.dump_as::<OtherName>()?);
    drop(ct.dump_as::<OtherNumber>()?);
    drop(ct.dump_as::<List>()?);
    drop(ct.dump_as::<Range>()?);
    drop(ct.dump_as::<NotANest>()?);
    drop(ct.dump_as::<Swapped>()?);
    drop(ct.dump_as::<Padded>()?);
    drop(ct.dump_as::<Inside>()?);
    drop(ct.dump_as::<Beside>()?);
    drop(ct.dump_as::<OnlyV4>()?);
    drop(ct.dump_as::<Variant>()?);
    Ok(())
}
