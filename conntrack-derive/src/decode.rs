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
        Kind::Layout(bytes) => layout(container, bytes.as_deref()),
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
    let (bindings, distinct, schema) = (bindings(container), distinct(container), schema(container));
    let pads = container.pads.iter().map(|pad| {
        let number = &pad.local;
        quote!(#number => {})
    });
    quote! {
        #bindings
        #distinct
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
                match __attribute.number() {
                    #arms
                    #(#pads)*
                    _ => { #otherwise }
                }
                __nla::Ok(true)
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
            quote!(__seen.#name)
        },
        unseen: {
            let name = &slot.name;
            quote!(!__seen.#name)
        },
        is_fixed: true,
    });
    let fields = slots.vacant();
    let in_order = slots.received().map(in_order).collect();
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
        quote!(#seen.push(__nla::From::from(__attribute));)
    });
    let undeclared = rest.unwrap_or_else(|| quote!(return __nla::Ok(false);));
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

/// A field, and what is noted of it while it is decoded.
struct Slot<'a> {
    member: &'a Member,
    name: Ident,
    place: Place,
}

/// Where generated code finds both.
#[derive(Default)]
struct Place {
    /// The field.
    field: TokenStream,
    /// Whether it has come; of a list, what has come.
    seen: TokenStream,
    /// The condition that it has not come.
    unseen: TokenStream,
    /// Whether reaching the field changes nothing, so that it can be reached before it is known that it has come.
    is_fixed: bool,
}

struct Slots<'a> {
    all: Vec<Slot<'a>>,
}

