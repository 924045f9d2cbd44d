//! Names for labels.

use std::collections::{BTreeMap, BTreeSet};

/// Names for labels, which the administrator chooses: conntrack(8) and iptables(8) read them from
/// `/etc/xtables/connlabel.conf`, nft(8) from `connlabel.conf` in its own directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelNames(BTreeMap<u8, String>);

impl LabelNames {
    /// No names.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the text of a `connlabel.conf` as conntrack(8) does (`libnetfilter_conntrack`, `src/conntrack/labels.c`).
    ///
    /// Each line has a number and a name. The number is decimal, octal after `0`, or hexadecimal after `0x`; no blank
    /// needs to follow it. A name consists of letters, digits, `-` and blanks. The first name of a label counts, and so
    /// does the first label of a name. Lines that begin with `#` and lines of any other form are skipped, and so are
    /// names of labels above 127, which no flow has.
    #[must_use]
    pub fn from_conf(text: &str) -> Self {
        let (mut names, mut labels, mut seen) = (Self::new(), BTreeSet::new(), BTreeSet::new());
        let lines = text.as_bytes().split_inclusive(|byte| *byte == b'\n').flat_map(|line| line.chunks(LINE));
        for (label, name) in lines.filter_map(parse_line) {
            if labels.contains(&label) || !seen.insert(name) {
                continue;
            }
            labels.insert(label);
            if let (Ok(bit @ 0..128), Ok(name)) = (u8::try_from(label), str::from_utf8(name)) {
                names.insert(bit, name);
            }
        }
        names
    }

    /// Names label `bit`, instead of what it was named.
    pub fn insert(&mut self, bit: u8, name: impl Into<String>) {
        self.0.insert(bit, name.into());
    }

    /// The name of label `bit`.
    #[must_use]
    pub fn get(&self, bit: u8) -> Option<&str> {
        self.0.get(&bit).map(String::as_str)
    }
}

impl<S: Into<String>> FromIterator<(u8, S)> for LabelNames {
    fn from_iter<I: IntoIterator<Item = (u8, S)>>(names: I) -> Self {
        Self(names.into_iter().map(|(bit, name)| (bit, name.into())).collect())
    }
}

/// The longest line, in bytes: conntrack(8) takes what follows for the next line.
const LINE: usize = 1023;
/// conntrack(8) reads the names of as many labels, although a flow has 128.
const LABELS: u64 = 1024;

/// The number and the name of a line, if it has both.
fn parse_line(line: &[u8]) -> Option<(u64, &[u8])> {
    if line.starts_with(b"#") {
        return None;
    }
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let (label, rest) = strtoul(line)?;
    let name = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let start = name.iter().position(|byte| !is_blank(*byte))?;
    let end = name.iter().rposition(|byte| !is_blank(*byte))?;
    let name = name.get(start..=end)?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-');
    (label < LABELS && name.iter().all(is_name)).then_some((label, name))
}

/// What conntrack(8) trims from a name: unlike Rust's ASCII whitespace, the vertical tabulator too.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

/// The number that C's `strtoul` reads in base 0, and what follows it. None if there is no number, or one that does not fit.
fn strtoul(text: &[u8]) -> Option<(u64, &[u8])> {
    let blanks = text.iter().take_while(|byte| is_blank(**byte) || **byte == b'\n').count();
    let text = text.get(blanks..)?;
    let (negative, text) = match text {
        [sign @ (b'+' | b'-'), rest @ ..] => (*sign == b'-', rest),
        _ => (false, text),
    };
    let (base, digits) = match text {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => (16, text.get(2..)?),
        [b'0', ..] => (8, text),
        _ => (10, text),
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(base).map(u64::from);
    let count = digits.iter().map_while(digit).count();
    let add = |number: u64, digit| number.checked_mul(base.into())?.checked_add(digit);
    let number = digits.iter().map_while(digit).try_fold(0, add)?;
    // A negative one is huge.
    (count > 0 && (!negative || number == 0)).then_some((number, digits.get(count..)?))
}
