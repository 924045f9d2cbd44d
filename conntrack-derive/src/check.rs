//! Rules that span fields.

use quote::ToTokens;

use crate::ctxt::Ctxt;
use crate::model::{AlternativeKind, Container, Direction, Kind, Role};

pub(crate) fn check(ctxt: &Ctxt, container: &Container) {
    named_once(ctxt, container);
    kept_once(ctxt, container);
    words_go_with_a_constant(ctxt, container);
    groups_are_plain(ctxt, container);
    places_are_declared(ctxt, container);
}

/// Two fields that name the same constant; that two constants have one number is for the compiler to find.
fn named_once(ctxt: &Ctxt, container: &Container) {
    let mut seen = Vec::new();
    for constant in container.constants() {
        let path = constant.path.to_token_stream().to_string();
        if seen.contains(&path) {
            let name = constant.name();
            ctxt.error(
                &constant.path,
                format!("`{name}` is declared twice; of two attributes with one number only the last would count"),
            );
        }
        seen.push(path);
    }
}

fn kept_once(ctxt: &Ctxt, container: &Container) {
    let rest = container.kind.members().into_iter().filter(|member| matches!(member.role, Role::Rest));
    for member in rest.skip(1) {
        ctxt.push(syn::Error::new(member.span, "what is not declared is kept once: there is another `rest`"));
    }
    if let Kind::Choice(alternatives) = &container.kind {
        let other = alternatives.iter().filter(|alternative| matches!(alternative.kind, AlternativeKind::Other(_)));
        for alternative in other.skip(1) {
            ctxt.error(&alternative.ident, "what is not declared is kept once: there is another `other`");
        }
    }
}

/// What is said of an attribute needs one.
fn words_go_with_a_constant(ctxt: &Ctxt, container: &Container) {
    for member in container.kind.members() {
        if let Some(since) = &member.since
            && matches!(member.role, Role::Flatten | Role::Rest)
        {
            ctxt.error(since, "`since` goes with a constant");
        }
    }
}

/// Which variant a group's attribute belongs to must be plain from its number.
fn groups_are_plain(ctxt: &Ctxt, container: &Container) {
    let Kind::Choice(alternatives) = &container.kind else { return };
    for alternative in alternatives {
        if let AlternativeKind::Group(members) = &alternative.kind {
            for member in members.iter().filter(|member| matches!(member.role, Role::Flatten | Role::Rest)) {
                ctxt.push(syn::Error::new(member.span, "in a variant, each field names its own constant"));
            }
        }
    }
}

/// A second place is in front of another field of the same struct.
fn places_are_declared(ctxt: &Ctxt, container: &Container) {
    let members = container.kind.members();
    for (index, member) in members.iter().enumerate() {
        let Some(place) = &member.also_before else { continue };
        if !matches!((&container.kind, &member.role), (Kind::Nest(_), Role::Attribute(_))) {
            ctxt.error(place, "`also_before` goes with one constant, in a struct");
        } else if member.direction == Direction::Send {
            ctxt.error(place, "`also_before` is for decoding, and `send_only` is never decoded");
        } else if !members
            .iter()
            .enumerate()
            .any(|(other, member)| other != index && member.direction != Direction::Send && member.declares(place))
        {
            let name = place.to_token_stream();
            ctxt.error(
                place,
                format!("`also_before` names the constant of another field that is decoded, and `{name}` is not one"),
            );
        }
    }
}
