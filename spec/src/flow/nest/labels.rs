//! `CTA_LABELS`.

use std::fmt;

use crate::codec::{
    Choose, DecodeError, DecodeErrorKind, DecodePayload, EncodePayload, Mode, Stream, TooLong, Wire, Writer,
};

/// The 128 labels of a flow: bits that rules can set and match.
///
/// Encoding always writes sixteen bytes, because the kernel clears the labels behind a shorter value, even under a mask.
/// Decoding takes any multiple of four bytes up to sixteen, as the kernel does (`ctnetlink_attach_labels`,
/// `net/netfilter/nf_conntrack_netlink.c`), and more if no label above 127 is set. A flow can only have labels if it was
/// created while a rule of its namespace used some.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Labels(pub [u8; 16]);

const SIZE: usize = 16;
/// The kernel works on words of 32 bits.
const WORD: usize = 4;
const WIRE: Wire = Wire::Bytes { min: 0, max: Some(SIZE) };

/// The labels of a payload; words that it does not have are filled with `rest`.
fn read(payload: &[u8], rest: u8) -> Result<[u8; SIZE], DecodeError> {
    let found = payload.len();
    let mut labels = [rest; SIZE];
    match labels.get_mut(..found) {
        Some(_) if !found.is_multiple_of(WORD) => {
            Err(DecodeErrorKind::TooShort { found, expected: found.next_multiple_of(WORD) }.into())
        }
        Some(place) => {
            place.copy_from_slice(payload);
            Ok(labels)
        }
        None => match payload.split_first_chunk() {
            Some((labels, above)) if above.iter().all(|byte| *byte == 0) => Ok(*labels),
            _ => Err(DecodeErrorKind::TooLong { found, limit: SIZE }.into()),
        },
    }
}

impl DecodePayload for Labels {
    const WIRE: Wire = WIRE;

    #[inline(always)]
    fn vacant() -> Self {
        Self::default()
    }

    fn decode_payload(payload: &[u8], _: Mode) -> Result<Self, DecodeError> {
        read(payload, 0).map(Self)
    }

    #[inline(always)]
    fn decode_next(number: u16, stream: &mut Stream<'_>) -> Option<Self> {
        stream.expect::<SIZE>(number).copied().map(Self)
    }
}

impl EncodePayload for Labels {
    #[inline(always)]
    fn encode_payload(&self, writer: &mut Writer<'_>) {
        writer.bytes(&self.0);
    }
}

/// `CTA_LABELS_MASK`: the payload of a mask of labels.
///
/// The kernel clears the labels behind a value and a mask that are shorter than sixteen bytes. So a mask that has fewer
/// is one that covers all of those.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LabelMask(Labels);

impl DecodePayload for LabelMask {
    const WIRE: Wire = WIRE;

    #[inline(always)]
    fn vacant() -> Self {
        Self(Labels::default())
    }

    fn decode_payload(payload: &[u8], _: Mode) -> Result<Self, DecodeError> {
        read(payload, 0xff).map(|mask| Self(Labels(mask)))
    }
}

impl EncodePayload for LabelMask {
    #[inline(always)]
    fn encode_payload(&self, writer: &mut Writer<'_>) {
        self.0.encode_payload(writer);
    }
}

impl From<LabelMask> for Labels {
    fn from(mask: LabelMask) -> Self {
        mask.0
    }
}

impl Choose<LabelMask> for Labels {
    #[inline(always)]
    fn choose(&self) -> Option<LabelMask> {
        Some(LabelMask(*self))
    }
}

/// The byte and the bit of label `bit`: the kernel keeps labels in an array of native `unsigned long`.
const fn place(bit: u8) -> (usize, u8) {
    let byte = (bit / 8) as usize % 16;
    let in_word = size_of::<usize>() - 1;
    let byte = if cfg!(target_endian = "big") { byte ^ in_word } else { byte };
    (byte, 1 << (bit % 8))
}

impl Labels {
    /// Whether label `bit`, 0 to 127, is set; no other ever is.
    #[must_use]
    pub fn contains(&self, bit: u8) -> bool {
        let (byte, mask) = place(bit);
        bit < 128 && self.0.get(byte).is_some_and(|value| value & mask != 0)
    }

    /// Sets label `bit`, 0 to 127; false if there is no such label.
    pub fn insert(&mut self, bit: u8) -> bool {
        let (byte, mask) = place(bit);
        match self.0.get_mut(byte) {
            Some(value) if bit < 128 => {
                *value |= mask;
                true
            }
            _ => false,
        }
    }

    /// The labels that are set, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..128).filter(|bit| self.contains(*bit))
    }

    /// Whether none is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 16]
    }
}

impl FromIterator<u8> for Labels {
    /// The labels `bits`; those above 127 do not exist and are left out.
    fn from_iter<I: IntoIterator<Item = u8>>(bits: I) -> Self {
        let mut labels = Self::default();
        for bit in bits {
            labels.insert(bit);
        }
        labels
    }
}

impl TryFrom<&[u8]> for Labels {
    type Error = TooLong;

    /// The labels from their bytes, in the kernel's layout; what is missing to sixteen is zero.
    fn try_from(bytes: &[u8]) -> Result<Self, TooLong> {
        let mut labels = Self::default();
        let too_long = TooLong::Length { length: bytes.len(), limit: labels.0.len() };
        labels.0.get_mut(..bytes.len()).ok_or(too_long)?.copy_from_slice(bytes);
        Ok(labels)
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Labels")?;
        f.debug_set().entries(self.iter()).finish()
    }
}
