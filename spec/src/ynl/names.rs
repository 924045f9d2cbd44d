//! The kernel's names in the style of YNL: `CTA_TUPLE_ORIG` is `tuple-orig` with the prefix `cta-`.

/// Returns the name in lower case, with dashes.
pub(super) fn kebab(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// Returns a Rust type's name in lower case, with dashes: `TupleIp` is `tuple-ip`.
pub(super) fn kebab_of_type(name: &str) -> String {
    let mut kebab = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

/// Returns the words that all names begin with, up to and including the last `_` that they share. Each name keeps at least
/// one word.
pub(super) fn common_prefix<'n>(names: impl IntoIterator<Item = &'n str>) -> &'n str {
    let mut names = names.into_iter();
    let Some(first) = names.next() else { return "" };
    names.fold(until_last_word(first), |prefix, name| {
        let same = prefix.bytes().zip(until_last_word(name).bytes()).take_while(|(a, b)| a == b).count();
        prefix.get(..same).map_or("", until_last_word)
    })
}

fn until_last_word(name: &str) -> &str {
    name.rfind('_').and_then(|at| name.get(..=at)).unwrap_or_default()
}

/// Returns a doc comment as plain text: its first paragraph, without the targets of links.
pub(super) fn plain(doc: &str) -> String {
    let paragraph = doc.trim().split("\n\n").next().unwrap_or_default();
    let mut text = String::new();
    let mut rest = paragraph;
    while let Some((before, link)) = rest.split_once('[') {
        text.push_str(before);
        let Some((label, after)) = link.split_once(']') else { break };
        text.push_str(label);
        rest = after.strip_prefix('(').and_then(|target| target.split_once(')')).map_or(after, |(_, after)| after);
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_with_a_word_and_leave_one() {
        assert_eq!(common_prefix(["CTA_TUPLE_IP", "CTA_TUPLE_PROTO"]), "CTA_TUPLE_");
        assert_eq!(common_prefix(["CTA_SECCTX_NAME"]), "CTA_SECCTX_");
        assert_eq!(common_prefix(["CTA_TIMEOUT_TCP_SYN_SENT", "CTA_TIMEOUT_TCP_SYN_SENT2"]), "CTA_TIMEOUT_TCP_SYN_");
        assert_eq!(common_prefix(["CTA_MARK", "CTA_MARK_MASK"]), "CTA_");
        assert_eq!(common_prefix(["A", "B_C"]), "");
    }

    #[test]
    fn docs_lose_their_links() {
        assert_eq!(plain("The [`Tuple`](crate::Tuple) of a [flow].\n\nMore."), "The Tuple of a flow.");
    }
}
