//! Whether a fixed layout says its byte orders.

use proc_macro2::{Ident, TokenTree};
use syn::{Attribute, Fields, Meta, Type};

use crate::ctxt::Ctxt;

/// The types that deku reads in one byte order or another.
const ORDERED: &[&str] = &["u16", "u32", "u64", "u128", "usize", "i16", "i32", "i64", "i128", "isize", "f32", "f64"];

/// Refuses a field of more than one byte for which neither the struct nor the field says `#[deku(endian = "…")]`: deku
/// would take host byte order.
pub(crate) fn byte_orders_are_said(ctxt: &Ctxt, container: &[Attribute], fields: &Fields) {
    if says_endian(container) {
        return;
    }
    for field in fields {
        if let Some(number) = ordered(&field.ty)
            && !says_endian(&field.attrs)
        {
            ctxt.error(
                &field.ty,
                format!(
                    "the byte order of this `{number}` is not said: write `#[deku(endian = \"big\")]`, or \
                    `#[deku(endian = \"NATIVE\")]` for host order, on the field or the struct"
                ),
            );
        }
    }
}

/// The integer or float that a field consists of, if it is one, or an array or a tuple of them.
fn ordered(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .map(|segment| &segment.ident)
            .filter(|ident| ORDERED.iter().any(|ordered| *ident == ordered)),
        Type::Array(array) => ordered(&array.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(ordered),
        _ => None,
    }
}

/// Whether one of these attributes is `#[deku(endian = "…")]`. What else may stand there is for deku to say.
fn says_endian(attrs: &[Attribute]) -> bool {
    attrs.iter().filter(|attr| attr.path().is_ident("deku")).any(|attr| match &attr.meta {
        Meta::List(list) => {
            list.tokens.clone().into_iter().any(|token| matches!(token, TokenTree::Ident(word) if word == "endian"))
        }
        _ => false,
    })
}
