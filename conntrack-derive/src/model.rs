//! What a declaration means. Code is generated from this, never from `syn` attributes.

use proc_macro2::Span;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Field, Fields, Ident, Index, LitStr, Path, Type, Variant, parse_quote};

use crate::attr::{ContainerAttr, FieldAttr, doc};
use crate::byte_order::byte_orders_are_said;
use crate::ctxt::Ctxt;

/// The struct or enum that derives.
pub(crate) struct Container {
    pub(crate) ident: Ident,
    /// Where the codec is: `::conntrack`, unless the user says otherwise.
    pub(crate) krate: Path,
    pub(crate) doc: String,
    pub(crate) kind: Kind,
    pub(crate) pads: Vec<Constant>,
}

pub(crate) enum Kind {
    /// A struct: its members in kernel order.
    Nest(Vec<Member>),
    /// An enum: one of its variants.
    Choice(Vec<Alternative>),
    /// A payload in a new type.
    Transparent(Box<Type>),
    /// A C struct that is in memory as it is on the wire.
    Layout(Span),
}

/// A field that declares something.
pub(crate) struct Member {
    /// How code reaches the field: its name, or its index.
    pub(crate) access: syn::Member,
    pub(crate) ty: Type,
    pub(crate) doc: String,
    pub(crate) role: Role,
    pub(crate) direction: Direction,
    pub(crate) since: Option<LitStr>,
    /// The constant of the field in front of which it is expected too.
    pub(crate) also_before: Option<Path>,
    pub(crate) span: Span,
}

pub(crate) enum Role {
    Attribute(Constant),
    /// One field, one of several attributes.
    Either(Vec<(Constant, Type)>),
    Repeated(Constant),
    Indexed {
        first: Constant,
        last: Constant,
    },
    Flatten,
    Rest,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Both,
    Send,
    Receive,
}

/// A variant of a choice.
pub(crate) struct Alternative {
    pub(crate) ident: Ident,
    pub(crate) doc: String,
    pub(crate) kind: AlternativeKind,
}

pub(crate) enum AlternativeKind {
    /// `#[nla(CONST)] Variant(Payload)`
    Attribute { constant: Constant, ty: Box<Type>, since: Option<LitStr> },
    /// `Variant { fields }`
    Group(Vec<Member>),
    /// `#[nla(other)] Variant(RawAttribute)`
    Other(Box<Type>),
}

/// A kernel constant as the user wrote it, and the name of the local constant that is bound to it.
#[derive(Clone)]
pub(crate) struct Constant {
    pub(crate) path: Path,
    pub(crate) local: Ident,
}

impl Constant {
    /// `CTA_MARK`
    pub(crate) fn name(&self) -> String {
        self.path.segments.last().map(|segment| segment.ident.unraw().to_string()).unwrap_or_default()
    }
}

/// Numbers the local constants of one derive.
struct Locals(usize);

impl Locals {
    fn bind(&mut self, path: Path) -> Constant {
        let local = Ident::new(&format!("__T{}", self.0), path.span().resolved_at(Span::call_site()));
        self.0 += 1;
        Constant { path, local }
    }
}

