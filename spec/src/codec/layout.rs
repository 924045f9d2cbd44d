//! Fixed layouts: C structs without attributes, read and written field by field by `deku`.

use std::any::type_name;

use deku::ctx::Endian;
use deku::no_std_io::Cursor;
use deku::reader::Reader;
use deku::writer::Writer as DekuOutput;
use deku::{DekuReader, DekuSize, DekuWriter};

use super::{DecodeError, DecodeErrorKind, EncodeError, Writer};

/// Declares fields in host byte order: `#[deku(endian = "NATIVE")]` on a struct or a field.
pub const NATIVE: Endian = Endian::new();

/// A C struct of a fixed size: the header of a message, or the payload of an attribute whose struct says
/// `#[nla(layout)]`.
///
/// Every type implements it that derives `DekuRead`, `DekuWrite` and `DekuSize` of the crate
/// [`deku`](https://docs.rs/deku) and has a `Default`. deku reads and writes the fields one by one, without gaps: a gap
/// that a C compiler leaves is declared as a field of bytes. Say the byte order: without `endian`, deku takes host byte
/// order.
///
/// ```
/// use conntrack_spec::codec::{Layout, NATIVE};
/// use deku::{DekuRead, DekuSize, DekuWrite};
///
/// /// `struct ifinfomsg`
/// #[derive(Debug, Default, PartialEq, DekuRead, DekuWrite, DekuSize)]
/// #[deku(endian = "NATIVE")]
/// struct IfInfoMsg {
///     family: u8,
///     padding: u8,
///     kind: u16,
///     index: i32,
///     flags: u32,
///     change: u32,
/// }
///
/// let header = IfInfoMsg { index: 1, ..IfInfoMsg::default() };
/// let mut bytes = Vec::new();
/// header.append_to(&mut bytes)?;
/// assert_eq!(bytes.len(), IfInfoMsg::SIZE);
/// assert_eq!(IfInfoMsg::read(&bytes)?, header);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a fixed layout",
    label = "needs deku's derives and a default: `#[derive(Default, DekuRead, DekuWrite, DekuSize)]`"
)]
pub trait Layout: Default + for<'a> DekuReader<'a> + DekuWriter + DekuSize {
    /// Its length in bytes.
    const SIZE: usize = match Self::SIZE_BYTES {
        Some(size) => size,
        None => panic!("a fixed layout ends at the end of a byte"),
    };

    /// Reads the layout at the front of `bytes`; more bytes than it has are ignored, as for integers.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`]: there are fewer bytes. [`DecodeErrorKind::InvalidLayout`]: a condition of the
    /// declaration, such as `#[deku(assert = "…")]`, is not met.
    #[inline(always)]
    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        // With the length checked first, each field is one load.
        let Some(layout) = bytes.get(..Self::SIZE) else {
            return Err(DecodeErrorKind::TooShort { found: bytes.len(), expected: Self::SIZE }.into());
        };
        Self::from_reader_with_ctx(&mut Reader::new(Cursor::new(layout)), ()).map_err(|_| invalid::<Self>())
    }

    /// Appends the layout to `buffer`.
    ///
    /// # Errors
    /// [`EncodeError::InvalidLayout`]: a condition of the declaration, such as `#[deku(assert = "…")]`, is not met;
    /// `buffer` is then as it was.
    #[inline(always)]
    fn append_to(&self, buffer: &mut Vec<u8>) -> Result<(), EncodeError> {
        with_bytes(self, |bytes| buffer.extend_from_slice(bytes))
    }

    /// Changes the layout at the front of `bytes`.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), for the bytes as they are and for the changed value; `bytes` are then as they
    /// were.
    #[inline(always)]
    fn edit(bytes: &mut [u8], edit: impl FnOnce(&mut Self)) -> Result<(), DecodeError> {
        let mut value = Self::read(bytes)?;
        edit(&mut value);
        let write = |new: &[u8]| bytes.iter_mut().zip(new).for_each(|(byte, new)| *byte = *new);
        with_bytes(&value, write).map_err(|_| invalid::<Self>())
    }

    /// For the derive: [`append_to`](Self::append_to) a payload.
    #[doc(hidden)]
    #[inline(always)]
    fn encode(&self, writer: &mut Writer<'_>) {
        if let Err(error) = self.append_to(writer.buffer()) {
            writer.fail(error);
        }
    }

    /// For the derive: a value to decode into.
    #[doc(hidden)]
    #[inline(always)]
    #[must_use]
    fn vacant() -> Self {
        Self::default()
    }
}

// What is missing is one error, about `Layout`, not one for each of the traits.
#[diagnostic::do_not_recommend]
impl<T: Default + for<'a> DekuReader<'a> + DekuWriter + DekuSize> Layout for T {}

/// Calls `take` with the bytes of a layout.
///
/// They are written to the stack first: in a place of constant length, each field is one store.
#[inline(always)]
fn with_bytes<T: Layout>(value: &T, take: impl FnOnce(&[u8])) -> Result<(), EncodeError> {
    /// Longer than most C structs of netlink protocols.
    const USUAL: usize = 256;
    let (mut short, mut long);
    let bytes = if T::SIZE <= USUAL {
        short = [0; USUAL];
        short.get_mut(..T::SIZE).unwrap_or_default()
    } else {
        long = vec![0; T::SIZE];
        &mut long[..]
    };
    match value.to_writer(&mut DekuOutput::new(Cursor::new(&mut *bytes)), ()) {
        Ok(()) => {
            take(bytes);
            Ok(())
        }
        Err(_) => Err(EncodeError::InvalidLayout(type_name::<T>())),
    }
}

#[cold]
fn invalid<T>() -> DecodeError {
    DecodeErrorKind::InvalidLayout(type_name::<T>()).into()
}
