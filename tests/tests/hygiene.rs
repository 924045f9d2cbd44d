//! Generated code means the same wherever it stands: no prelude, names of the standard library taken by others, strict
//! lints, the library under another name.

#![no_implicit_prelude]
#![deny(warnings, unused, missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![deny(clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::indexing_slicing)]

extern crate conntrack as renamed;
// What it is called by default leads nowhere here.
#[allow(unused_extern_crates, reason = "it is there to mislead")]
extern crate std as conntrack;

use self::renamed as library;

macro_rules! mislead {
    ($($name:ident)*) => {$(
        #[allow(unused_macros, reason = "it is there to mislead")]
        macro_rules! $name {
            () => {};
        }
    )*};
}

mislead! { assert matches unreachable vec panic format }

/// Everything that generated code could reach for by its short name, and must not.
mod shadows {
    #![allow(dead_code, non_upper_case_globals, reason = "they are there to mislead")]

    pub(crate) struct Option;
    pub(crate) struct Result;
    pub(crate) struct Vec;
    pub(crate) struct String;
    pub(crate) struct Schema;
    pub(crate) struct Attribute;
    pub(crate) struct Stream;
    pub(crate) struct Writer;
    pub(crate) struct Mode;
    pub(crate) trait Default {}
    pub(crate) trait From {}
    pub(crate) trait Iterator {}
    pub(crate) trait IntoIterator {}
    pub(crate) trait Encode {}
    pub(crate) trait Decode {}
    pub(crate) const Some: () = ();
    pub(crate) const None: () = ();
    pub(crate) const Ok: () = ();
    pub(crate) const Err: () = ();
    pub(crate) const f0: () = ();
    pub(crate) const f1: () = ();
    pub(crate) mod core {}
    pub(crate) mod std {}
    pub(crate) mod alloc {}
}

mod declared {
    #![forbid(missing_docs, missing_debug_implementations, unreachable_pub, unused_variables)]
    #![forbid(non_camel_case_types, dead_code, unused_mut, unreachable_code, unreachable_patterns, unused_results)]
    #![forbid(clippy::unwrap_used, clippy::indexing_slicing, clippy::missing_inline_in_public_items)]

    #[allow(unused_imports, reason = "they are there to mislead")]
    use super::shadows::*;
    use super::{library, renamed};

    const HYGIENE_PAD: u16 = 100;
    const HYGIENE_FIRST: u16 = 101;
    const HYGIENE_LAST: u16 = 104;
    const HYGIENE_MANY: u16 = 105;
    const HYGIENE_GAPS_FIRST: u16 = 110;
    const HYGIENE_GAPS_LAST: u16 = 112;
    const HYGIENE_OWN: u16 = library::uapi::CTA_USE;

    /// Everything that can be declared.
    #[derive(Debug, PartialEq, renamed::Encode, renamed::Decode)]
    #[nla(crate = renamed, pad(HYGIENE_PAD))]
    pub(super) struct All {
        /// Required.
        #[nla(CTA_MARK)]
        pub(super) mark: u32,
        /// Optional.
        #[nla(HYGIENE_OWN)]
        pub(super) count: ::std::option::Option<Wrapped>,
        /// One of two.
        #[nla(CTA_IP_V6_SRC as ::std::net::Ipv6Addr, CTA_IP_V4_SRC as ::std::net::Ipv4Addr)]
        pub(super) address: ::std::option::Option<::std::net::IpAddr>,
        /// Many.
        #[nla(HYGIENE_MANY, repeated)]
        pub(super) many: ::std::vec::Vec<u16>,
        /// Numbered.
        #[nla(HYGIENE_FIRST..=HYGIENE_LAST)]
        pub(super) numbered: ::std::vec::Vec<Flags>,
        /// Numbered, with gaps.
        #[nla(HYGIENE_GAPS_FIRST..=HYGIENE_GAPS_LAST)]
        pub(super) gaps: ::std::vec::Vec<::std::option::Option<u8>>,
        /// Flattened.
        #[nla(flatten)]
        pub(super) one: ::std::option::Option<One>,
        /// Sent.
        #[nla(CTA_ZONE, send_only, since = "2.6")]
        pub(super) zone: ::std::option::Option<u16>,
        /// Wide.
        #[nla(CTA_TIMEOUT)]
        pub(super) timeout: ::std::option::Option<u64>,
        /// The rest.
        #[nla(rest)]
        pub(super) rest: ::std::vec::Vec<library::codec::RawAttribute>,
    }