impl Container {
    pub(crate) fn from_input(ctxt: &Ctxt, input: &DeriveInput) -> Self {
        let attr = ContainerAttr::from_attrs(ctxt, &input.attrs);
        let mut locals = Locals(0);
        if !input.generics.params.is_empty() {
            ctxt.error(&input.generics, "a struct of attributes cannot be generic: its layout is the kernel's");
        }
        let kind = match (&input.data, attr.transparent, attr.layout) {
            (_, Some(span), Some(layout)) => {
                ctxt.push(syn::Error::new(span, "either `transparent` or `layout`"));
                Kind::Layout(layout)
            }
            (Data::Struct(data), Some(span), None) => transparent(ctxt, span, &data.fields),
            (Data::Struct(data), None, Some(span)) => {
                silent(ctxt, &data.fields, "the fields of a `layout` struct are in its payload and name no attribute");
                byte_orders_are_said(ctxt, &input.attrs, &data.fields);
                Kind::Layout(span)
            }
            (Data::Struct(data), None, None) => {
                Kind::Nest(data.fields.iter().enumerate().filter_map(|f| member(ctxt, &mut locals, f)).collect())
            }
            (Data::Enum(data), None, None) => {
                if data.variants.is_empty() {
                    ctxt.error(&input.ident, "an enum is one of its variants, and this one has none");
                }
                Kind::Choice(data.variants.iter().filter_map(|v| alternative(ctxt, &mut locals, v)).collect())
            }
            (Data::Enum(data), _, _) => {
                ctxt.error(
                    data.enum_token,
                    "an enum is a choice among attributes: `transparent` and `layout` are for structs",
                );
                Kind::Choice(Vec::new())
            }
            (Data::Union(data), ..) => {
                ctxt.error(data.union_token, "a union cannot be a nest of attributes: use a struct or an enum");
                Kind::Choice(Vec::new())
            }
        };
        if let (Kind::Transparent(_) | Kind::Layout(_), Some(pad)) = (&kind, attr.pads.first()) {
            ctxt.error(pad, "`pad` is for a struct or an enum of attributes, and this one is a payload");
        }
        Self {
            ident: input.ident.clone(),
            krate: attr.krate.unwrap_or_else(|| parse_quote!(::conntrack)),
            doc: doc(&input.attrs),
            kind,
            pads: attr.pads.into_iter().map(|path| locals.bind(path)).collect(),
        }
    }
}

fn transparent(ctxt: &Ctxt, span: Span, fields: &Fields) -> Kind {
    let mut iter = fields.iter();
    let (Fields::Unnamed(_), Some(field), None) = (fields, iter.next(), iter.next()) else {
        ctxt.push(syn::Error::new(span, "`transparent` is for a tuple struct with one field: `struct Mine(u32);`"));
        return Kind::Layout(span);
    };
    silent(ctxt, fields, "the field of a `transparent` struct is the payload itself and names no attribute");
    Kind::Transparent(Box::new(field.ty.clone()))
}

/// Refuses what fields say that are no attributes.
fn silent(ctxt: &Ctxt, fields: &Fields, message: &str) {
    for attr in fields.iter().flat_map(|field| &field.attrs).filter(|attr| attr.path().is_ident("nla")) {
        ctxt.error(attr, message);
    }
}

fn member(ctxt: &Ctxt, locals: &mut Locals, (index, field): (usize, &Field)) -> Option<Member> {
    let attr = FieldAttr::from_attrs(ctxt, &field.attrs);
    let access = match &field.ident {
        Some(ident) => syn::Member::Named(ident.clone()),
        None => syn::Member::Unnamed(Index { index: u32::try_from(index).ok()?, span: field.span() }),
    };
    if let Some(span) = attr.other {
        ctxt.push(syn::Error::new(span, "`other` is for a variant; a field that keeps what is not declared is `rest`"));
        return None;
    }
    let direction = match (attr.send_only, attr.receive_only) {
        (Some(span), Some(_)) => {
            ctxt.push(syn::Error::new(span, "either `send_only` or `receive_only`"));
            Direction::Both
        }
        (Some(_), None) => Direction::Send,
        (None, Some(_)) => Direction::Receive,
        (None, None) => Direction::Both,
    };
    let (since, also_before) = (attr.since.clone(), attr.also_before.clone());
    let way = attr.send_only.or(attr.receive_only);
    let role = role(ctxt, locals, field, attr)?;
    let why_none = match role {
        Role::Flatten => Some("the flattened struct says it of its own"),
        Role::Rest => Some("what is not declared has no direction"),
        _ => None,
    };
    if let (Some(span), Some(why)) = (way, why_none) {
        ctxt.push(syn::Error::new(span, format!("`send_only` and `receive_only` go with a constant: {why}")));
    }
    let span = field.ident.as_ref().map_or_else(|| field.span(), Ident::span);
    let (ty, doc) = (field.ty.clone(), doc(&field.attrs));
    Some(Member { access, ty, doc, role, direction, since, also_before, span })
}

