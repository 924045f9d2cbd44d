//! Pieces of code that both halves generate.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Type};

use crate::model::{Container, Role};

/// Wraps the generated items, so that nothing of them is seen outside and nothing outside changes their meaning.
///
/// The constants of connection tracking are imported by a glob, which a constant of the user's own module with the
/// same name does not disturb.
pub(crate) fn scope(container: &Container, items: &TokenStream) -> TokenStream {
    let krate = &container.krate;
    quote! {
        #[allow(
            clippy::all, clippy::pedantic, clippy::restriction, missing_docs, missing_debug_implementations,
            non_camel_case_types, unreachable_pub, unused_imports, unused_qualifications, unused_variables, unused_mut,
            unreachable_code, unreachable_patterns
        )]
        const _: () = {
            use #krate::__private as __nla;
            use __nla::uapi::*;
            #items
        };
    }
}

/// The place of a field's type, where the compiler is to say that a trait is missing. Names mean there what they mean in
/// the rest of the generated code.
pub(crate) fn at(ty: &Type) -> Span {
    ty.span().resolved_at(Span::call_site())
}

/// The payload's type, whether or not the field is an `Option`.
pub(crate) fn value(ty: &Type) -> TokenStream {
    quote_spanned!(at(ty)=> <#ty as __nla::DecodeField>::Value)
}

/// The payload's type of each element of a list.
pub(crate) fn element(ty: &Type) -> TokenStream {
    quote_spanned!(at(ty)=> <#ty as __nla::List>::Element)
}

/// `const __T0: u16 = CTA_MARK;` for each constant: a name that does not exist is then an error of its own, at the
/// user's token, where a pattern would silently bind anything.
pub(crate) fn bindings(container: &Container) -> TokenStream {
    container
        .constants()
        .map(|constant| {
            let (local, path) = (&constant.local, &constant.path);
            quote_spanned!(path.span()=> const #local: u16 = #path;)
        })
        .collect()
}

/// Compile-time checks that no two declarations have one number, each reported at the second one.
pub(crate) fn distinct(container: &Container) -> TokenStream {
    let mut checks = TokenStream::new();
    let mut before: Vec<(&Ident, &Ident)> = Vec::new();
    let mut flattened: Vec<TokenStream> = Vec::new();
    for member in container.kind.members().into_iter().filter(|member| matches!(member.role, Role::Flatten)) {
        let ty = &member.ty;
        let value = value(ty);
        let schema = quote_spanned!(at(ty)=> <#value as __nla::Decode>::SCHEMA);
        let message = format!("`{}` has an attribute that another flattened struct declares", member.name());
        checks.extend(quote_spanned! {member.span=>
            const _: () = __nla::assert!(__nla::disjoint(#schema, &[#(#flattened),*]), #message);
        });
        flattened.push(schema);
    }
    for numbered in container.numbers() {
        let (first, last) = (&numbered.first.local, &numbered.last.local);
        let message = format!(
            "`{}` has the number of an attribute that another field or a flattened struct declares",
            numbered.first.name()
        );
        let earlier = before.iter().map(|(first, last)| quote!((#first, #last)));
        checks.extend(quote_spanned! {numbered.first.path.span()=>
            const _: () =
                __nla::assert!(__nla::distinct(#first, #last, &[#(#earlier),*], &[#(#flattened),*]), #message);
        });
        before.push((first, last));
    }
    checks
}
