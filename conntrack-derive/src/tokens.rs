//! Pieces of code that both halves generate.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::model::Container;

/// Wraps the generated items, so that nothing of them is seen outside and nothing outside changes their meaning.
///
/// The constants of connection tracking are imported by a glob, which a constant of the user's own module with the
/// same name does not disturb.
///
/// Lints do not look at generated code, but for the paths that stand at the user's types. What is allowed here cannot be
/// forbidden around it, so it is only the one that they would trip.
pub(crate) fn scope(container: &Container, items: &TokenStream) -> TokenStream {
    let krate = &container.krate;
    quote! {
        #[allow(unused_qualifications)]
        const _: () = {
            use #krate::__private as __nla;
            use __nla::numbers::*;
            #items
        };
    }
}

/// The place of a field's type, where the compiler is to say that a trait is missing: for paths, which mean the same
/// wherever they stand. What is wrong in several of them is then one mistake at one place, and printed once.
pub(crate) fn at(ty: &Type) -> Span {
    ty.span()
}

/// The same place for code with variables, whose names mean there what they mean in the rest of the generated code.
pub(crate) fn code_at(ty: &Type) -> Span {
    ty.span().resolved_at(Span::call_site())
}

/// The payload's type, whether or not the field is an `Option`.
pub(crate) fn value(ty: &Type) -> TokenStream {
    quote_spanned!(at(ty)=> <#ty as __nla::DecodeField>::Value)
}

/// The payload's type of each element of a list, whether or not the elements are `Option`s.
pub(crate) fn element_value(ty: &Type) -> TokenStream {
    let element = element(ty);
    quote_spanned!(at(ty)=> <#element as __nla::DecodeField>::Value)
}

/// The type of each element of a list.
pub(crate) fn element(ty: &Type) -> TokenStream {
    quote_spanned!(at(ty)=> <#ty as __nla::List>::Element)
}

/// The constant `__LAYOUT`: the functions of the fixed layout `ident`.
///
/// Nothing else says that the type has to be one, and it says so at the word `layout`: one mistake at one place.
pub(crate) fn layout_functions(ident: &Ident, span: Span) -> TokenStream {
    let mut there = ident.clone();
    there.set_span(ident.span().located_at(span));
    quote! {
        const __LAYOUT: __nla::LayoutFunctions<#ident> = __nla::layout_functions::<#there>();
    }
}
