//! Integers of any size and byte order, for what goes by a declaration and not by a type.

use super::ByteOrder;

/// The first `size` bytes, as a number; `None` if there are fewer.
pub(crate) fn unsigned(bytes: &[u8], size: usize, order: ByteOrder) -> Option<u64> {
    let bytes = bytes.get(..size)?.iter();
    let append = |value: u64, byte: &u8| value.wrapping_shl(8) | u64::from(*byte);
    Some(match order {
        ByteOrder::Native if cfg!(target_endian = "little") => bytes.rev().fold(0, append),
        ByteOrder::Big | ByteOrder::Native => bytes.fold(0, append),
    })
}

/// What a number of `size` bytes is in two's complement.
pub(crate) fn signed(value: u64, size: usize) -> i64 {
    let unused = 64_u32.saturating_sub(u32::try_from(size).unwrap_or(8).saturating_mul(8));
    value.wrapping_shl(unused).cast_signed().wrapping_shr(unused)
}
