//! Enums whose variants share one attribute, and another one tells which of them is in it.
//!
//! One protocol has that, timeout policies; all other choices are among attributes with numbers of their own, which the
//! derive knows.

/// Declares such an enum: the attribute that tells, the attribute that holds the variant, and for each value of the
/// first the struct that is in the second. What has no variant is kept as it came.
macro_rules! tagged {
    ($(#[doc = $doc:literal])* pub enum $type:ident {
        $(#[doc = $tag_doc:literal])* $tag_field:ident: $tag:ident as $tag_type:ident;
        $(#[doc = $content_doc:literal])* $content_field:ident: $content:ident;
        $($(#[doc = $variant_doc:literal])* $value:ident => $variant:ident($struct:ident),)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $type {
            $($(#[doc = $variant_doc])* $variant($struct),)*
            /// Another one, as it came.
            Other {
                $(#[doc = $tag_doc])*
                $tag_field: $tag_type,
                $(#[doc = $content_doc])*
                $content_field: Vec<$crate::codec::RawAttribute>,
            },
        }

        impl $crate::codec::Tagged for $type {
            type Tag = $tag_type;
            const TAG: (u16, &'static str) = ($crate::uapi::$tag, stringify!($tag));
            const CONTENT: (u16, &'static str) = ($crate::uapi::$content, stringify!($content));

            fn tag(&self) -> $tag_type {
                match self {
                    $(Self::$variant(_) => $tag_type::$value,)*
                    Self::Other { $tag_field, .. } => *$tag_field,
                }
            }

            fn encode_content(&self, writer: &mut $crate::codec::Writer<'_>) {
                match self {
                    $(Self::$variant(content) => $crate::codec::Encode::encode_attributes(content, writer),)*
                    Self::Other { $content_field, .. } => {
                        for attribute in $content_field {
                            attribute.encode(writer);
                        }
                    }
                }
            }

            fn decode_content(
                tag: $tag_type,
                content: &[u8],
                mode: $crate::codec::Mode,
            ) -> Result<Self, $crate::codec::DecodeError> {
                Ok(match tag {
                    $($tag_type::$value => Self::$variant($crate::codec::decode_with(content, mode)?),)*
                    $tag_field => {
                        let $crate::codec::RawAttributes { attributes } = $crate::codec::decode_with(content, mode)?;
                        Self::Other { $tag_field, $content_field: attributes }
                    }
                })
            }
        }

        impl $crate::codec::Encode for $type {
            fn encode_attributes(&self, writer: &mut $crate::codec::Writer<'_>) {
                writer.attribute($crate::uapi::$tag, &$crate::codec::Tagged::tag(self));
                writer.attribute($crate::uapi::$content, &$crate::codec::Content(self));
            }
        }

        impl $crate::codec::Decode for $type {
            const SCHEMA: &'static $crate::codec::Schema = &$crate::codec::Schema {
                name: stringify!($type),
                doc: concat!($($doc, "\n"),*),
                entries: &[
                    $crate::tagged::entry!(
                        $tag, $tag_field, [$($tag_doc),*],
                        <$tag_type as $crate::codec::DecodePayload>::WIRE
                    ),
                    $crate::tagged::entry!($content, $content_field, [$($content_doc),*], $crate::codec::Wire::Selected {
                        by: $crate::uapi::$tag,
                        among: &[$(($tag_type::$value.0 as u64, <$struct as $crate::codec::Decode>::SCHEMA)),*],
                    }),
                ],
                choice: None,
                keeps_undeclared: false,
            };

            type Seen = $crate::codec::TaggedSeen<$tag_type>;

            fn vacant() -> Self {
                Self::Other { $tag_field: $crate::codec::DecodePayload::vacant(), $content_field: Vec::new() }
            }

            fn decode_in_order(_: &mut Self, _: &mut Self::Seen, _: &mut $crate::codec::Stream<'_>) {}

            fn decode_attribute(
                _: &mut Self,
                seen: &mut Self::Seen,
                attribute: $crate::codec::Attribute<'_>,
                mode: $crate::codec::Mode,
            ) -> Result<bool, $crate::codec::DecodeError> {
                seen.decode_attribute::<Self>(attribute, mode)
            }

            fn is_empty(seen: &Self::Seen) -> bool {
                seen.is_empty()
            }

            fn finish(value: &mut Self, seen: Self::Seen) -> Result<(), $crate::codec::DecodeError> {
                *value = seen.finish()?;
                Ok(())
            }
        }
    };
}

/// The declaration of one of the two attributes.
macro_rules! entry {
    ($constant:ident, $field:ident, [$($doc:literal),*], $wire:expr) => {
        $crate::codec::Entry::Attribute($crate::codec::SchemaAttribute {
            kernel: stringify!($constant),
            number: $crate::uapi::$constant,
            last: None,
            field: stringify!($field),
            wire: $wire,
            required: true,
            repeated: false,
            direction: $crate::codec::Direction::Both,
            since: None,
            doc: concat!($($doc, "\n"),*),
        })
    };
}

pub(crate) use {entry, tagged};
