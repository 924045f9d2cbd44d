//! Printing the kernel's names for numbers and bits.

use std::fmt::{self, Write};

use crate::codec::Name;

/// The name of `value`, without `prefix`.
pub(crate) fn code(value: u64, names: &[Name], prefix: &str) -> Option<&'static str> {
    let name = names.iter().find(|name| name.value == value)?;
    Some(name.kernel.strip_prefix(prefix).unwrap_or(name.kernel))
}

/// Writes the names of the bits of `value`, without `prefix`, in the order of `names`; then the bits that have none, in
/// hex. 0 if no bit is set.
///
/// A name of several bits counts where all of them are set: it should stand before the names of each.
pub(crate) fn bits<'n>(
    f: &mut impl Write,
    value: u64,
    names: impl IntoIterator<Item = &'n Name>,
    prefix: &str,
    separator: &str,
) -> fmt::Result {
    let mut left = value;
    for name in names {
        if name.value != 0 && left & name.value == name.value {
            let between = if left == value { "" } else { separator };
            write!(f, "{between}{}", name.kernel.strip_prefix(prefix).unwrap_or(name.kernel))?;
            left &= !name.value;
        }
    }
    match left {
        0 if value == 0 => f.write_str("0"),
        0 => Ok(()),
        _ => write!(f, "{}{left:#x}", if left == value { "" } else { separator }),
    }
}
