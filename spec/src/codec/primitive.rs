//! Integers, addresses and byte arrays: what an attribute holds when it holds no attributes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::stream::header_word;
use super::{
    ByteOrder, Choose, DecodeError, DecodeErrorKind, DecodePayload, EncodePayload, Mode, NLA_HEADER, Stream, Wire,
    Writer, align,
};

/// The first `N` bytes of a payload: more are ignored, as the kernel ignores them.
#[inline]
fn first<const N: usize>(payload: &[u8]) -> Result<[u8; N], DecodeError> {
    payload.first_chunk().copied().ok_or_else(|| DecodeErrorKind::TooShort { found: payload.len(), expected: N }.into())
}

/// A payload of `$size` bytes that `$read` makes a value of and `$write` takes apart.
macro_rules! fixed {
    ($type:ty, $size:literal, $wire:expr, $read:expr, $write:expr) => {
        impl DecodePayload for $type {
            const WIRE: Wire = $wire;

            #[inline(always)]
            fn vacant() -> Self {
                ($read)([0; $size])
            }

            #[inline(always)]
            fn decode_payload(payload: &[u8], _: Mode) -> Result<Self, DecodeError> {
                first::<$size>(payload).map($read)
            }

            #[inline(always)]
            fn decode_next(number: u16, stream: &mut Stream<'_>) -> Option<Self> {
                stream.expect::<$size>(number).copied().map($read)
            }
        }

        impl EncodePayload for $type {
            #[inline(always)]
            fn encode_payload(&self, writer: &mut Writer<'_>) {
                let write: fn(&Self) -> [u8; $size] = $write;
                writer.bytes(&write(self));
            }

            /// In one piece: what is of one length is put together before it is appended.
            #[inline(always)]
            fn encode_attribute(&self, number: u16, writer: &mut Writer<'_>) {
                const LENGTH: usize = NLA_HEADER + $size;
                let write: fn(&Self) -> [u8; $size] = $write;
                let mut attribute = [0; align(LENGTH)];
                if let Some((header, rest)) = attribute.split_first_chunk_mut::<NLA_HEADER>()
                    && let Some(payload) = rest.first_chunk_mut::<$size>()
                {
                    *header = header_word::<$size>(number).to_ne_bytes();
                    *payload = write(self);
                }
                writer.bytes(&attribute);
            }
        }
    };
}

/// An integer in host byte order. Everything else in these protocols is big-endian, so the exception is spelled out.
///
/// `CTA_FILTER_ORIG_FLAGS` and `CTA_FILTER_REPLY_FLAGS` are two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Native<T>(pub T);

macro_rules! integers {
    ($($type:ty, $size:literal, $wire:ident;)*) => {$(
        fixed!($type, $size, Wire::$wire { size: $size, order: ByteOrder::Big }, <$type>::from_be_bytes,
            |value| value.to_be_bytes());
        fixed!(Native<$type>, $size, Wire::$wire { size: $size, order: ByteOrder::Native },
            |bytes| Native(<$type>::from_ne_bytes(bytes)), |value| value.0.to_ne_bytes());
    )*};
}

integers! {
    u8, 1, Unsigned;
    u16, 2, Unsigned;
    u32, 4, Unsigned;
    u64, 8, Unsigned;
    i8, 1, Signed;
    i16, 2, Signed;
    i32, 4, Signed;
    i64, 8, Signed;
}

fixed!(Ipv4Addr, 4, Wire::Ipv4, Ipv4Addr::from, Ipv4Addr::octets);
fixed!(Ipv6Addr, 16, Wire::Ipv6, Ipv6Addr::from, Ipv6Addr::octets);

impl<const N: usize> DecodePayload for [u8; N] {
    const WIRE: Wire = Wire::Bytes { min: N, max: Some(N) };

    #[inline(always)]
    fn vacant() -> Self {
        [0; N]
    }

