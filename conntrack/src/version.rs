//! The running kernel's version.

use std::fmt;
use std::str::FromStr;

/// A kernel version, as far as it decides what ctnetlink can do.
///
/// A kernel ignores attributes that it does not know, so a filter that has some selects more. The library compares the
/// version before it relies on such an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
}

/// A text that does not begin with two numbers and a dot between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a kernel version: expected something like 6.18")]
pub struct NotAVersion;

impl KernelVersion {
    /// The oldest kernel this library is written for.
    pub const OLDEST: Self = Self::new(5, 4);
    /// Dumps by tuple (`CTA_FILTER`).
    pub(crate) const DUMP_TUPLE_FILTER: Self = Self::new(5, 8);
    /// Dumps and flushes by status (`CTA_STATUS_MASK`).
    pub(crate) const STATUS_FILTER: Self = Self::new(5, 15);
    /// Dumps and flushes by zone.
    pub(crate) const ZONE_FILTER: Self = Self::new(6, 8);
    /// Flushes by tuple (`CTA_FILTER`).
    pub(crate) const FLUSH_TUPLE_FILTER: Self = Self::new(6, 12);

    /// A version.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Reads the running kernel's version (`uname(2)`).
    ///
    /// A release that is no version counts as 0.0: then nothing is left to the kernel that some kernel gets wrong. A
    /// process under `setarch --uname-2.6` sees a version below the real one, with the same effect.
    #[must_use]
    pub fn running() -> Self {
        Self::of_release(&crate::sys::kernel_release())
    }

    pub(crate) fn of_release(release: &str) -> Self {
        release.parse().unwrap_or(Self::new(0, 0))
    }
}

impl FromStr for KernelVersion {
    type Err = NotAVersion;

    /// Reads the start of a release such as `6.18.44-amd64`.
    fn from_str(release: &str) -> Result<Self, NotAVersion> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next().and_then(|number| number.parse().ok()).ok_or(NotAVersion);
        Ok(Self { major: next()?, minor: next()? })
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
