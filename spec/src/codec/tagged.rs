//! A nest whose meaning another attribute beside it tells: a tag, and content that each of its values has of its own.

use super::{Attribute, DecodeError, DecodeErrorKind, DecodePayload, EncodePayload, Mode, Writer};

/// What an enum says of its variants, for [`tagged!`](crate::tagged) to make a codec of.
pub(crate) trait Tagged: Sized {
    /// What tells.
    type Tag: DecodePayload + EncodePayload + Copy;
    /// The number and name of the attribute that tells.
    const TAG: (u16, &'static str);
    /// The number and name of the nest.
    const CONTENT: (u16, &'static str);

    /// What tells that it is this variant.
    fn tag(&self) -> Self::Tag;

    /// Appends the nest.
    fn encode_content(&self, writer: &mut Writer<'_>);

    /// Decodes the payload of the nest of variant `tag`.
    fn decode_content(tag: Self::Tag, content: &[u8], mode: Mode) -> Result<Self, DecodeError>;
}

/// The two attributes, as far as they have come. Either may come first, and the last of each counts, so that only the
/// end tells what the content is.
#[doc(hidden)]
#[derive(Debug)]
pub struct TaggedSeen<Tag> {
    tag: Option<Tag>,
    content: Option<(Vec<u8>, Mode)>,
}

impl<Tag> Default for TaggedSeen<Tag> {
    fn default() -> Self {
        Self { tag: None, content: None }
    }
}

impl<Tag: DecodePayload + Copy> TaggedSeen<Tag> {
    pub(crate) fn is_empty(&self) -> bool {
        self.tag.is_none() && self.content.is_none()
    }

    pub(crate) fn decode_attribute<T: Tagged<Tag = Tag>>(
        &mut self,
        attribute: Attribute<'_>,
        mode: Mode,
    ) -> Result<bool, DecodeError> {
        let ((tag, tag_name), (content, content_name)) = (T::TAG, T::CONTENT);
        if attribute.number() == tag {
            if !Tag::WIRE.is_padding(attribute.payload()) {
                let tag = Tag::decode_payload(attribute.payload(), mode).map_err(|error| error.within(tag_name))?;
                self.tag = Some(tag);
            }
        } else if attribute.number() == content {
            // Kept first: if it is malformed, another tag may still come.
            self.content = Some((attribute.payload().to_vec(), mode));
            if let Some(tag) = self.tag {
                // In the kernel's order: only here is it known where the content stands, which an error tells.
                T::decode_content(tag, attribute.payload(), mode).map_err(|error| error.within(content_name))?;
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    pub(crate) fn finish<T: Tagged<Tag = Tag>>(self) -> Result<T, DecodeError> {
        let tag = self.tag.ok_or(DecodeErrorKind::Missing(T::TAG.1))?;
        let (content, mode) = self.content.ok_or(DecodeErrorKind::Missing(T::CONTENT.1))?;
        T::decode_content(tag, &content, mode).map_err(|error| error.within(T::CONTENT.1))
    }
}

/// The content of a value, as the payload of its attribute.
pub(crate) struct Content<'a, T>(pub(crate) &'a T);

impl<T: Tagged> EncodePayload for Content<'_, T> {
    const NESTED: bool = true;

    fn encode_payload(&self, writer: &mut Writer<'_>) {
        self.0.encode_content(writer);
    }
}