    #[inline(always)]
    fn decode_payload(payload: &[u8], _: Mode) -> Result<Self, DecodeError> {
        first(payload)
    }

    #[inline(always)]
    fn decode_next(number: u16, stream: &mut Stream<'_>) -> Option<Self> {
        stream.expect::<N>(number).copied()
    }
}

impl<const N: usize> EncodePayload for [u8; N] {
    #[inline(always)]
    fn encode_payload(&self, writer: &mut Writer<'_>) {
        writer.bytes(self);
    }
}

/// An address whose length says its family, as most netlink protocols send it. Connection tracking has an attribute for
/// each family instead: `#[nla(CTA_IP_V4_SRC as Ipv4Addr, CTA_IP_V6_SRC as Ipv6Addr)]`.
impl DecodePayload for IpAddr {
    const WIRE: Wire = Wire::Ip;

    #[inline(always)]
    fn vacant() -> Self {
        Self::V4(Ipv4Addr::UNSPECIFIED)
    }

    #[inline]
    fn decode_payload(payload: &[u8], _: Mode) -> Result<Self, DecodeError> {
        if let Ok(octets) = <[u8; 4]>::try_from(payload) {
            Ok(Self::from(octets))
        } else if let Ok(octets) = <[u8; 16]>::try_from(payload) {
            Ok(Self::from(octets))
        } else {
            Err(DecodeErrorKind::AddressLength { found: payload.len() }.into())
        }
    }
}

impl EncodePayload for IpAddr {
    #[inline]
    fn encode_payload(&self, writer: &mut Writer<'_>) {
        match self {
            Self::V4(address) => writer.bytes(&address.octets()),
            Self::V6(address) => writer.bytes(&address.octets()),
        }
    }
}

impl Choose<Ipv4Addr> for IpAddr {
    #[inline(always)]
    fn choose(&self) -> Option<Ipv4Addr> {
        if let Self::V4(address) = self { Some(*address) } else { None }
    }
}

impl Choose<Ipv6Addr> for IpAddr {
    #[inline(always)]
    fn choose(&self) -> Option<Ipv6Addr> {
        if let Self::V6(address) = self { Some(*address) } else { None }
    }
}

/// A text of any length, NUL-terminated when sent; a received one may lack the NUL. Decoding allocates.
///
/// What is received is never refused: bytes that are not UTF-8 read as `?`. Where they matter, use `Vec<u8>` or
/// [`NulString`](super::NulString).
impl DecodePayload for String {
    const WIRE: Wire = Wire::Text { max: None };

    #[inline(always)]
    fn vacant() -> Self {
        Self::new()
    }

    fn decode_payload(payload: &[u8], _: Mode) -> Result<Self, DecodeError> {
        let text = payload.split(|byte| *byte == 0).next().unwrap_or_default();
        let mut read = Self::with_capacity(text.len());
        for chunk in text.utf8_chunks() {
            read.push_str(chunk.valid());
            // U+FFFD is longer than what it stands for: an attribute could not hold again what it held.
            if !chunk.invalid().is_empty() {
                read.push('?');
            }
        }
        Ok(read)
    }
}

impl EncodePayload for String {
    fn encode_payload(&self, writer: &mut Writer<'_>) {
        if let Some(at) = self.bytes().position(|byte| byte == 0) {
            writer.fail_at_nul(at);
        }
        writer.bytes(self.as_bytes());
        writer.bytes(&[0]);
    }
}

/// Bytes of any number. Decoding allocates.
impl DecodePayload for Vec<u8> {
    const WIRE: Wire = Wire::Bytes { min: 0, max: None };

    #[inline(always)]
    fn vacant() -> Self {
        Self::new()
    }

    fn decode_payload(payload: &[u8], _: Mode) -> Result<Self, DecodeError> {
        Ok(payload.to_vec())
    }
}

impl EncodePayload for Vec<u8> {
    fn encode_payload(&self, writer: &mut Writer<'_>) {
        writer.bytes(self);
    }
}