/// What the field is; exactly one of the ways to say it may be used.
fn role(ctxt: &Ctxt, locals: &mut Locals, field: &Field, attr: FieldAttr) -> Option<Role> {
    let (described, name): (&dyn ToTokens, _) = match &field.ident {
        Some(ident) => (ident, format!("`{ident}`")),
        None => (&field.ty, "this field".to_owned()),
    };
    let ways = [!attr.constants.is_empty(), attr.range.is_some(), attr.flatten.is_some(), attr.rest.is_some()];
    match ways.iter().filter(|way| **way).count() {
        0 if attr.broken => return None,
        0 => {
            let expected =
                "`#[nla(CONST)]` with the kernel constant it stands for, `#[nla(flatten)]` or `#[nla(rest)]`";
            ctxt.error(described, format!("{name} needs {expected}"));
            return None;
        }
        1 => {}
        _ => {
            ctxt.error(described, format!("{name} can be one thing only: a constant, a range, `flatten` or `rest`"));
            return None;
        }
    }
    let is_one = attr.constants.len() == 1 && attr.constants.iter().all(|(_, ty)| ty.is_none());
    if let Some(span) = attr.repeated.filter(|_| !is_one) {
        ctxt.push(syn::Error::new(span, "`repeated` goes with one constant"));
        return None;
    }
    if let Some((first, last)) = attr.range {
        return Some(Role::Indexed { first: locals.bind(first), last: locals.bind(last) });
    }
    if attr.flatten.is_some() {
        return Some(Role::Flatten);
    }
    if attr.rest.is_some() {
        return Some(Role::Rest);
    }
    let mut constants = attr.constants;
    if is_one {
        let constant = locals.bind(constants.remove(0).0);
        return Some(if attr.repeated.is_some() { Role::Repeated(constant) } else { Role::Attribute(constant) });
    }
    let mut either = Vec::new();
    for (path, ty) in constants {
        match ty {
            Some(ty) => either.push((locals.bind(path), ty)),
            None => {
                ctxt.error(&path, "where one field is one of several attributes, each says its type: `CONST as Type`");
            }
        }
    }
    Some(Role::Either(either))
}

const VARIANT_FORMS: &str =
    "a variant is `#[nla(CONST)] Name(Payload)`, `#[nla(other)] Name(RawAttribute)`, or a group `Name { … }`";

fn alternative(ctxt: &Ctxt, locals: &mut Locals, variant: &Variant) -> Option<Alternative> {
    let attr = FieldAttr::from_attrs(ctxt, &variant.attrs);
    let mut payload = match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => fields.unnamed.first().map(|field| field.ty.clone()),
        _ => None,
    };
    let misplaced = [attr.flatten, attr.rest, attr.repeated, attr.send_only, attr.receive_only];
    let said_too_much = misplaced.iter().any(Option::is_some)
        || attr.range.is_some()
        || attr.also_before.is_some()
        || attr.constants.len() > 1
        || attr.constants.iter().any(|(_, ty)| ty.is_some());
    if said_too_much {
        ctxt.error(&variant.ident, VARIANT_FORMS);
        return None;
    }
    if let Some(since) = attr.since.as_ref().filter(|_| attr.constants.is_empty()) {
        ctxt.error(since, "`since` goes with a constant");
    }
    let kind = match (&variant.fields, attr.constants.into_iter().next(), attr.other) {
        (Fields::Named(fields), None, None) => {
            if fields.named.is_empty() {
                ctxt.error(&variant.ident, "a group has a field for each of its attributes, and this one has none");
            }
            AlternativeKind::Group(
                fields.named.iter().enumerate().filter_map(|field| member(ctxt, locals, field)).collect(),
            )
        }
        (Fields::Unnamed(_), Some((path, _)), None) if payload.is_some() => {
            AlternativeKind::Attribute { constant: locals.bind(path), ty: Box::new(payload.take()?), since: attr.since }
        }
        (Fields::Unnamed(_), None, Some(_)) if payload.is_some() => AlternativeKind::Other(Box::new(payload.take()?)),
        _ => {
            if !attr.broken {
                ctxt.error(&variant.ident, VARIANT_FORMS);
            }
            return None;
        }
    };
    Some(Alternative { ident: variant.ident.clone(), doc: doc(&variant.attrs), kind })
}

