//! Names of error numbers.

use crate::codec::Name;

macro_rules! names {
    ($($name:ident = $value:literal,)*) => { &[$(Name { value: $value, kernel: stringify!($name) }),*] };
}

/// The errors that netfilter answers with and that have the same number everywhere
/// (`include/uapi/asm-generic/errno-base.h`).
const BASE: &[Name] = names! {
    EPERM = 1, ENOENT = 2, EINTR = 4, EAGAIN = 11, ENOMEM = 12, EBUSY = 16, EEXIST = 17, EINVAL = 22, EMFILE = 24,
    ENOSPC = 28, ERANGE = 34,
};

/// Those that a few architectures number differently (`include/uapi/asm-generic/errno.h`).
const GENERIC: &[Name] = if cfg!(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6",
    target_arch = "sparc",
    target_arch = "sparc64",
)) {
    &[]
} else {
    names! { ETIME = 62, EOVERFLOW = 75, EOPNOTSUPP = 95, ENOBUFS = 105, }
};

/// The name of an error number, which netlink sends negated.
pub(super) fn name(error: i32) -> Option<&'static str> {
    let number = u64::from(error.unsigned_abs());
    let names = if error < 0 { BASE.iter().chain(GENERIC) } else { [].iter().chain(&[]) };
    names.copied().find(|name| name.value == number).map(|name| name.kernel)
}
