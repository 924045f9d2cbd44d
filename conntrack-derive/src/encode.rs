//! The model to an `Encode` impl.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use syn::Type;
use syn::ext::IdentExt;

use crate::model::{AlternativeKind, Container, Direction, Kind, Member, Role};
use crate::numbers::sent;
use crate::tokens::{at, element, layout_functions, scope};

pub(crate) fn expand(container: &Container) -> TokenStream {
    let ident = &container.ident;
    let body = match &container.kind {
        Kind::Transparent(ty) => return scope(container, &transparent(container, ty)),
        Kind::Layout(span) => return scope(container, &layout(container, *span)),
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
                    AlternativeKind::Attribute { constant, ty, .. } => {
                        let number = &constant.local;
                        let write = quote_spanned!(at(ty)=> __nla::Writer::attribute::<#ty>);
                        quote!(Self::#variant(__value) => #write(__writer, #number, __value),)
                    }
                    AlternativeKind::Group(members) => {
                        let accesses = members.iter().map(|member| &member.access);
                        let locals: Vec<_> = (0..members.len()).map(|index| format_ident!("__f{index}")).collect();
                        let writes =
                            members.iter().zip(&locals).map(|(member, local)| encode_member(member, &quote!(#local)));
                        quote!(Self::#variant { #(#accesses: #locals),* } => { #(#writes)* })
                    }
                    AlternativeKind::Other(ty) => {
                        let raw = raw(&quote!(#ty), ty);
                        quote!(Self::#variant(__raw) => #raw(__raw).encode(__writer),)
                    }
                }
            });
            quote!(match self { #(#arms)* })
        }
    };
    let (numbers, groups) = (sent(container), groups(container));
    scope(
        container,
        &quote! {
            #numbers
            #groups

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

/// A group is known by its attributes, so one of them is always there.
fn groups(container: &Container) -> TokenStream {
    let Kind::Choice(alternatives) = &container.kind else { return TokenStream::new() };
    let groups = alternatives.iter().filter_map(|alternative| match &alternative.kind {
        AlternativeKind::Group(members) => Some((&alternative.ident, members)),
        _ => None,
    });
    groups
        .map(|(ident, members)| {
            let single = members.iter().filter(|member| {
                member.direction == Direction::Both && matches!(member.role, Role::Attribute(_) | Role::Either(_))
            });
            let required = single.map(|member| {
                let ty = &member.ty;
                quote_spanned!(at(ty)=> <#ty as __nla::EncodeField>::REQUIRED)
            });
            let message = format!(
                "all attributes of `{}` may be absent, and nothing tells then that it is this variant: \
                 one has to be required",
                ident.unraw()
            );
            quote_spanned!(ident.span()=> const _: () = __nla::assert!(__nla::any(&[#(#required),*]), #message);)
        })
        .collect()
}

fn encode_member(member: &Member, place: &TokenStream) -> TokenStream {
    if member.direction == Direction::Receive {
        return TokenStream::new();
    }
    let ty = &member.ty;
    let value = quote_spanned!(at(ty)=> <#ty as __nla::EncodeField>::value(#place));
    let elements = quote_spanned!(at(ty)=> <#ty as __nla::List>::elements(#place));
    match &member.role {
        Role::Attribute(constant) => {
            let number = &constant.local;
            quote!(if let __nla::Some(__value) = #value { __writer.attribute(#number, __value); })
        }
        Role::Either(either) => {
            let tries = either.iter().map(|(constant, ty)| {
                let number = &constant.local;
                let choose = quote_spanned!(at(ty)=> __nla::Choose::<#ty>::choose);
                quote! {
                    if let __nla::Some(__one) = #choose(__value) {
                        __writer.attribute(#number, &__one);
                    }
                }
            });
            quote!(if let __nla::Some(__value) = #value { #(#tries)* })
        }
        Role::Repeated(constant) => {
            let number = &constant.local;
            quote!(for __element in #elements { __writer.attribute(#number, __element); })
        }
        Role::Indexed { first, last } => {
            let (first, last) = (&first.local, &last.local);
            quote!(__writer.indexed(#first, #last, #elements);)
        }
        Role::Flatten => {
            let encode = quote_spanned!(at(ty)=> __nla::Encode::encode_attributes);
            quote!(if let __nla::Some(__value) = #value { #encode(__value, __writer); })
        }
        Role::Rest => {
            let raw = raw(&element(ty), ty);
            quote!(for __raw in #elements { #raw(__raw).encode(__writer); })
        }
    }
}

/// The function that makes a `&RawAttribute` of a `&kept`; the compiler complains at `ty` if it is another type.
fn raw(kept: &TokenStream, ty: &Type) -> TokenStream {
    quote_spanned!(at(ty)=> <#kept as __nla::Borrow<__nla::RawAttribute>>::borrow)
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
            #[inline(always)]
            fn encode_attribute(&self, __number: u16, __writer: &mut __nla::Writer<'_>) {
                __nla::EncodePayload::encode_attribute(&self.0, __number, __writer);
            }
        }
    }
}

fn layout(container: &Container, span: Span) -> TokenStream {
    let ident = &container.ident;
    let functions = layout_functions(ident, span);
    quote! {
        #functions

        #[automatically_derived]
        impl __nla::EncodePayload for #ident {
            #[inline]
            fn encode_payload(&self, __writer: &mut __nla::Writer<'_>) {
                (__LAYOUT.append)(self, __writer);
            }
            #[inline(always)]
            fn encode_attribute(&self, __number: u16, __writer: &mut __nla::Writer<'_>) {
                __writer.attribute_of_size::<{ __LAYOUT.size }, { __LAYOUT.space }>(
                    __number,
                    |__payload| (__LAYOUT.write)(self, __payload),
                );
            }
        }
    }
}
