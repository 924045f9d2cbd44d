//! A stub impl for a declaration with mistakes, so that one mistake yields one message.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use crate::attr::ContainerAttr;
use crate::ctxt::Ctxt;

pub(crate) fn decode(input: &DeriveInput) -> TokenStream {
    let items = quote! {
        const SCHEMA: &'static __nla::Schema =
            &__nla::Schema { name: "", doc: "", entries: &[], choice: __nla::None, keeps_undeclared: false };
        type Seen = ();
        fn vacant() -> Self {
            __nla::unreachable!()
        }
        fn decode_in_order(_: &mut Self, _: &mut (), _: &mut __nla::Stream<'_>) {}
        fn decode_attribute(
            _: &mut Self,
            _: &mut (),
            _: __nla::Attribute<'_>,
            _: __nla::Mode,
        ) -> __nla::Result<bool, __nla::DecodeError> {
            __nla::unreachable!()
        }
        fn is_empty(_: &()) -> bool {
            __nla::unreachable!()
        }
        fn finish(_: &mut Self, _: ()) -> __nla::Result<(), __nla::DecodeError> {
            __nla::unreachable!()
        }
    };
    stub(input, &quote!(Decode), &items)
}

pub(crate) fn encode(input: &DeriveInput) -> TokenStream {
    let items = quote! {
        fn encode_attributes(&self, _: &mut __nla::Writer<'_>) {
            __nla::unreachable!()
        }
    };
    stub(input, &quote!(Encode), &items)
}

fn stub(input: &DeriveInput, implemented: &TokenStream, items: &TokenStream) -> TokenStream {
    let krate = krate(input);
    let ident = &input.ident;
    let (generics, types, bounds) = input.generics.split_for_impl();
    quote! {
        const _: () = {
            use #krate::__private as __nla;

            #[automatically_derived]
            impl #generics __nla::#implemented for #ident #types #bounds {
                #items
            }
        };
    }
}

fn krate(input: &DeriveInput) -> syn::Path {
    let ctxt = Ctxt::new();
    let attr = ContainerAttr::from_attrs(&ctxt, &input.attrs);
    // Reported already, by the first reading.
    drop(ctxt.finish());
    attr.krate.unwrap_or_else(|| syn::parse_quote!(::conntrack))
}