impl<'a> Slots<'a> {
    fn new(members: &'a [Member], place: impl Fn(&Slot<'a>) -> Place) -> Self {
        let slot = |(index, member)| {
            let mut slot = Slot { member, name: format_ident!("f{index}"), place: Place::default() };
            slot.place = place(&slot);
            slot
        };
        Self { all: members.iter().enumerate().map(slot).collect() }
    }

    /// Those that are decoded at all.
    fn received(&self) -> impl Iterator<Item = &Slot<'a>> {
        self.all.iter().filter(|slot| slot.member.direction != Direction::Send)
    }

    /// The struct that notes what has come.
    fn declare(&self, name: &Ident) -> TokenStream {
        let names = self.received().map(|slot| &slot.name);
        let types = self.received().map(|slot| {
            let ty = &slot.member.ty;
            match slot.member.role {
                Role::Attribute(_) | Role::Either(_) => quote!(bool),
                Role::Repeated(_) => {
                    let element = element(ty);
                    quote!(__nla::Vec<#element>)
                }
                Role::Indexed { .. } => {
                    let element = element(ty);
                    quote!(__nla::Vec<(u16, #element)>)
                }
                Role::Flatten => {
                    let value = slot.value();
                    quote_spanned!(at(ty)=> <#value as __nla::Decode>::Seen)
                }
                Role::Rest => quote!(__nla::Vec<__nla::RawAttribute>),
            }
        });
        let defaults = self.received().map(|slot| &slot.name);
        quote! {
            #[doc(hidden)]
            pub struct #name { #(#names: #types),* }

            impl __nla::Default for #name {
                #[inline(always)]
                fn default() -> Self {
                    Self { #(#defaults: __nla::Default::default()),* }
                }
            }
        }
    }

    /// The fields of a value that nobody sees before it is complete.
    fn vacant(&self) -> TokenStream {
        let fields = self.all.iter().map(|slot| {
            let (access, ty) = (&slot.member.access, &slot.member.ty);
            let vacant = match slot.member.role {
                _ if slot.member.direction == Direction::Send => quote!(__nla::Default::default()),
                Role::Attribute(_) | Role::Either(_) | Role::Flatten => {
                    let vacant = quote_spanned!(at(ty)=> <#ty as __nla::DecodeField>::vacant);
                    quote!(#vacant())
                }
                Role::Repeated(_) | Role::Indexed { .. } => quote!(__nla::Vec::new()),
                Role::Rest => rest(ty, &quote!(__nla::Vec::new())),
            };
            quote!(#access: #vacant)
        });
        quote!(#(#fields),*)
    }
}

impl Slot<'_> {
    /// The type of the payload, whether or not it is optional.
    fn value(&self) -> TokenStream {
        value(&self.member.ty)
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
            // Without a payload, it may be padding; an integer cannot be.
            let padding = slot.member.or_padding.then(|| {
                let wire = quote_spanned!(at(ty)=> <#value as __nla::DecodePayload>::WIRE);
                quote!(&& (const { !#wire.can_be_empty() } || !__stream.next_is_empty()))
            });
            if slot.place.is_fixed {
                let decode = quote_spanned!(at(ty)=> <#value as __nla::DecodePayload>::decode_next_at);
                return quote! {
                    if #unseen #padding && #decode(#number, __stream, || &mut #field) {
                        #seen = true;
                    }
                };
            }
            let (next, set) = (next(ty, &value, constant), set(ty));
            quote! {
                if #unseen #padding {
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
fn arms(slot: &Slot<'_>) -> TokenStream {
    let (value, ty, Place { field, seen, .. }) = (slot.value(), &slot.member.ty, &slot.place);
    match &slot.member.role {
        Role::Attribute(constant) => {
            let number = &constant.local;
            let (payload, set) = (decode_payload(ty, &value, constant), set(ty));
            let guard = slot.member.or_padding.then(|| quote!(if !__attribute.payload().is_empty()));
            let padding = slot.member.or_padding.then(|| quote!(#number => {}));
            quote! {
                #number #guard => {
                    let __new = #payload;
                    #set(&mut #field, __new);
                    #seen = true;
                }
                #padding
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
                }
            }
        }
        Role::Indexed { first, last } => {
            let payload = decode_payload(ty, &element(ty), first);
            let (first, last) = (&first.local, &last.local);
            quote! {
                #first..=#last => {
                    let __new = #payload;
                    __nla::replace_element(&mut #seen, __attribute.number(), __new);
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
            __nla::Ok(__payload) => __payload,
            __nla::Err(__error) => return __nla::Err(__error.within(#name)),
        }
    }
}

fn is_empty(slot: &Slot<'_>) -> TokenStream {
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
fn finish(slot: &Slot<'_>) -> TokenStream {
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
        Role::Indexed { .. } => quote!(#field = __nla::elements_in_order(#seen);),
        Role::Repeated(_) => quote!(#field = #seen;),
        Role::Rest => {
            let rest = rest(ty, seen);
            quote!(#field = #rest;)
        }
    }
}

/// Undeclared attributes, as the field has them.
fn rest(ty: &Type, attributes: &TokenStream) -> TokenStream {
    let from = quote_spanned!(at(ty)=> <#ty as __nla::From<__nla::Vec<__nla::RawAttribute>>>::from);
    quote!(#from(#attributes))
}

/// `CTA_IP_V4_SRC or CTA_IP_V6_SRC`
fn join<'a>(constants: impl Iterator<Item = &'a Constant>) -> String {
    constants.map(Constant::name).collect::<Vec<_>>().join(" or ")
}

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

fn choice(container: &Container, alternatives: &[Alternative]) -> TokenStream {
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
            otherwise: otherwise.unwrap_or_else(|| quote!(return __nla::Ok(false);)),
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
            if __nla::matches!(__seen, __Seen::Nothing)
                && #payload_type::decode_next_at(#number, __stream, || {
                    *__value = Self::#variant(#payload_type::vacant());
                    match __value {
                        Self::#variant(__place) => __place,
                        _ => __nla::unreachable!(),
                    }
                })
            {
                *__seen = __Seen::#state;
            }
        });
        self.arms.extend(quote! {
            #number => {
                *__value = Self::#variant(#payload);
                *__seen = __Seen::#state;
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
        let (accesses, names): (Vec<_>, Vec<_>) = slots.all.iter().map(|slot| (&slot.member.access, &slot.name)).unzip();
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
        self.in_order.extend(slots.received().map(in_order));
        self.arms.extend(slots.received().map(arms));
        let finish = Slots::new(members, |slot| {
            let name = &slot.name;
            Place { field: quote!(*#name), seen: quote!(__group.#name), unseen: quote!(!__group.#name), is_fixed: true }
        });
        let finish = finish.received().map(self::finish);
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
            if __nla::matches!(__seen, __Seen::Nothing | __Seen::#state) {
                *__value = Self::#variant(#from(__nla::From::from(__attribute)));
                *__seen = __Seen::#state;
            }
        });
        self.finish.extend(quote!((_, __Seen::#state) => {}));
        self.vacant.get_or_insert_with(|| quote!(Self::#variant(#from(__nla::RawAttribute::vacant()))));
    }
}

fn transparent(container: &Container, ty: &Type) -> TokenStream {
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

fn layout(container: &Container, bytes: Option<&[syn::Member]>) -> TokenStream {
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