impl Kind {
    /// Every member, in order.
    pub(crate) fn members(&self) -> Vec<&Member> {
        match self {
            Self::Nest(members) => members.iter().collect(),
            Self::Choice(alternatives) => alternatives
                .iter()
                .flat_map(|alternative| match &alternative.kind {
                    AlternativeKind::Group(members) => members.iter().collect(),
                    _ => Vec::new(),
                })
                .collect(),
            Self::Transparent(_) | Self::Layout(_) => Vec::new(),
        }
    }

    /// Every run of attribute numbers, in order.
    pub(crate) fn numbers(&self) -> Vec<Numbers<'_>> {
        match self {
            Self::Choice(alternatives) => alternatives
                .iter()
                .flat_map(|alternative| match &alternative.kind {
                    AlternativeKind::Attribute { constant, .. } => vec![Numbers::one(constant)],
                    AlternativeKind::Group(members) => members.iter().flat_map(Member::numbers).collect(),
                    AlternativeKind::Other(_) => Vec::new(),
                })
                .collect(),
            _ => self.members().into_iter().flat_map(Member::numbers).collect(),
        }
    }
}

/// The attribute numbers from `first` to `last`; most often one and the same.
#[derive(Clone, Copy)]
pub(crate) struct Numbers<'a> {
    pub(crate) first: &'a Constant,
    pub(crate) last: &'a Constant,
}

impl<'a> Numbers<'a> {
    fn one(constant: &'a Constant) -> Self {
        Self { first: constant, last: constant }
    }

    /// The one constant, or both.
    pub(crate) fn constants(self) -> impl Iterator<Item = &'a Constant> {
        let last = (self.first.local != self.last.local).then_some(self.last);
        std::iter::once(self.first).chain(last)
    }
}

impl Container {
    /// Every run of attribute numbers, those of padding last.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = Numbers<'_>> {
        self.kind.numbers().into_iter().chain(self.pads.iter().map(Numbers::one))
    }

    /// Every kernel constant, those of padding last.
    pub(crate) fn constants(&self) -> impl Iterator<Item = &Constant> {
        self.numbers().flat_map(Numbers::constants)
    }
}

impl Member {
    pub(crate) fn numbers(&self) -> Vec<Numbers<'_>> {
        match &self.role {
            Role::Attribute(constant) | Role::Repeated(constant) => vec![Numbers::one(constant)],
            Role::Either(either) => either.iter().map(|(constant, _)| Numbers::one(constant)).collect(),
            Role::Indexed { first, last } => vec![Numbers { first, last }],
            Role::Flatten | Role::Rest => Vec::new(),
        }
    }

    /// Whether the field is what `path` stands for.
    pub(crate) fn declares(&self, path: &Path) -> bool {
        let path = path.to_token_stream().to_string();
        let mut constants = self.numbers().into_iter().flat_map(Numbers::constants);
        constants.any(|constant| constant.path.to_token_stream().to_string() == path)
    }

    /// The field's name, for messages and documentation.
    pub(crate) fn name(&self) -> String {
        match &self.access {
            syn::Member::Named(ident) => ident.unraw().to_string(),
            syn::Member::Unnamed(index) => index.index.to_string(),
        }
    }
}
