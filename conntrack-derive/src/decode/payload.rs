//! A struct that is a payload.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;
use syn::ext::IdentExt;

use crate::model::Container;

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

pub(super) fn layout(container: &Container) -> TokenStream {
    let ident = &container.ident;
    let name = ident.unraw().to_string();
    quote! {
        #[automatically_derived]
        impl __nla::DecodePayload for #ident {
            const WIRE: __nla::Wire = __nla::Wire::Layout { name: #name, size: __nla::size_of::<#ident>() };

            #[inline(always)]
            fn vacant() -> Self {
                __nla::vacant_layout()
            }

            #[inline]
            fn decode_payload(__payload: &[u8], _: __nla::Mode) -> __nla::Result<Self, __nla::DecodeError> {
                __nla::decode_layout(__payload)
            }

            #[inline(always)]
            fn decode_next(__number: u16, __stream: &mut __nla::Stream<'_>) -> __nla::Option<Self> {
                __nla::decode_layout(__stream.expect::<{ __nla::size_of::<#ident>() }>(__number)?).ok()
            }
        }
    }
}
