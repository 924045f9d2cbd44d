//! What fits a message, and is not declared as this crate declares it.

use std::net::IpAddr;

use conntrack::codec::RawAttribute;
use conntrack::{Conntrack, Decode, Error, Mark, Seconds};

/// A kernel is newer than the library.
const CTA_OF_TOMORROW: u16 = 90;

#[derive(Decode)]
struct Fits {
    /// An opaque id as a number.
    #[nla(CTA_ID)]
    id: u32,
    /// A nest as it came.
    #[nla(CTA_PROTOINFO)]
    proto_info: Option<Vec<u8>>,
    #[nla(CTA_OF_TOMORROW)]
    new: Option<u32>,
    #[nla(CTA_TUPLE_ORIG)]
    orig: Part,
    /// With a mask that only requests have.
    #[nla(flatten)]
    mark: Option<Mark>,
    /// A wrapper of the user's.
    #[nla(CTA_TIMEOUT)]
    timeout: Option<Wrapped>,
    #[nla(CTA_SECCTX)]
    context: Option<Context>,
    #[nla(rest)]
    rest: Vec<RawAttribute>,
}

#[derive(Decode)]
#[nla(transparent)]
struct Wrapped(Seconds);

#[derive(Decode)]
struct Part {
    #[nla(CTA_TUPLE_IP)]
    ip: Source,
}

#[derive(Decode)]
struct Source {
    /// As an address of either family.
    #[nla(CTA_IP_V4_SRC)]
    v4: Option<IpAddr>,
    #[nla(CTA_IP_V6_SRC)]
    v6: Option<[u8; 16]>,
}

#[derive(Decode)]
struct Context {
    #[nla(CTA_SECCTX_NAME)]
    name: conntrack::codec::NulString<200>,
}

fn main() -> Result<(), Error> {
    // Compiled, and not run.
    if std::env::args().count() > 99 {
        drop(Conntrack::open()?.dump_as::<Fits>()?);
    }
    Ok(())
}
