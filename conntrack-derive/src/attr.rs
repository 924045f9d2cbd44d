//! `#[nla(…)]`: tokens to typed attributes. Every spelling mistake is found here.

use proc_macro2::{Span, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta, Path, Token, Type, parenthesized};

use crate::ctxt::Ctxt;

/// What one `#[nla(…)]` list can say about a field or a variant.
#[derive(Default)]
pub(crate) struct FieldAttr {
    /// `CONST`, or `CONST as Type` for each alternative.
    pub(crate) constants: Vec<(Path, Option<Type>)>,
    /// `FIRST..=LAST`
    pub(crate) range: Option<(Path, Path)>,
    pub(crate) flatten: Option<Span>,
    pub(crate) rest: Option<Span>,
    pub(crate) other: Option<Span>,
    pub(crate) repeated: Option<Span>,
    pub(crate) send_only: Option<Span>,
    pub(crate) receive_only: Option<Span>,
    pub(crate) since: Option<LitStr>,
    /// `also_before = CONST`
    pub(crate) also_before: Option<Path>,
    /// Something could not be read and was reported: what is missing may have been there.
    pub(crate) broken: bool,
}

/// What `#[nla(…)]` can say about the whole struct or enum.
#[derive(Default)]
pub(crate) struct ContainerAttr {
    pub(crate) krate: Option<Path>,
    pub(crate) transparent: Option<Span>,
    pub(crate) layout: Option<Span>,
    pub(crate) pads: Vec<Path>,
}

const FIELD_KEYS: &str = "a kernel constant, `flatten`, `rest`, `other`, `repeated`, `send_only`, `receive_only`, \
     `since = \"6.14\"` or `also_before = CONST`";
const CONTAINER_KEYS: &str = "`transparent`, `layout`, `pad(CONST)` or `crate = path`";

impl FieldAttr {
    pub(crate) fn from_attrs(ctxt: &Ctxt, attrs: &[Attribute]) -> Self {
        let mut typed = Self::default();
        let readable = for_each_item(ctxt, attrs, |input| typed.item(ctxt, input));
        typed.broken |= !readable;
        typed
    }

    fn item(&mut self, ctxt: &Ctxt, input: ParseStream<'_>) -> syn::Result<()> {
        if !input.peek(Ident::peek_any) && !input.peek(Token![::]) {
            return Err(input.error(format!("expected {FIELD_KEYS}")));
        }
        let path: Path = input.call(Path::parse_mod_style)?;
        let Some(word) = path.get_ident().map(ToString::to_string).filter(|word| is_key(word)) else {
            return self.constant(ctxt, path, input);
        };
        let slot = match word.as_str() {
            "flatten" => &mut self.flatten,
            "rest" => &mut self.rest,
            "other" => &mut self.other,
            "repeated" => &mut self.repeated,
            "send_only" => &mut self.send_only,
            "receive_only" => &mut self.receive_only,
            "since" => {
                let version: LitStr = (|| {
                    input.parse::<Token![=]>()?;
                    input.parse()
                })()
                .map_err(|_: syn::Error| syn::Error::new_spanned(&path, "expected `since = \"6.14\"`"))?;
                if !is_version(&version.value()) {
                    ctxt.error(&version, "expected the version of a kernel, such as `\"6.14\"`");
                }
                if self.since.replace(version).is_some() {
                    ctxt.error(path, "`since` is said twice");
                }
                return Ok(());
            }
            "also_before" => {
                let before: Path = (|| {
                    input.parse::<Token![=]>()?;
                    input.call(Path::parse_mod_style)
                })()
                .map_err(|_: syn::Error| syn::Error::new_spanned(&path, "expected `also_before = CONST`"))?;
                if self.also_before.replace(before).is_some() {
                    ctxt.error(path, "`also_before` is said twice");
                }
                return Ok(());
            }
            _ => {
                ctxt.error(path, format!("unknown key `{word}`; expected {FIELD_KEYS}"));
                self.broken = true;
                return skip_value(input);
            }
        };
        say_once(ctxt, slot, &path);
        Ok(())
    }

