//! Numbers with names: open newtypes, because the numbers are the kernel's to extend.

/// A number of which some values have names, which begin alike: words leave that out. Unknown values are kept, compare,
/// and print as numbers.
macro_rules! codes {
    ($(#[$meta:meta])* pub struct $type:ident($repr:ty), $prefix:literal {
        $($(#[doc = $doc:literal])* $name:ident = $value:literal, $kernel:literal;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(pub $repr);

        impl $type {
            $(
                #[doc = concat!("`", $kernel, "`")]
                $(#[doc = ""] #[doc = $doc])*
                pub const $name: Self = Self($value);
            )*

            /// The values that have a name.
            pub const NAMES: &'static [$crate::codec::Name] =
                &[$($crate::codec::Name { value: $value, kernel: $kernel }),*];

            /// What they begin with.
            pub(crate) const PREFIX: &'static str = $prefix;
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.0 {
                    $($value => f.write_str(stringify!($name)),)*
                    other => write!(f, "{}({other})", stringify!($type)),
                }
            }
        }

        $crate::named::payload!($type, $repr, |value| Self(value), |value| value.0, false);
    };
}

/// Bits of which some have names, which begin alike. Unknown bits are kept.
macro_rules! flags {
    ($(#[$meta:meta])* pub struct $type:ident($repr:ty $(, $wire:ident)?), $prefix:literal {
        $($(#[doc = $doc:literal])* $name:ident = $value:expr, $kernel:literal;)*
    }) => {
        bitflags::bitflags! {
            $(#[$meta])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $type: $repr {
                $(
                    #[doc = concat!("`", $kernel, "`")]
                    $(#[doc = ""] #[doc = $doc])*
                    const $name = $value;
                )*
                // Bits that a newer kernel brings are kept.
                const _ = !0;
            }
        }

        impl $type {
            /// The bits that have a name.
            pub const NAMES: &'static [$crate::codec::Name] =
                &[$($crate::codec::Name { value: $value as u64, kernel: $kernel }),*];

            /// What they begin with.
            pub(crate) const PREFIX: &'static str = $prefix;
        }

        $crate::named::flags_payload!($type, $repr $(, $wire)?);
    };
}

/// The payload of [`flags!`]: big-endian, or wrapped in `Native`.
macro_rules! flags_payload {
    ($type:ident, $repr:ty) => {
        $crate::named::payload!($type, $repr, |value| Self::from_bits_retain(value), |value| value.bits(), true);
    };
    ($type:ident, $repr:ty, Native) => {
        $crate::named::payload!(
            $type,
            $crate::codec::Native<$repr>,
            |value| Self::from_bits_retain(value.0),
            |value| $crate::codec::Native(value.bits()),
            true
        );
    };
}

/// Makes `$type` a payload: that of `$wire`, with names.
macro_rules! payload {
    ($type:ident, $wire:ty, |$from:ident| $make:expr, |$to:ident| $take:expr, $bits:literal) => {
        impl $crate::codec::DecodePayload for $type {
            const WIRE: $crate::codec::Wire = $crate::codec::Wire::Named {
                of: &<$wire as $crate::codec::DecodePayload>::WIRE,
                type_name: stringify!($type),
                names: Self::NAMES,
                prefix: Self::PREFIX,
                bits: $bits,
            };

            #[inline(always)]
            fn vacant() -> Self {
                let $from = <$wire as $crate::codec::DecodePayload>::vacant();
                $make
            }

            #[inline(always)]
            fn decode_payload(payload: &[u8], mode: $crate::codec::Mode) -> Result<Self, $crate::codec::DecodeError> {
                <$wire as $crate::codec::DecodePayload>::decode_payload(payload, mode).map(|$from| $make)
            }

            #[inline(always)]
            fn decode_next(number: u16, stream: &mut $crate::codec::Stream<'_>) -> Option<Self> {
                <$wire as $crate::codec::DecodePayload>::decode_next(number, stream).map(|$from| $make)
            }
        }

        impl $crate::codec::EncodePayload for $type {
            #[inline(always)]
            fn encode_payload(&self, writer: &mut $crate::codec::Writer<'_>) {
                let $to = self;
                $crate::codec::EncodePayload::encode_payload(&$take, writer);
            }

            #[inline(always)]
            fn encode_attribute(&self, number: u16, writer: &mut $crate::codec::Writer<'_>) {
                let $to = self;
                $crate::codec::EncodePayload::encode_attribute(&$take, number, writer);
            }
        }
    };
}

pub(crate) use {codes, flags, flags_payload, payload};
