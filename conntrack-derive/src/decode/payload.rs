//! A struct that is a payload.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Type;
use syn::ext::IdentExt;

use crate::model::Container;
use crate::tokens::layout_functions;

pub(super) fn transparent(container: &Container, ty: &Type) -> TokenStream {
    let ident = &container.ident;
    quote! {
        #[automatically_derived]
        impl __nla::DecodePayload for #ident {
            const WIRE: __nla::Wire = <#ty as __nla::DecodePayload>::WIRE;

            #[inline(always)]
            fn vacant() -> Self {
                Self(<#ty as __nla::DecodePayload>::vacant())
            }

            #[inline(always)]
            fn decode_payload(__payload: &[u8], __mode: __nla::Mode) -> __nla::Result<Self, __nla::DecodeError> {
                __nla::Ok(Self(<#ty as __nla::DecodePayload>::decode_payload(__payload, __mode)?))
            }

            #[inline(always)]
            fn decode_next(__number: u16, __stream: &mut __nla::Stream<'_>) -> __nla::Option<Self> {
                __nla::Some(Self(<#ty as __nla::DecodePayload>::decode_next(__number, __stream)?))
            }
        }
    }
}

pub(super) fn layout(container: &Container, span: Span) -> TokenStream {
    let ident = &container.ident;
    let name = ident.unraw().to_string();
    let functions = layout_functions(ident, span);
    quote! {
        #functions

        #[automatically_derived]
        impl __nla::DecodePayload for #ident {
            const WIRE: __nla::Wire = __nla::Wire::Layout { name: #name, size: __LAYOUT.size };

            #[inline(always)]
            fn vacant() -> Self {
                (__LAYOUT.vacant)()
            }

            #[inline]
            fn decode_payload(__payload: &[u8], _: __nla::Mode) -> __nla::Result<Self, __nla::DecodeError> {
                __nla::Ok((__LAYOUT.read)(__payload)?)
            }

            #[inline(always)]
            fn decode_next(__number: u16, __stream: &mut __nla::Stream<'_>) -> __nla::Option<Self> {
                // What cannot be read is left for the general path to complain of.
                let mut __after = *__stream;
                let __value = (__LAYOUT.read)(__after.expect::<{ __LAYOUT.size }>(__number)?).ok()?;
                *__stream = __after;
                __nla::Some(__value)
            }
        }
    }
}
