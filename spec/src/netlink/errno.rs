//! Names of error numbers.

/// Those that netfilter answers with (`include/uapi/asm-generic/errno-base.h`, `include/uapi/asm-generic/errno.h`). A few
/// have other numbers on some architectures (`arch/*/include/uapi/asm/errno.h`).
macro_rules! errnos {
    ($($name:ident = $value:expr;)*) => {
        $(const $name: i32 = $value;)*

        /// The C name of an error number.
        #[must_use]
        pub const fn name(number: i32) -> Option<&'static str> {
            match number {
                $($name => Some(stringify!($name)),)*
                _ => None,
            }
        }
    };
}

const MIPS: bool =
    cfg!(any(target_arch = "mips", target_arch = "mips32r6", target_arch = "mips64", target_arch = "mips64r6"));
const SPARC: bool = cfg!(any(target_arch = "sparc", target_arch = "sparc64"));

/// The number on MIPS, on SPARC, and elsewhere.
const fn number(mips: i32, sparc: i32, other: i32) -> i32 {
    if MIPS {
        mips
    } else if SPARC {
        sparc
    } else {
        other
    }
}

errnos! {
    EPERM = 1;
    ENOENT = 2;
    EINTR = 4;
    EAGAIN = 11;
    ENOMEM = 12;
    EBUSY = 16;
    EEXIST = 17;
    EINVAL = 22;
    EMFILE = 24;
    ENOSPC = 28;
    ERANGE = 34;
    ETIME = number(62, 73, 62);
    EMSGSIZE = number(97, 40, 90);
    EOVERFLOW = number(79, 92, 75);
    EOPNOTSUPP = number(122, 45, 95);
    ENOBUFS = number(132, 55, 105);
}