    fn constant(&mut self, ctxt: &Ctxt, path: Path, input: ParseStream<'_>) -> syn::Result<()> {
        if input.peek(Token![..=]) {
            input.parse::<Token![..=]>()?;
            let last = input.call(Path::parse_mod_style)?;
            if self.range.is_some() {
                ctxt.error(&path, "one range of attributes is enough");
            }
            self.range = Some((path, last));
        } else if input.peek(Token![as]) {
            input.parse::<Token![as]>()?;
            self.constants.push((path, Some(input.parse()?)));
        } else {
            self.constants.push((path, None));
        }
        Ok(())
    }
}

impl ContainerAttr {
    pub(crate) fn from_attrs(ctxt: &Ctxt, attrs: &[Attribute]) -> Self {
        let mut typed = Self::default();
        for_each_item(ctxt, attrs, |input| typed.item(ctxt, input));
        typed
    }

    fn item(&mut self, ctxt: &Ctxt, input: ParseStream<'_>) -> syn::Result<()> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error(format!("expected {CONTAINER_KEYS}")));
        }
        let word = input.call(Ident::parse_any)?;
        if word == "transparent" {
            say_once(ctxt, &mut self.transparent, &word.into());
        } else if word == "layout" {
            say_once(ctxt, &mut self.layout, &word.into());
        } else if word == "crate" {
            input.parse::<Token![=]>()?;
            // In quotes too, as other derives take it.
            let path = if input.peek(LitStr) { input.parse::<LitStr>()?.parse()? } else { input.parse()? };
            if self.krate.replace(path).is_some() {
                ctxt.error(word, "`crate` is said twice");
            }
        } else if word == "pad" {
            let content;
            parenthesized!(content in input);
            if content.is_empty() {
                ctxt.error(&word, "expected `pad(CONST)`");
            }
            self.pads.extend(content.parse_terminated(Path::parse_mod_style, Token![,])?);
        } else {
            ctxt.error(&word, format!("unknown key `{word}`; expected {CONTAINER_KEYS}"));
            skip_value(input)?;
        }
        Ok(())
    }
}

/// Passes over what an unknown key is said to be.
fn skip_value(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// Kernel constants are upper case, keys are lower case: a misspelt key is told from a constant by its first letter.
fn is_key(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase())
}

/// `6.14`, or `2.6.39`
fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    matches!(parts.len(), 2 | 3) && parts.iter().all(is_number)
}

fn say_once(ctxt: &Ctxt, slot: &mut Option<Span>, path: &Path) {
    if slot.replace(path.span()).is_some() {
        ctxt.error(path, format!("`{}` is said twice", path.to_token_stream()));
    }
}

/// Hands each comma-separated item of each `#[nla(…)]` to `item`; a mistake in one list does not hide the next. False if
/// there was one.
fn for_each_item(ctxt: &Ctxt, attrs: &[Attribute], mut item: impl FnMut(ParseStream<'_>) -> syn::Result<()>) -> bool {
    let mut readable = true;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("nla")) {
        let Meta::List(list) = &attr.meta else {
            ctxt.error(&attr.meta, "expected a list: `#[nla(…)]`");
            readable = false;
            continue;
        };
        let result = list.parse_args_with(|input: ParseStream<'_>| {
            while !input.is_empty() {
                item(input)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        });
        if let Err(error) = result {
            ctxt.push(error);
            readable = false;
        }
    }
    readable
}

/// The text of the `///` comments, one line a comment, without the blank in front.
pub(crate) fn doc(attrs: &[Attribute]) -> String {
    let lines: Vec<String> = attrs
        .iter()
        .filter(|attr| attr.path().is_ident("doc"))
        .filter_map(|attr| match &attr.meta {
            Meta::NameValue(pair) => match &pair.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned())
        .collect();
    lines.join("\n").trim().to_owned()
}
