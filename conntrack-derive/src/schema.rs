//! The declaration as data.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;

use crate::model::{AlternativeKind, Constant, Container, Direction, Kind, Member, Role};
use crate::tokens::{at, element, element_value, value};

/// The value of `Decode::SCHEMA`.
pub(crate) fn schema(container: &Container) -> TokenStream {
    let name = container.ident.unraw().to_string();
    let doc = &container.doc;
    let choice = if matches!(container.kind, Kind::Choice(_)) {
        quote!(__nla::Some(__nla::Choice::LastInRun))
    } else {
        quote!(__nla::None)
    };
    let keeps_undeclared = match &container.kind {
        Kind::Nest(members) => members.iter().any(|member| matches!(member.role, Role::Rest)),
        Kind::Choice(alternatives) => alternatives.iter().any(|one| matches!(one.kind, AlternativeKind::Other(_))),
        Kind::Transparent(_) | Kind::Layout(_) => false,
    };
    let mut entries: Vec<TokenStream> = match &container.kind {
        Kind::Nest(members) => members.iter().flat_map(|member| member_entries(member, "")).collect(),
        Kind::Choice(alternatives) => alternatives
            .iter()
            .flat_map(|alternative| match &alternative.kind {
                AlternativeKind::Attribute { constant, ty, since } => {
                    let wire = wire(ty, &quote!(#ty));
                    let entry = Entry {
                        constant,
                        field: alternative.ident.unraw().to_string(),
                        wire,
                        doc: &alternative.doc,
                        since: since.as_ref(),
                        ..Entry::new(constant)
                    };
                    vec![entry.tokens()]
                }
                AlternativeKind::Group(members) => members
                    .iter()
                    .flat_map(|member| member_entries(member, &format!("{}.", alternative.ident.unraw())))
                    .collect(),
                AlternativeKind::Other(_) => Vec::new(),
            })
            .collect(),
        Kind::Transparent(_) | Kind::Layout(_) => Vec::new(),
    };
    entries.extend(
        container.pads.iter().map(|pad| Entry { wire: quote!(__nla::Wire::Padding), ..Entry::new(pad) }.tokens()),
    );
    quote! {
        &__nla::Schema {
            name: #name,
            doc: #doc,
            entries: &[#(#entries),*],
            choice: #choice,
            keeps_undeclared: #keeps_undeclared,
        }
    }
}

/// The entries of one field; `owner` is the variant it stands in, with a dot.
fn member_entries(member: &Member, owner: &str) -> Vec<TokenStream> {
    let ty = &member.ty;
    let field = format!("{owner}{}", member.name());
    let value = value(ty);
    let required = quote_spanned!(at(ty)=> <#ty as __nla::DecodeField>::REQUIRED);
    let entry = |constant, wire| Entry {
        field: field.clone(),
        wire,
        doc: &member.doc,
        since: member.since.as_ref(),
        direction: member.direction,
        ..Entry::new(constant)
    };
    match &member.role {
        Role::Attribute(constant) => vec![Entry { required, ..entry(constant, wire(ty, &value)) }.tokens()],
        Role::Either(either) => either
            .iter()
            .map(|(constant, one)| {
                Entry { required: required.clone(), ..entry(constant, wire(one, &quote!(#one))) }.tokens()
            })
            .collect(),
        Role::Repeated(constant) => {
            vec![Entry { repeated: true, ..entry(constant, wire(ty, &element(ty))) }.tokens()]
        }
        Role::Indexed { first, last } => {
            vec![Entry { last: Some(last), ..entry(first, wire(ty, &element_value(ty))) }.tokens()]
        }
        Role::Flatten => {
            let schema = quote_spanned!(at(ty)=> <#value as __nla::Decode>::SCHEMA);
            vec![quote!(__nla::Entry::Flatten { field: #field, schema: #schema, required: #required })]
        }
        Role::Rest => Vec::new(),
    }
}

/// What the payload of type `value` is, as data.
fn wire(ty: &Type, value: &TokenStream) -> TokenStream {
    quote_spanned!(at(ty)=> <#value as __nla::DecodePayload>::WIRE)
}

struct Entry<'a> {
    constant: &'a Constant,
    last: Option<&'a Constant>,
    field: String,
    wire: TokenStream,
    required: TokenStream,
    repeated: bool,
    direction: Direction,
    since: Option<&'a syn::LitStr>,
    doc: &'a str,
}

impl<'a> Entry<'a> {
    fn new(constant: &'a Constant) -> Self {
        Self {
            constant,
            last: None,
            field: String::new(),
            wire: TokenStream::new(),
            required: quote!(false),
            repeated: false,
            direction: Direction::Both,
            since: None,
            doc: "",
        }
    }

    fn tokens(&self) -> TokenStream {
        let Self { constant, field, wire, required, repeated, doc, .. } = self;
        let (kernel, number) = (constant.name(), &constant.local);
        let last = option(self.last.map(|last| &last.local));
        let since = option(self.since);
        let direction = match self.direction {
            Direction::Both => quote!(Both),
            Direction::Send => quote!(Send),
            Direction::Receive => quote!(Receive),
        };
        quote! {
            __nla::Entry::Attribute(__nla::SchemaAttribute {
                kernel: #kernel,
                number: #number,
                last: #last,
                field: #field,
                wire: #wire,
                required: #required,
                repeated: #repeated,
                direction: __nla::Direction::#direction,
                since: #since,
                doc: #doc,
            })
        }
    }
}

fn option(value: Option<impl quote::ToTokens>) -> TokenStream {
    value.map_or_else(|| quote!(__nla::None), |value| quote!(__nla::Some(#value)))
}
