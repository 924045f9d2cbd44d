//! The model to a `Decode` impl.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, Type};

use crate::model::{Alternative, AlternativeKind, Constant, Container, Direction, Kind, Member, Numbers, Role};
use crate::schema::schema;
use crate::tokens::{at, bindings, distinct, element, scope, value};

pub(crate) fn expand(container: &Container) -> TokenStream {
    let items = match &container.kind {
        Kind::Nest(members) => nest(container, members),
        Kind::Choice(alternatives) => choice(container, alternatives),
        Kind::Transparent(ty) => transparent(container, ty),
        Kind::Layout => layout(container),
    };
    scope(container, &items)
}

/// The parts of an impl that differ between a struct and an enum.
struct Parts {
    partial: TokenStream,
    in_order: TokenStream,
    arms: TokenStream,
    otherwise: TokenStream,
    is_empty: TokenStream,
    finish: TokenStream,
}

fn implement(container: &Container, parts: &Parts) -> TokenStream {
    let ident = &container.ident;
    let Parts { partial, in_order, arms, otherwise, is_empty, finish } = parts;
    let (bindings, distinct, schema) = (bindings(container), distinct(container), schema(container));
    let pads = container.pads.iter().map(|pad| {
        let number = &pad.local;
        quote!(#number => {})
    });
    quote! {
        #bindings
        #distinct
        #partial

        #[automatically_derived]
        impl __nla::Decode for #ident {
            const SCHEMA: &'static __nla::Schema = #schema;

            type Partial = __Partial;

            #[inline(always)]
            fn decode_in_order(__partial: &mut __Partial, __stream: &mut __nla::Stream<'_>) {
                #in_order
            }

            #[inline]
            fn decode_attribute(
                __partial: &mut __Partial,
                __attribute: __nla::Attribute<'_>,
                __mode: __nla::Mode,
            ) -> __nla::Result<bool, __nla::DecodeError> {
                match __attribute.number() {
                    #arms
                    #(#pads)*
                    _ => { #otherwise }
                }
                __nla::Ok(true)
            }

            #[inline(always)]
            fn is_empty(__partial: &__Partial) -> bool {
                #is_empty
            }

            #[inline(always)]
            fn finish(__partial: __Partial) -> __nla::Result<Self, __nla::DecodeError> {
                #finish
            }
        }
    }
}

fn nest(container: &Container, members: &[Member]) -> TokenStream {
    let slots = Slots::new(members);
    let place = quote!(__partial);
    let partial = slots.declare(&format_ident!("__Partial"));
    let in_order = slots.received().map(|slot| in_order(slot, &place)).collect();
    let arms = slots.received().map(|slot| arms(slot, &place)).collect();
    let flattened = slots.received().filter(|slot| matches!(slot.member.role, Role::Flatten)).map(|slot| {
        let (value, name) = (slot.value(), &slot.name);
        let decode = quote_spanned!(at(&slot.member.ty)=> <#value as __nla::Decode>::decode_attribute);
        quote! {
            if #decode(&mut __partial.#name, __attribute, __mode)? {
                return __nla::Ok(true);
            }
        }
    });
    let rest = slots.received().find(|slot| matches!(slot.member.role, Role::Rest)).map(|slot| {
        let name = &slot.name;
        quote! {
            __partial.#name.push(__nla::From::from(__attribute));
        }
    });
    let undeclared = rest.unwrap_or_else(|| quote!(return __nla::Ok(false);));
    let is_empty = slots.received().map(is_empty);
    let fields = slots.all.iter().map(|slot| {
        let access = &slot.member.access;
        let value = finish(slot, &place);
        quote!(#access: #value)
    });
    implement(
        container,
        &Parts {
            partial,
            in_order,
            arms,
            otherwise: quote!(#(#flattened)* #undeclared),
            is_empty: quote!(#(#is_empty &&)* true),
            finish: quote!(__nla::Ok(Self { #(#fields),* })),
        },
    )
}

/// A field and the place where its value is collected.
struct Slot<'a> {
    member: &'a Member,
    name: Ident,
}

struct Slots<'a> {
    all: Vec<Slot<'a>>,
}

impl<'a> Slots<'a> {
    fn new(members: &'a [Member]) -> Self {
        let slot = |(index, member)| Slot { member, name: format_ident!("f{index}") };
        Self { all: members.iter().enumerate().map(slot).collect() }
    }

    /// Those that are decoded at all.
    fn received(&self) -> impl Iterator<Item = &Slot<'a>> {
        self.all.iter().filter(|slot| slot.member.direction != Direction::Send)
    }

    /// The struct that collects them.
    fn declare(&self, name: &Ident) -> TokenStream {
        let names: Vec<_> = self.received().map(|slot| &slot.name).collect();
        let types = self.received().map(|slot| {
            let (value, ty) = (slot.value(), &slot.member.ty);
            match slot.member.role {
                Role::Attribute(_) | Role::Either(_) => quote!(__nla::Option<#value>),
                Role::Repeated(_) => {
                    let element = element(ty);
                    quote!(__nla::Vec<#element>)
                }
                Role::Indexed { .. } => {
                    let element = element(ty);
                    quote!(__nla::Vec<(u16, #element)>)
                }
                Role::Flatten => quote_spanned!(at(ty)=> <#value as __nla::Decode>::Partial),
                Role::Rest => quote!(__nla::Vec<__nla::RawAttribute>),
            }
        });
        quote! {
            #[doc(hidden)]
            pub struct #name { #(#names: #types),* }

            impl __nla::Default for #name {
                #[inline(always)]
                fn default() -> Self {
                    Self { #(#names: __nla::Default::default()),* }
                }
            }
        }
    }
}

impl Slot<'_> {
    /// The type of the payload, whether or not it is optional.
    fn value(&self) -> TokenStream {
        value(&self.member.ty)
    }
}

/// Takes the field from the stream if it comes next.
fn in_order(slot: &Slot<'_>, place: &TokenStream) -> TokenStream {
    let (name, value, ty) = (&slot.name, slot.value(), &slot.member.ty);
    match &slot.member.role {
        Role::Attribute(constant) => {
            let next = next(ty, &value, constant);
            let take = quote!(if let __nla::Some(__value) = #next { #place.#name = __nla::Some(__value); });
            if slot.member.or_padding {
                // The compiler knows the first half; for an integer, nothing is left of the condition.
                let wire = quote_spanned!(at(ty)=> <#value as __nla::DecodePayload>::WIRE);
                quote! {
                    if !#wire.can_be_empty() || !__stream.next_is_empty() {
                        #take
                    }
                }
            } else {
                take
            }
        }
        Role::Either(either) => either
            .iter()
            .map(|(constant, ty)| {
                let next = next(ty, &quote!(#ty), constant);
                let from = quote_spanned!(at(ty)=> <#value as __nla::From<#ty>>::from);
                quote!(if let __nla::Some(__value) = #next { #place.#name = __nla::Some(#from(__value)); })
            })
            .collect(),
        Role::Repeated(constant) => {
            let next = next(ty, &element(ty), constant);
            quote!(while let __nla::Some(__value) = #next { #place.#name.push(__value); })
        }
        Role::Flatten => {
            let decode = quote_spanned!(at(ty)=> <#value as __nla::Decode>::decode_in_order);
            quote!(#decode(&mut #place.#name, __stream);)
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

/// The match arms that decode the field wherever it comes.
fn arms(slot: &Slot<'_>, place: &TokenStream) -> TokenStream {
    let (name, value, ty) = (&slot.name, slot.value(), &slot.member.ty);
    match &slot.member.role {
        Role::Attribute(constant) => {
            let number = &constant.local;
            let payload = decode_payload(ty, &value, constant);
            let guard = slot.member.or_padding.then(|| quote!(if !__attribute.payload().is_empty()));
            let padding = slot.member.or_padding.then(|| quote!(#number => {}));
            quote!(#number #guard => #place.#name = __nla::Some(#payload), #padding)
        }
        Role::Either(either) => either
            .iter()
            .map(|(constant, ty)| {
                let number = &constant.local;
                let payload = decode_payload(ty, &quote!(#ty), constant);
                let from = quote_spanned!(at(ty)=> <#value as __nla::From<#ty>>::from);
                quote!(#number => #place.#name = __nla::Some(#from(#payload)),)
            })
            .collect(),
        Role::Repeated(constant) => {
            let number = &constant.local;
            let payload = decode_payload(ty, &element(ty), constant);
            quote!(#number => #place.#name.push(#payload),)
        }
        Role::Indexed { first, last } => {
            let payload = decode_payload(ty, &element(ty), first);
            let (first, last) = (&first.local, &last.local);
            quote! {
                #first..=#last => {
                    let __element = #payload;
                    __nla::replace_element(&mut #place.#name, __attribute.number(), __element);
                }
            }
        }
        Role::Flatten | Role::Rest => TokenStream::new(),
    }
}

fn decode_payload(ty: &Type, value: &TokenStream, constant: &Constant) -> TokenStream {
    let name = constant.name();
    let decode = quote_spanned!(at(ty)=> <#value as __nla::DecodePayload>::decode_payload);
    quote! {
        match #decode(__attribute.payload(), __mode) {
            __nla::Ok(__value) => __value,
            __nla::Err(__error) => return __nla::Err(__error.within(#name)),
        }
    }
}

fn is_empty(slot: &Slot<'_>) -> TokenStream {
    let (name, value) = (&slot.name, slot.value());
    match slot.member.role {
        Role::Attribute(_) | Role::Either(_) => quote!(__partial.#name.is_none()),
        Role::Flatten => {
            let is_empty = quote_spanned!(at(&slot.member.ty)=> <#value as __nla::Decode>::is_empty);
            quote!(#is_empty(&__partial.#name))
        }
        Role::Repeated(_) | Role::Indexed { .. } | Role::Rest => quote!(__partial.#name.is_empty()),
    }
}

/// The field's final value, or a return that says what is missing.
fn finish(slot: &Slot<'_>, place: &TokenStream) -> TokenStream {
    let (name, value, ty) = (&slot.name, slot.value(), &slot.member.ty);
    if slot.member.direction == Direction::Send {
        return quote!(__nla::Default::default());
    }
    let from_slot = quote_spanned!(at(ty)=> <#ty as __nla::DecodeField>::from_slot);
    match &slot.member.role {
        Role::Attribute(_) | Role::Either(_) => {
            let missing = join(slot.member.numbers().into_iter().flat_map(Numbers::constants));
            quote! {
                match #from_slot(#place.#name) {
                    __nla::Some(__value) => __value,
                    __nla::None => return __nla::Err(__nla::missing(#missing)),
                }
            }
        }
        Role::Flatten => {
            let required = quote_spanned!(at(ty)=> <#ty as __nla::DecodeField>::REQUIRED);
            let is_empty = quote_spanned!(at(ty)=> <#value as __nla::Decode>::is_empty);
            let finish = quote_spanned!(at(ty)=> <#value as __nla::Decode>::finish);
            quote! {{
                let __slot = if !#required && #is_empty(&#place.#name) {
                    __nla::None
                } else {
                    __nla::Some(#finish(#place.#name)?)
                };
                match #from_slot(__slot) {
                    __nla::Some(__value) => __value,
                    __nla::None => return __nla::Err(__nla::missing("")),
                }
            }}
        }
        Role::Indexed { .. } => quote!(__nla::elements_in_order(#place.#name)),
        Role::Repeated(_) => quote!(#place.#name),
        Role::Rest => {
            let from = quote_spanned!(at(ty)=> <#ty as __nla::From<__nla::Vec<__nla::RawAttribute>>>::from);
            quote!(#from(#place.#name))
        }
    }
}

/// `CTA_IP_V4_SRC or CTA_IP_V6_SRC`
fn join<'a>(constants: impl Iterator<Item = &'a Constant>) -> String {
    constants.map(Constant::name).collect::<Vec<_>>().join(" or ")
}

fn choice(container: &Container, alternatives: &[Alternative]) -> TokenStream {
    let mut partial = TokenStream::new();
    let mut variants = TokenStream::new();
    let mut parts = (TokenStream::new(), TokenStream::new(), TokenStream::new());
    let (in_order_code, arm_code, finish_code) = (&mut parts.0, &mut parts.1, &mut parts.2);
    let mut otherwise = quote!(return __nla::Ok(false););
    for (index, alternative) in alternatives.iter().enumerate() {
        let variant = &alternative.ident;
        let state = format_ident!("V{index}");
        match &alternative.kind {
            AlternativeKind::Attribute { constant, ty, .. } => {
                let number = &constant.local;
                let payload = decode_payload(ty, &quote!(#ty), constant);
                variants.extend(quote!(#state(#ty),));
                let next = next(ty, &quote!(#ty), constant);
                in_order_code.extend(quote! {
                    if let __nla::Some(__value) = #next { *__partial = __Partial::#state(__value); }
                });
                arm_code.extend(quote!(#number => *__partial = __Partial::#state(#payload),));
                finish_code.extend(quote!(__Partial::#state(__value) => __nla::Ok(Self::#variant(__value)),));
            }
            AlternativeKind::Group(members) => {
                let slots = Slots::new(members);
                let name = format_ident!("__Group{index}");
                partial.extend(slots.declare(&name));
                variants.extend(quote!(#state(#name),));
                // Attributes of another variant give way to those of this one.
                partial.extend(quote! {
                    impl #name {
                        #[inline(always)]
                        fn of(__partial: &mut __Partial) -> &mut Self {
                            if !__nla::matches!(__partial, __Partial::#state(_)) {
                                *__partial = __Partial::#state(<Self as __nla::Default>::default());
                            }
                            match __partial {
                                __Partial::#state(__group) => __group,
                                _ => __nla::unreachable!(),
                            }
                        }
                    }
                });
                let place = quote!(#name::of(__partial));
                in_order_code.extend(slots.received().map(|slot| in_order(slot, &place)));
                arm_code.extend(slots.received().map(|slot| arms(slot, &place)));
                let group = quote!(__group);
                let fields = slots.all.iter().map(|slot| {
                    let access = &slot.member.access;
                    let value = finish(slot, &group);
                    quote!(#access: #value)
                });
                finish_code.extend(quote!(__Partial::#state(__group) => __nla::Ok(Self::#variant { #(#fields),* }),));
            }
            AlternativeKind::Other(ty) => {
                let from = quote_spanned!(at(ty)=> <#ty as __nla::From<__nla::RawAttribute>>::from);
                variants.extend(quote!(#state(__nla::RawAttribute),));
                otherwise = quote! {
                    if __nla::matches!(__partial, __Partial::Nothing | __Partial::#state(_)) {
                        *__partial = __Partial::#state(__nla::From::from(__attribute));
                    }
                };
                finish_code.extend(quote!(__Partial::#state(__raw) => __nla::Ok(Self::#variant(#from(__raw))),));
            }
        }
    }
    let missing = join(container.kind.numbers().into_iter().flat_map(Numbers::constants));
    partial.extend(quote! {
        #[doc(hidden)]
        pub enum __Partial { Nothing, #variants }

        impl __nla::Default for __Partial {
            #[inline(always)]
            fn default() -> Self {
                Self::Nothing
            }
        }
    });
    let (in_order, arms, finish) = parts;
    implement(
        container,
        &Parts {
            partial,
            in_order,
            arms,
            otherwise,
            is_empty: quote!(__nla::matches!(__partial, __Partial::Nothing)),
            finish: quote! {
                match __partial {
                    #finish
                    __Partial::Nothing => __nla::Err(__nla::missing(#missing)),
                }
            },
        },
    )
}

fn transparent(container: &Container, ty: &Type) -> TokenStream {
    let ident = &container.ident;
    quote! {
        #[automatically_derived]
        impl __nla::DecodePayload for #ident {
            const WIRE: __nla::Wire = <#ty as __nla::DecodePayload>::WIRE;

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

fn layout(container: &Container) -> TokenStream {
    let ident = &container.ident;
    let name = ident.to_string();
    quote! {
        #[automatically_derived]
        impl __nla::DecodePayload for #ident {
            const WIRE: __nla::Wire = __nla::Wire::Layout { name: #name, size: __nla::size_of::<#ident>() };

            #[inline]
            fn decode_payload(__payload: &[u8], _: __nla::Mode) -> __nla::Result<Self, __nla::DecodeError> {
                __nla::decode_layout(__payload, #name, __nla::size_of::<#ident>())
            }
        }
    }
}
