//! A struct that is a payload.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Type;

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

pub(super) fn layout(container: &Container, bytes: Option<&[syn::Member]>) -> TokenStream {
    let ident = &container.ident;
    let name = ident.to_string();
    // Bytes have no order: setting up a reader for them takes longer than reading them.
    let (decode, in_order) = match bytes {
        Some(fields) => {
            let (size, bytes) = (fields.len(), (0..fields.len()).map(|index| format_ident!("__b{index}")));
            let bytes: Vec<_> = bytes.collect();
            let value = quote!(Self { #(#fields: #bytes),* });
            let decode = quote! {{
                let [#(#bytes),*] = <[u8; #size] as __nla::DecodePayload>::decode_payload(__payload, __mode)?;
                __nla::Ok(#value)
            }};
            let in_order = quote! {
                #[inline(always)]
                fn decode_next(__number: u16, __stream: &mut __nla::Stream<'_>) -> __nla::Option<Self> {
                    let [#(#bytes),*] = *__stream.expect::<#size>(__number)?;
                    __nla::Some(#value)
                }
            };
            (decode, in_order)
        }
        None => (quote!(__nla::decode_layout(__payload, #name, __nla::size_of::<#ident>())), TokenStream::new()),
    };
    quote! {
        #[automatically_derived]
        impl __nla::DecodePayload for #ident {
            const WIRE: __nla::Wire = __nla::Wire::Layout { name: #name, size: __nla::size_of::<#ident>() };

            #[inline(always)]
            fn vacant() -> Self {
                __nla::Default::default()
            }

            #[inline]
            fn decode_payload(__payload: &[u8], __mode: __nla::Mode) -> __nla::Result<Self, __nla::DecodeError> {
                #decode
            }

            #in_order
        }
    }
}
