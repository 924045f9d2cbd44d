//! `#[derive(Encode, Decode)]` for structs and enums of netlink attributes.
//!
//! A field names its kernel constant; everything else follows from its type. The crates `conntrack` and
//! `conntrack-spec` re-export both derives beside the traits they implement; use them from there.
//!
//! ```text
//! #[derive(Debug, Encode, Decode)]
//! struct Tuple {
//!     /// Network-layer addresses.
//!     #[nla(CTA_TUPLE_IP)]
//!     ip: TupleIp,                 // derives too, so it is a nest, and required
//!     /// Zone, when it applies to this direction only.
//!     #[nla(CTA_TUPLE_ZONE)]
//!     zone: Option<u16>,           // big-endian; `Native<u16>` would be the host's order
//! }
//! ```
//!
//! The constants of connection tracking are in scope by themselves; those of another protocol are found where the
//! struct stands. Of two with one name the one of connection tracking counts: `self::CTA_MARK` is your own. A misspelt
//! constant and two fields with one number do not compile.
//!
//! # On a field
//!
//! | written | means |
//! |---|---|
//! | `#[nla(CONST)]` | the attribute `CONST`: required, or an `Option` |
//! | `#[nla(CONST as A, OTHER as B)]` | one field, sent as one of several attributes: the field's type is `From<A> + From<B>` and `Choose<A> + Choose<B>` |
//! | `#[nla(CONST, repeated)]` | a `Vec`, with an attribute `CONST` for each element |
//! | `#[nla(FIRST..=LAST)]` | a `Vec`, whose elements are the attributes `FIRST`, `FIRST + 1` …; a gap between them is an error, or a `None` if it is a `Vec<Option<_>>` |
//! | `#[nla(flatten)]` | the attributes of another struct or enum, among this struct's own; it must not have `rest` or `other` |
//! | `#[nla(rest)]` | a `Vec<RawAttribute>` of the attributes that are not declared, kept as they came |
//!
//! and behind a constant
//!
//! | written | means |
//! |---|---|
//! | `send_only` | only encoded; when decoding, it counts as not declared |
//! | `receive_only` | only decoded |
//! | `since = "6.14"` | the kernel that brought it: documentation |
//! | `also_before = CONST` | some messages have it in front of that attribute instead: fast decoding looks for it there too |
//!
//! An attribute without payload, where the type has no empty payload, is padding and skipped: a machine that aligns
//! 64-bit values puts one in front of them, whose number can be that of another attribute.
//!
//! A field that is `send_only` when decoded, or `rest` when nothing is left, takes its `Default`.
//!
//! # On an enum
//!
//! One of its variants is there at a time: `#[nla(CONST)] Variant(Payload)` is an attribute, `Variant { … }` with
//! declared fields is a group of them, `#[nla(other)] Variant(RawAttribute)` keeps what is not declared. If the
//! attributes of several variants are there, the last one counts. A group that is encoded needs a field that is neither
//! an `Option` nor a `Vec`: without attributes it could not be decoded.
//!
//! # On the struct
//!
//! | written | means |
//! |---|---|
//! | `#[nla(transparent)]` | a tuple struct of one payload is that payload |
//! | `#[nla(layout)]` | a C struct, which derives `DekuRead`, `DekuWrite` and `DekuSize` of the crate `deku` and says its byte order: `#[deku(endian = "big")]` |
//! | `#[nla(pad(CONST))]` | an attribute that only aligns the next one |
//! | `#[nla(crate = path)]` | where `conntrack` or `conntrack-spec` is, if not at `::conntrack` |

#![forbid(unsafe_code)]

mod attr;
mod byte_order;
mod check;
mod ctxt;
mod decode;
mod encode;
mod fallback;
mod model;
mod numbers;
mod schema;
mod tokens;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `conntrack::Decode`: see the crate's page for what can be declared.
#[proc_macro_derive(Decode, attributes(nla))]
pub fn derive_decode(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input, decode::expand, fallback::decode).into()
}

/// Implements `conntrack::Encode`: see the crate's page for what can be declared.
#[proc_macro_derive(Encode, attributes(nla))]
pub fn derive_encode(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input, encode::expand, fallback::encode).into()
}

/// Tokens to model to code, or every mistake and a stub that keeps the rest of the user's program compiling.
fn expand(
    input: &DeriveInput,
    code: fn(&model::Container) -> proc_macro2::TokenStream,
    stub: fn(&DeriveInput) -> proc_macro2::TokenStream,
) -> proc_macro2::TokenStream {
    let ctxt = ctxt::Ctxt::new();
    let container = model::Container::from_input(&ctxt, input);
    check::check(&ctxt, &container);
    match ctxt.finish() {
        Ok(()) => code(&container),
        Err(errors) => {
            let stub = stub(input);
            quote::quote!(#errors #stub)
        }
    }
}

#[cfg(test)]
mod tests;
