//! `CTA_LABELS`.

use std::fmt;

use conntrack_derive::{Decode, Encode};

use crate::codec::TooLong;

/// The 128 labels of a flow: bits that rules can set and match.
///
/// All sixteen bytes always travel, because the kernel clears the labels behind a shorter value, even under a mask. A
/// flow can only have labels if it was created while a rule of its namespace used some.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Encode, Decode)]
#[nla(transparent)]
pub struct Labels(pub [u8; 16]);

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
