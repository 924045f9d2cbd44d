//! An enum: one of its variants, whose attributes come.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, Type};

use super::slot::{Place, Slots, arms, decode_payload, finish};
use super::{Parts, implement, join};
use crate::model::{Alternative, AlternativeKind, Constant, Container, Member, Numbers};
use crate::tokens::at;

/// What is collected over the alternatives of an enum.
#[derive(Default)]
struct Choice {
    items: TokenStream,
    states: TokenStream,
    in_order: TokenStream,
    arms: TokenStream,
    otherwise: Option<TokenStream>,
    finish: TokenStream,
    /// A value of the first alternative that is as good as any.
    vacant: Option<TokenStream>,
}

pub(super) fn expand(container: &Container, alternatives: &[Alternative]) -> TokenStream {
    let mut choice = Choice::default();
    for (index, alternative) in alternatives.iter().enumerate() {
        let variant = &alternative.ident;
        let state = format_ident!("V{index}");
        match &alternative.kind {
            AlternativeKind::Attribute { constant, ty, .. } => choice.attribute(variant, &state, constant, ty),
            AlternativeKind::Group(members) => choice.group(container, variant, &state, members),
            AlternativeKind::Other(ty) => choice.other(variant, &state, ty),
        }
    }
    let Choice { items, states, in_order, arms, otherwise, finish, vacant } = choice;
    let missing = join(container.kind.numbers().into_iter().flat_map(Numbers::constants));
    implement(
        container,
        &Parts {
            seen: quote! {
                #[doc(hidden)]
                pub enum __Seen { Nothing, #states }

                impl __nla::Default for __Seen {
                    #[inline(always)]
                    fn default() -> Self {
                        Self::Nothing
                    }
                }

                #items
            },
            // An enum without variants was reported already.
            vacant: vacant.unwrap_or_else(|| quote!(__nla::unreachable!())),
            in_order,
            arms,
            otherwise: otherwise.unwrap_or_else(|| quote!(false)),
            is_empty: quote!(__nla::matches!(__seen, __Seen::Nothing)),
            finish: quote! {
                match (__value, __seen) {
                    #finish
                    _ => return __nla::Err(__nla::missing(#missing)),
                }
                __nla::Ok(())
            },
        },
    )
}

impl Choice {
    /// A variant that is one attribute.
    fn attribute(&mut self, variant: &Ident, state: &Ident, constant: &Constant, ty: &Type) {
        let number = &constant.local;
        let payload = decode_payload(ty, &quote!(#ty), constant);
        let payload_type = quote_spanned!(at(ty)=> <#ty as __nla::DecodePayload>);
        self.states.extend(quote!(#state,));
        self.in_order.extend(quote! {
            if __nla::matches!(__seen, __Seen::Nothing) && __stream.next_is(#number) {
                *__value = Self::#variant(#payload_type::vacant());
                if let Self::#variant(__place) = __value {
                    if #payload_type::decode_next_at(#number, __stream, __place) {
                        *__seen = __Seen::#state;
                    }
                }
            }
        });
        self.arms.extend(quote! {
            #number => {
                *__value = Self::#variant(#payload);
                *__seen = __Seen::#state;
                true
            }
        });
        self.finish.extend(quote!((_, __Seen::#state) => {}));
        self.vacant.get_or_insert_with(|| quote!(Self::#variant(#payload_type::vacant())));
    }

    /// A variant that is several attributes: those of another variant give way to them.
    fn group(&mut self, container: &Container, variant: &Ident, state: &Ident, members: &[Member]) {
        let (ident, function) = (&container.ident, format_ident!("__group_{state}"));
        let name = format_ident!("__Group{state}");
        let slots = Slots::new(members, |slot| {
            let name = &slot.name;
            Place {
                field: quote!(*#function(__value, __seen).0.#name),
                seen: quote!(#function(__value, __seen).1.#name),
                unseen: quote!(!__nla::matches!(__seen, __Seen::#state(__group) if __group.#name)),
                is_fixed: false,
            }
        });
        let fields = slots.vacant();
        let vacant = quote!(#ident::#variant { #fields });
        let (accesses, names): (Vec<_>, Vec<_>) =
            slots.all.iter().map(|slot| (&slot.member.access, &slot.name)).unzip();
        let types = slots.all.iter().map(|slot| &slot.member.ty);
        let places = format_ident!("__Places{state}");
        self.items.extend(slots.declare(&name));
        self.items.extend(quote! {
            #[doc(hidden)]
            pub struct #places<'a> { #(#names: &'a mut #types),* }

            #[inline(always)]
            fn #function<'a>(__value: &'a mut #ident, __seen: &'a mut __Seen) -> (#places<'a>, &'a mut #name) {
                if !__nla::matches!((&*__value, &*__seen), (#ident::#variant { .. }, __Seen::#state(_))) {
                    *__value = #vacant;
                    *__seen = __Seen::#state(__nla::Default::default());
                }
                match (__value, __seen) {
                    (#ident::#variant { #(#accesses: #names),* }, __Seen::#state(__group)) => {
                        (#places { #(#names),* }, __group)
                    }
                    _ => __nla::unreachable!(),
                }
            }
        });
        self.states.extend(quote!(#state(#name),));
        self.in_order.extend(slots.in_order());
        self.arms.extend(slots.received().map(arms));
        let finished = Slots::new(members, |slot| {
            let name = &slot.name;
            Place { field: quote!(*#name), seen: quote!(__group.#name), unseen: quote!(!__group.#name), is_fixed: true }
        });
        let finish = finished.received().map(finish);
        self.finish.extend(quote! {
            (Self::#variant { #(#accesses: #names),* }, __Seen::#state(__group)) => { #(#finish)* }
        });
        self.vacant.get_or_insert(vacant);
    }

    /// The variant for attributes that are not declared.
    fn other(&mut self, variant: &Ident, state: &Ident, ty: &Type) {
        let from = quote_spanned!(at(ty)=> <#ty as __nla::From<__nla::RawAttribute>>::from);
        self.states.extend(quote!(#state,));
        self.otherwise = Some(quote! {
            let __kept = __nla::matches!(__seen, __Seen::Nothing | __Seen::#state);
            if __kept {
                *__value = Self::#variant(#from(__nla::From::from(__attribute)));
                *__seen = __Seen::#state;
            }
            __kept
        });
        self.finish.extend(quote!((_, __Seen::#state) => {}));
        self.vacant.get_or_insert_with(|| quote!(Self::#variant(#from(__nla::RawAttribute::vacant()))));
    }
}