    /// A choice.
    #[derive(Debug, PartialEq, renamed::Encode, renamed::Decode)]
    #[nla(crate = renamed)]
    pub(super) enum One {
        /// A group.
        Group {
            /// Its first.
            #[nla(CTA_ID)]
            r#type: u8,
            /// Its second.
            #[nla(CTA_SECMARK)]
            r#fn: ::std::option::Option<u8>,
        },
        /// An attribute.
        #[nla(CTA_LABELS)]
        Labels([u8; 2]),
    }

    /// A choice that keeps everything.
    #[derive(Debug, PartialEq, renamed::Encode, renamed::Decode)]
    #[nla(crate = renamed)]
    pub(super) enum Open {
        /// An attribute.
        #[nla(CTA_LABELS)]
        Labels([u8; 2]),
        /// Another.
        #[nla(other)]
        Other(library::codec::RawAttribute),
    }

    /// Nothing of its own.
    #[derive(Debug, PartialEq, renamed::Encode, renamed::Decode)]
    #[nla(crate = renamed)]
    pub(super) struct Flat {
        /// What is sent.
        #[nla(flatten)]
        pub(super) one: One,
        /// Nothing at all.
        #[nla(flatten)]
        pub(super) empty: Empty,
    }

    /// Nothing.
    #[derive(Debug, PartialEq, renamed::Encode, renamed::Decode)]
    #[nla(crate = renamed)]
    pub(super) struct Empty {}

    /// A payload in a new type.
    #[derive(Debug, Clone, Copy, PartialEq, renamed::Encode, renamed::Decode)]
    #[nla(transparent, crate = "renamed")]
    pub(super) struct Wrapped(pub(super) u32);

    /// Another.
    #[derive(Debug, Clone, Copy, PartialEq, renamed::Encode, renamed::Decode)]
    #[nla(transparent, crate = renamed)]
    pub(super) struct Flags(pub(super) u8);
}

/// In a function, from a macro: the type's tokens come from elsewhere than the derive's.
macro_rules! declare {
    ($name:ident, $type:ty, $constant:ident) => {
        #[derive(Debug, PartialEq, renamed::Encode, renamed::Decode)]
        #[nla(crate = renamed)]
        struct $name {
            #[nla($constant)]
            value: $type,
            #[nla(CTA_USE, repeated)]
            many: ::std::vec::Vec<$type>,
        }
    };
}

#[test]
fn it_works_too() {
    use ::std::assert_eq;
    use ::std::option::Option::{None, Some};
    use ::std::result::Result::Ok;
    use declared::{All, Empty, Flags, Flat, One, Open, Wrapped};
    use library::codec::{Mode, decode_with, encode};

    declare!(Local, u32, CTA_MARK);
    let local = Local { value: 7, many: ::std::vec![1, 2] };
    assert_eq!(encode(&local).map(|bytes| decode_with(&bytes, Mode::Strict)), Ok(Ok(local)));

    let all = All {
        mark: 0,
        count: Some(Wrapped(3)),
        address: Some(::std::net::IpAddr::V4(::std::net::Ipv4Addr::LOCALHOST)),
        many: ::std::vec![3, 4],
        numbered: ::std::vec![Flags(5)],
        gaps: ::std::vec![None, Some(1)],
        one: Some(One::Group { r#type: 6, r#fn: None }),
        zone: None,
        timeout: Some(8),
        rest: ::std::vec![],
    };
    assert_eq!(encode(&all).map(|bytes| decode_with(&bytes, Mode::Strict)), Ok(Ok(all)));

    let flat = Flat { one: One::Labels([1, 2]), empty: Empty {} };
    assert_eq!(encode(&flat).map(|bytes| decode_with(&bytes, Mode::Strict)), Ok(Ok(flat)));

    for open in [Open::Labels([1, 2]), Open::Other(library::codec::RawAttribute { kind: 9, payload: ::std::vec![1] })] {
        assert_eq!(encode(&open).map(|bytes| decode_with(&bytes, Mode::Strict)), Ok(Ok(open)));
    }
}
