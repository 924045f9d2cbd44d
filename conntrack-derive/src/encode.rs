//! The model to an `Encode` impl.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use syn::Type;

use crate::model::{AlternativeKind, Container, Direction, Kind, Member, Role};
use crate::tokens::{bindings, scope};

pub(crate) fn expand(container: &Container) -> TokenStream {
    let ident = &container.ident;
    let body = match &container.kind {
        Kind::Transparent(ty) => return scope(container, &transparent(container, ty)),
        Kind::Layout => return scope(container, &layout(container)),
        Kind::Nest(members) => members
            .iter()
            .map(|member| {
                let access = &member.access;
                encode_member(member, &quote!(&self.#access))
            })
            .collect(),
        Kind::Choice(alternatives) => {
            let arms = alternatives.iter().map(|alternative| {
                let variant = &alternative.ident;
                match &alternative.kind {
                    AlternativeKind::Attribute { constant, .. } => {
                        let number = &constant.local;
                        quote!(Self::#variant(__value) => __writer.attribute(#number, __value),)
                    }
                    AlternativeKind::Group(members) => {
                        let accesses = members.iter().map(|member| &member.access);
                        let locals: Vec<_> = (0..members.len()).map(|index| format_ident!("__f{index}")).collect();
                        let writes = members.iter().zip(&locals).map(|(member, local)| encode_member(member, &quote!(#local)));
                        quote!(Self::#variant { #(#accesses: #locals),* } => { #(#writes)* })
                    }
                    AlternativeKind::Other => quote!(Self::#variant(__raw) => __raw.encode(__writer),),
                }
            });
            quote!(match self { #(#arms)* })
        }
    };
    let bindings = bindings(container);
    scope(
        container,
        &quote! {
            #bindings

            #[automatically_derived]
            impl __nla::Encode for #ident {
                #[inline]
                fn encode_attributes(&self, __writer: &mut __nla::Writer<'_>) {
                    #body
                }
            }
        },
    )
}

fn encode_member(member: &Member, place: &TokenStream) -> TokenStream {
    if member.direction == Direction::Receive {
        return TokenStream::new();
    }
    let ty = &member.ty;
    let value = quote!(<#ty as __nla::EncodeField>::value(#place));
    match &member.role {
        Role::Attribute(constant) => {
            let number = &constant.local;
            quote!(if let __nla::Some(__value) = #value { __writer.attribute(#number, __value); })
        }
        Role::Either(either) => {
            let tries = either.iter().map(|(constant, ty)| {
                let number = &constant.local;
                quote! {
                    if let __nla::Some(__one) = __nla::Choose::<#ty>::choose(__value) {
                        __writer.attribute(#number, &__one);
                    }
                }
            });
            quote!(if let __nla::Some(__value) = #value { #(#tries)* })
        }
        Role::Repeated(constant) => {
            let number = &constant.local;
            quote!(for __element in #place { __writer.attribute(#number, __element); })
        }
        Role::Indexed { first, last } => {
            let (first, last) = (&first.local, &last.local);
            quote!(__writer.indexed(#first, #last, #place);)
        }
        Role::Flatten => quote! {
            if let __nla::Some(__value) = #value { __nla::Encode::encode_attributes(__value, __writer); }
        },
        Role::Rest => quote!(for __raw in #place { __raw.encode(__writer); }),
    }
}

fn transparent(container: &Container, ty: &Type) -> TokenStream {
    let ident = &container.ident;
    quote! {
        #[automatically_derived]
        impl __nla::EncodePayload for #ident {
            const NESTED: bool = <#ty as __nla::EncodePayload>::NESTED;
            #[inline(always)]
            fn encode_payload(&self, __writer: &mut __nla::Writer<'_>) {
                __nla::EncodePayload::encode_payload(&self.0, __writer);
            }
        }
    }
}

fn layout(container: &Container) -> TokenStream {
    let ident = &container.ident;
    let name = ident.to_string();
    quote! {
        #[automatically_derived]
        impl __nla::EncodePayload for #ident {
            #[inline]
            fn encode_payload(&self, __writer: &mut __nla::Writer<'_>) {
                __nla::encode_layout(self, #name, __writer);
            }
        }
    }
}
