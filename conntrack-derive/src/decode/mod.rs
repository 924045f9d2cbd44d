//! The model to a `Decode` impl.

mod choice;
mod payload;
mod slot;

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};

use self::slot::{Place, Slots, arms, finish, is_empty};
use crate::model::{Constant, Container, Kind, Member, Role};
use crate::numbers::received;
use crate::schema::schema;
use crate::tokens::{at, code_at, scope};

pub(crate) fn expand(container: &Container) -> TokenStream {
    let items = match &container.kind {
        Kind::Nest(members) => nest(container, members),
        Kind::Choice(alternatives) => choice::expand(container, alternatives),
        Kind::Transparent(ty) => payload::transparent(container, ty),
        Kind::Layout(span) => payload::layout(container, *span),
    };
    scope(container, &items)
}

/// The parts of an impl that differ between a struct and an enum.
struct Parts {
    seen: TokenStream,
    vacant: TokenStream,
    in_order: TokenStream,
    arms: TokenStream,
    otherwise: TokenStream,
    is_empty: TokenStream,
    finish: TokenStream,
}

fn implement(container: &Container, parts: &Parts) -> TokenStream {
    let ident = &container.ident;
    let Parts { seen, vacant, in_order, arms, otherwise, is_empty, finish } = parts;
    let (numbers, schema) = (received(container), schema(container));
    let pads = container.pads.iter().map(|pad| {
        let number = &pad.local;
        quote!(#number => true,)
    });
    quote! {
        #numbers
        #seen

        #[automatically_derived]
        impl __nla::Decode for #ident {
            const SCHEMA: &'static __nla::Schema = #schema;

            type Seen = __Seen;

            #[inline(always)]
            fn vacant() -> Self {
                #vacant
            }

            #[inline(always)]
            fn decode_in_order(__value: &mut Self, __seen: &mut __Seen, __stream: &mut __nla::Stream<'_>) {
                #in_order
            }

            #[inline]
            fn decode_attribute(
                __value: &mut Self,
                __seen: &mut __Seen,
                __attribute: __nla::Attribute<'_>,
                __mode: __nla::Mode,
            ) -> __nla::Result<bool, __nla::DecodeError> {
                __nla::Ok(match __attribute.number() {
                    #arms
                    #(#pads)*
                    _ => { #otherwise }
                })
            }

            #[inline(always)]
            fn is_empty(__seen: &__Seen) -> bool {
                #is_empty
            }

            #[inline(always)]
            fn finish(__value: &mut Self, __seen: __Seen) -> __nla::Result<(), __nla::DecodeError> {
                #finish
            }
        }
    }
}

fn nest(container: &Container, members: &[Member]) -> TokenStream {
    let slots = Slots::new(members, |slot| Place {
        field: {
            let access = &slot.member.access;
            quote!(__value.#access)
        },
        seen: {
            let name = &slot.name;
            quote_spanned!(code_at(&slot.member.ty)=> __seen.#name)
        },
        unseen: {
            let name = &slot.name;
            quote!(!__seen.#name)
        },
        is_fixed: true,
    });
    let fields = slots.vacant();
    let in_order = slots.in_order();
    let arms = slots.received().map(arms).collect();
    let flattened = slots.received().filter(|slot| matches!(slot.member.role, Role::Flatten)).map(|slot| {
        let (value, ty, Place { field, seen, .. }) = (slot.value(), &slot.member.ty, &slot.place);
        let decode = quote_spanned!(at(ty)=> <#value as __nla::Decode>::decode_attribute);
        let current = quote_spanned!(at(ty)=> <#ty as __nla::DecodeField>::current);
        quote! {
            if #decode(#current(&mut #field), &mut #seen, __attribute, __mode)? {
                return __nla::Ok(true);
            }
        }
    });
    let rest = slots.received().find(|slot| matches!(slot.member.role, Role::Rest)).map(|slot| {
        let seen = &slot.place.seen;
        quote! {
            #seen.push(__nla::From::from(__attribute));
            true
        }
    });
    let undeclared = rest.unwrap_or_else(|| quote!(false));
    let is_empty = slots.received().map(is_empty);
    let finish = slots.received().map(finish);
    implement(
        container,
        &Parts {
            seen: slots.declare(&format_ident!("__Seen")),
            vacant: quote!(Self { #fields }),
            in_order,
            arms,
            otherwise: quote!(#(#flattened)* #undeclared),
            is_empty: quote!(#(#is_empty &&)* true),
            finish: quote!(#(#finish)* __nla::Ok(())),
        },
    )
}

/// `CTA_IP_V4_SRC or CTA_IP_V6_SRC`
fn join<'a>(constants: impl Iterator<Item = &'a Constant>) -> String {
    constants.map(Constant::name).collect::<Vec<_>>().join(" or ")
}
