//! The kernel constants that a declaration names: bound to names of its own, and compared while it is compiled.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Ident;
use syn::spanned::Spanned;

use crate::model::{Container, Member, Role};
use crate::tokens::{at, value};

/// The constants for a struct or enum that is encoded.
pub(crate) fn sent(container: &Container) -> TokenStream {
    numbers(container, &[])
}

/// The constants for a struct or enum that is decoded, which knows those of flattened structs too.
pub(crate) fn received(container: &Container) -> TokenStream {
    let mut checks = TokenStream::new();
    let mut flattened = Vec::new();
    for member in container.kind.members().into_iter().filter(|member| matches!(member.role, Role::Flatten)) {
        let ty = &member.ty;
        let value = value(ty);
        let schema = quote_spanned!(at(ty)=> <#value as __nla::Decode>::SCHEMA);
        let message = format!("`{}` has an attribute that another flattened struct declares", member.name());
        checks.extend(quote_spanned! {member.span=>
            const _: () = __nla::assert!(__nla::disjoint(#schema, &[#(#flattened),*]), #message);
        });
        checks.extend(flattened_alone(member, &schema));
        flattened.push(schema);
    }
    let numbers = numbers(container, &flattened);
    quote!(#numbers #checks)
}

/// What a flattened struct may not do, because its attributes stand among those of others.
fn flattened_alone(member: &Member, schema: &TokenStream) -> TokenStream {
    let name = member.name();
    let keeps = format!(
        "`{name}` keeps attributes that are not declared, among them those of this struct: \
         keep them in this struct, with `#[nla(rest)]`"
    );
    let is_empty = format!(
        "`{name}` is an `Option` of a struct of which everything may be absent: \
         `Some` of nothing and `None` have the same attributes. Flatten the struct itself"
    );
    let ty = &member.ty;
    let required = quote_spanned!(at(ty)=> <#ty as __nla::DecodeField>::REQUIRED);
    quote_spanned! {member.span=>
        const _: () = __nla::assert!(!#schema.keeps_undeclared, #keeps);
        const _: () = __nla::assert!(#required || __nla::is_never_empty(#schema), #is_empty);
    }
}

/// What both derives say of a mistake in the same words at the same place, the compiler prints once.
fn numbers(container: &Container, flattened: &[TokenStream]) -> TokenStream {
    let mut items = bindings(container);
    let mut before: Vec<(&Ident, &Ident)> = Vec::new();
    for numbered in container.numbers() {
        let (first, last) = (&numbered.first.local, &numbered.last.local);
        let name = numbered.first.name();
        if first != last {
            let message = format!("the range from `{name}` to `{}` is empty", numbered.last.name());
            items.extend(quote_spanned! {numbered.first.path.span()=>
                const _: () = __nla::assert!(#first <= #last, #message);
            });
        }
        let message =
            format!("`{name}` has the number of an attribute that another field or a flattened struct declares");
        let earlier = before.iter().map(|(first, last)| quote!((#first, #last)));
        items.extend(quote_spanned! {numbered.first.path.span()=>
            const _: () =
                __nla::assert!(__nla::distinct(#first, #last, &[#(#earlier),*], &[#(#flattened),*]), #message);
        });
        before.push((first, last));
    }
    items
}

/// `const __T0: u16 = CTA_MARK;` for each constant: a name that does not exist is then an error of its own, at the
/// user's token, where a pattern would silently bind anything.
fn bindings(container: &Container) -> TokenStream {
    container
        .constants()
        .map(|constant| {
            let (local, path) = (&constant.local, &constant.path);
            let message = format!("`{}` is no attribute's number, which has 14 bits", constant.name());
            quote_spanned! {path.span()=>
                const #local: u16 = #path;
                const _: () = __nla::assert!(#local <= __nla::NLA_TYPE_MASK, #message);
            }
        })
        .collect()
}
