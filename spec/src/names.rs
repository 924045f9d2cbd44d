//! The kernel's names for numbers and bits, as words.

use std::borrow::Cow;
use std::fmt::{self, Write};

use crate::codec::Name;

/// The name of `value`, without `prefix`.
pub(crate) fn code(value: u64, names: &[Name], prefix: &str) -> Option<&'static str> {
    names.iter().find(|name| name.value == value).map(|name| word(name, prefix))
}

/// The name without `prefix`.
pub(crate) fn word(name: &Name, prefix: &str) -> &'static str {
    name.kernel.strip_prefix(prefix).unwrap_or(name.kernel)
}

/// The bits without a name, as [`bits`] writes them: `0x10000`.
pub(crate) fn hex(word: &str) -> Option<u64> {
    let digits = word.strip_prefix("0x").filter(|digits| !digits.starts_with('+'))?;
    u64::from_str_radix(digits, 16).ok()
}

/// The names of the bits of `value`, without `prefix`, in the order of `names`; then the bits that have none, in hex.
///
/// A name of several bits counts where all of them are set: it should stand before the names of each.
pub(crate) fn bits<'n>(
    value: u64,
    names: impl IntoIterator<Item = &'n Name>,
    prefix: &str,
) -> impl Iterator<Item = Cow<'static, str>> {
    let (mut left, mut names) = (value, names.into_iter().filter(|name| name.value != 0));
    std::iter::from_fn(move || {
        if let Some(name) = names.find(|name| left & name.value == name.value) {
            left &= !name.value;
            return Some(Cow::Borrowed(word(name, prefix)));
        }
        let unnamed = std::mem::take(&mut left);
        (unnamed != 0).then(|| Cow::Owned(format!("{unnamed:#x}")))
    })
}

/// Writes the names of [`bits`]; 0 if no bit is set.
pub(crate) fn write_bits<'n>(
    f: &mut impl Write,
    value: u64,
    names: impl IntoIterator<Item = &'n Name>,
    prefix: &str,
    separator: &str,
) -> fmt::Result {
    for (at, word) in bits(value, names, prefix).enumerate() {
        write!(f, "{}{word}", if at == 0 { "" } else { separator })?;
    }
    if value == 0 { f.write_str("0") } else { Ok(()) }
}
