//! The fields of a struct, or of a group of an enum: the code for each.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, Type};

use super::join;
use crate::model::{Constant, Direction, Member, Numbers, Role};
use crate::tokens::{at, code_at, element, element_value, value};

/// A field, and what is noted of it while it is decoded.
pub(super) struct Slot<'a> {
    pub(super) member: &'a Member,
    pub(super) name: Ident,
    pub(super) place: Place,
}

/// Where generated code finds both.
#[derive(Default)]
pub(super) struct Place {
    /// The field.
    pub(super) field: TokenStream,
    /// Whether it has come; of a list, what has come.
    pub(super) seen: TokenStream,
    /// The condition that it has not come.
    pub(super) unseen: TokenStream,
    /// Whether reaching the field changes nothing, so that it can be reached before it is known that it has come.
    pub(super) is_fixed: bool,
}

pub(super) struct Slots<'a> {
    pub(super) all: Vec<Slot<'a>>,
}

impl<'a> Slots<'a> {
    pub(super) fn new(members: &'a [Member], place: impl Fn(&Slot<'a>) -> Place) -> Self {
        let slot = |(index, member)| {
            let mut slot =
                Slot { member, name: format_ident!("__f{index}", span = code_at(&member.ty)), place: Place::default() };
            slot.place = place(&slot);
            slot
        };
        Self { all: members.iter().enumerate().map(slot).collect() }
    }

    /// Those that are decoded at all.
    pub(super) fn received(&self) -> impl Iterator<Item = &Slot<'a>> {
        self.all.iter().filter(|slot| slot.member.direction != Direction::Send)
    }

    /// The struct that notes what has come.
    pub(super) fn declare(&self, name: &Ident) -> TokenStream {
        let names = self.received().map(|slot| &slot.name);
        let types = self.received().map(|slot| {
            let ty = &slot.member.ty;
            match slot.member.role {
                Role::Attribute(_) | Role::Either(_) => quote!(bool),
                Role::Repeated(_) => {
                    let element = element(ty);
                    quote_spanned!(at(ty)=> __nla::Vec<#element>)
                }
                Role::Indexed { .. } => {
                    let element = element_value(ty);
                    quote_spanned!(at(ty)=> __nla::Vec<(u16, #element)>)
                }
                Role::Flatten => {
                    let value = slot.value();
                    quote_spanned!(at(ty)=> <#value as __nla::Decode>::Seen)
                }
                Role::Rest => quote!(__nla::Vec<__nla::RawAttribute>),
            }
        });
        let defaults = self.received().map(|slot| {
            let name = &slot.name;
            let default = quote_spanned!(at(&slot.member.ty)=> __nla::Default::default());
            quote!(#name: #default)
        });
        quote! {
            #[doc(hidden)]
            pub struct #name { #(#names: #types),* }

            impl __nla::Default for #name {
                #[inline(always)]
                fn default() -> Self {
                    Self { #(#defaults),* }
                }
            }
        }
    }

    /// The fields of a value that nobody sees before it is complete.
    pub(super) fn vacant(&self) -> TokenStream {
        let fields = self.all.iter().map(|slot| {
            let (access, ty) = (&slot.member.access, &slot.member.ty);
            let vacant = match slot.member.role {
                _ if slot.member.direction == Direction::Send => {
                    let default = quote_spanned!(at(ty)=> <#ty as __nla::Default>::default);
                    quote!(#default())
                }
                Role::Attribute(_) | Role::Either(_) | Role::Flatten => {
                    let vacant = quote_spanned!(at(ty)=> <#ty as __nla::DecodeField>::vacant);
                    quote!(#vacant())
                }
                Role::Repeated(_) | Role::Indexed { .. } => list(ty, &quote_spanned!(at(ty)=> __nla::Vec::new())),
                Role::Rest => rest(ty, &quote!(__nla::Vec::new())),
            };
            quote!(#access: #vacant)
        });
        quote!(#(#fields),*)
    }
}

impl Slot<'_> {
    /// The type of the payload, whether or not it is optional.
    pub(super) fn value(&self) -> TokenStream {
        value(&self.member.ty)
    }
}

impl Slots<'_> {
    /// Takes from the stream what comes in declaration order, or in the second place that it may have.
    pub(super) fn in_order(&self) -> TokenStream {
        let steps = self.received().flat_map(|slot| {
            let early = self
                .received()
                .filter(|other| other.member.also_before.as_ref().is_some_and(|place| slot.member.declares(place)));
            early.chain(std::iter::once(slot)).map(in_order)
        });
        steps.collect()
    }
}

/// Takes the field from the stream if it comes next.
///
/// What has come already is left to the other path, which replaces it as a whole.
fn in_order(slot: &Slot<'_>) -> TokenStream {
    let (value, ty, Place { field, seen, unseen, .. }) = (slot.value(), &slot.member.ty, &slot.place);
    match &slot.member.role {
        Role::Attribute(constant) => {
            let number = &constant.local;
            if slot.place.is_fixed {
                let decode = quote_spanned!(at(ty)=> <#value as __nla::DecodePayload>::decode_next_at);
                return quote! {
                    if #unseen && #decode(#number, __stream, &mut #field) {
                        #seen = true;
                    }
                };
            }
            let (next, set) = (next(ty, &value, constant), set(ty));
            quote! {
                if #unseen {
                    if let __nla::Some(__new) = #next {
                        #set(&mut #field, __new);
                        #seen = true;
                    }
                }
            }
        }
        Role::Either(either) => either
            .iter()
            .map(|(constant, alternative)| {
                let next = next(ty, &quote!(#alternative), constant);
                let from = quote_spanned!(at(alternative)=> <#value as __nla::From<#alternative>>::from);
                let set = set(ty);
                quote! {
                    if let __nla::Some(__new) = #next {
                        #set(&mut #field, #from(__new));
                        #seen = true;
                    }
                }
            })
            .collect(),
        Role::Repeated(constant) => {
            let next = next(ty, &element(ty), constant);
            quote!(while let __nla::Some(__new) = #next { #seen.push(__new); })
        }
        Role::Flatten => {
            let decode = quote_spanned!(at(ty)=> <#value as __nla::Decode>::decode_in_order);
            let current = quote_spanned!(at(ty)=> <#ty as __nla::DecodeField>::current);
            quote!(#decode(#current(&mut #field), &mut #seen, __stream);)
        }
        // Neither is sent by a kernel often enough to be expected.
        Role::Indexed { .. } | Role::Rest => TokenStream::new(),
    }
}

/// The next attribute's payload of type `value`, if it is attribute `constant`.
fn next(ty: &Type, value: &TokenStream, constant: &Constant) -> TokenStream {
    let number = &constant.local;
    let decode = quote_spanned!(at(ty)=> <#value as __nla::DecodePayload>::decode_next);
    quote!(#decode(#number, __stream))
}

fn set(ty: &Type) -> TokenStream {
    quote_spanned!(at(ty)=> <#ty as __nla::DecodeField>::set)
}

/// The match arms that decode the field wherever it comes.
pub(super) fn arms(slot: &Slot<'_>) -> TokenStream {
    let (value, ty, Place { field, seen, .. }) = (slot.value(), &slot.member.ty, &slot.place);
    match &slot.member.role {
        Role::Attribute(constant) => {
            let number = &constant.local;
            let (payload, set) = (decode_payload(ty, &value, constant), set(ty));
            quote! {
                #number => {
                    let __new = #payload;
                    #set(&mut #field, __new);
                    #seen = true;
                    true
                }
            }
        }
        Role::Either(either) => either
            .iter()
            .map(|(constant, alternative)| {
                let number = &constant.local;
                let payload = decode_payload(ty, &quote!(#alternative), constant);
                let from = quote_spanned!(at(alternative)=> <#value as __nla::From<#alternative>>::from);
                let set = set(ty);
                quote! {
                    #number => {
                        let __new = #from(#payload);
                        #set(&mut #field, __new);
                        #seen = true;
                        true
                    }
                }
            })
            .collect(),
        Role::Repeated(constant) => {
            let number = &constant.local;
            let payload = decode_payload(ty, &element(ty), constant);
            quote! {
                #number => {
                    let __new = #payload;
                    #seen.push(__new);
                    true
                }
            }
        }
        Role::Indexed { first, last } => {
            let payload = decode_payload(ty, &element_value(ty), first);
            let (first, last) = (&first.local, &last.local);
            quote! {
                __number if (#first..=#last).contains(&__number) => {
                    let __new = #payload;
                    __nla::replace_element(&mut #seen, __number, __new);
                    true
                }
            }
        }
        Role::Flatten | Role::Rest => TokenStream::new(),
    }
}

/// The payload of the attribute at hand, as `value`. Padding changes nothing.
pub(super) fn decode_payload(ty: &Type, value: &TokenStream, constant: &Constant) -> TokenStream {
    let name = constant.name();
    let wire = quote_spanned!(at(ty)=> <#value as __nla::DecodePayload>::WIRE);
    let decode = quote_spanned!(at(ty)=> <#value as __nla::DecodePayload>::decode_payload);
    quote! {
        {
            if #wire.is_padding(__attribute.payload()) {
                return __nla::Ok(true);
            }
            #decode(__attribute.payload(), __mode).map_err(|__error| __error.within(#name))?
        }
    }
}

pub(super) fn is_empty(slot: &Slot<'_>) -> TokenStream {
    let (value, Place { seen, unseen, .. }) = (slot.value(), &slot.place);
    match slot.member.role {
        Role::Attribute(_) | Role::Either(_) => quote!(#unseen),
        Role::Flatten => {
            let is_empty = quote_spanned!(at(&slot.member.ty)=> <#value as __nla::Decode>::is_empty);
            quote!(#is_empty(&#seen))
        }
        Role::Repeated(_) | Role::Indexed { .. } | Role::Rest => quote!(#seen.is_empty()),
    }
}

/// Gives the field its final value, or returns what is missing.
pub(super) fn finish(slot: &Slot<'_>) -> TokenStream {
    let (value, ty, Place { field, seen, unseen, .. }) = (slot.value(), &slot.member.ty, &slot.place);
    let required = quote_spanned!(at(ty)=> <#ty as __nla::DecodeField>::REQUIRED);
    match &slot.member.role {
        Role::Attribute(_) | Role::Either(_) => {
            let missing = join(slot.member.numbers().into_iter().flat_map(Numbers::constants));
            quote! {
                if #required && #unseen {
                    return __nla::Err(__nla::missing(#missing));
                }
            }
        }
        Role::Flatten => {
            let is_empty = quote_spanned!(at(ty)=> <#value as __nla::Decode>::is_empty);
            let finish = quote_spanned!(at(ty)=> <#value as __nla::Decode>::finish);
            let field_type = quote_spanned!(at(ty)=> <#ty as __nla::DecodeField>);
            quote! {
                if !#required && #is_empty(&#seen) {
                    #field_type::clear(&mut #field);
                } else {
                    #finish(#field_type::current(&mut #field), #seen)?;
                }
            }
        }
        Role::Indexed { first, .. } => {
            let (name, first) = (first.name(), &first.local);
            let elements = quote_spanned!(code_at(ty)=> __nla::elements_in_order(#seen, #first, #name)?);
            let list = list(ty, &elements);
            quote!(#field = #list;)
        }
        Role::Repeated(_) => {
            let list = list(ty, seen);
            quote!(#field = #list;)
        }
        Role::Rest => {
            let rest = rest(ty, seen);
            quote!(#field = #rest;)
        }
    }
}

/// Elements, as the field has them.
fn list(ty: &Type, elements: &TokenStream) -> TokenStream {
    let from = quote_spanned!(at(ty)=> <#ty as __nla::List>::from_elements);
    quote!(#from(#elements))
}

/// Undeclared attributes, as the field has them.
fn rest(ty: &Type, attributes: &TokenStream) -> TokenStream {
    let from = quote_spanned!(at(ty)=> <#ty as __nla::From<__nla::Vec<__nla::RawAttribute>>>::from);
    quote!(#from(#attributes))
}
