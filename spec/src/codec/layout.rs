//! Fixed layouts: C structs without attributes, read and written field by field by `deku`.

use std::any::type_name;

use deku::ctx::Endian;
use deku::no_std_io::{self, Cursor, ErrorKind, Seek, SeekFrom, Write};
use deku::reader::Reader;
use deku::{DekuReader, DekuSize, DekuWriter};

use super::{DecodeErrorKind, EncodeError, NLA_HEADER, Writer, align};

/// Declares fields in host byte order: `#[deku(endian = "NATIVE")]` on a struct or a field.
pub const NATIVE: Endian = Endian::new();

/// Reads and writes a C struct of a fixed size: a message header, or the payload of an attribute whose struct says
/// `#[nla(layout)]`.
///
/// To implement it, derive `Default` and the `DekuRead`, `DekuWrite` and `DekuSize` of the crate
/// [`deku`](https://docs.rs/deku). deku reads and writes one field after the other, without gaps. Declare the padding that
/// a C compiler inserts as a field. Always say the byte order: without `endian`, deku uses host byte order.
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
    fn read(bytes: &[u8]) -> Result<Self, DecodeErrorKind> {
        // With the length checked first, each field is one load.
        let Some(layout) = bytes.get(..Self::SIZE) else {
            return Err(DecodeErrorKind::TooShort { found: bytes.len(), expected: Self::SIZE });
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

    /// Writes the layout over the front of `bytes`.
    ///
    /// # Errors
    /// [`EncodeError::NoRoom`]: `bytes` are fewer. Those of [`append_to`](Self::append_to). `bytes` are then as they were.
    #[inline(always)]
    fn write_to(&self, bytes: &mut [u8]) -> Result<(), EncodeError> {
        match bytes.get_mut(..Self::SIZE) {
            Some(front) => with_bytes(self, |layout| front.copy_from_slice(layout)),
            None => Err(EncodeError::NoRoom(Self::SIZE)),
        }
    }

    /// Changes the layout at the front of `bytes`.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), for the bytes as they are and for the changed value. `bytes` are then as they were.
    #[inline(always)]
    fn edit(bytes: &mut [u8], edit: impl FnOnce(&mut Self)) -> Result<(), DecodeErrorKind> {
        let mut value = Self::read(bytes)?;
        edit(&mut value);
        value.write_to(bytes).map_err(|_| invalid::<Self>())
    }
}

// A type that lacks some of the traits gets one error, about `Layout`, not one for each trait.
#[diagnostic::do_not_recommend]
impl<T: Default + for<'a> DekuReader<'a> + DekuWriter + DekuSize> Layout for T {}

/// Holds the functions of a layout, for the derive. Generated code requires the trait only to get this value, so a type
/// that is not a layout is one error.
#[doc(hidden)]
#[derive(Debug)]
pub struct LayoutFunctions<T> {
    /// [`Layout::SIZE`]
    pub size: usize,
    /// Bytes of an attribute with this payload: header, payload, padding.
    pub space: usize,
    /// A value to decode into.
    pub vacant: fn() -> T,
    /// [`Layout::read`]
    pub read: fn(&[u8]) -> Result<T, DecodeErrorKind>,
    /// [`Layout::append_to`]
    pub append: fn(&T, &mut Writer<'_>),
    /// [`Layout::write_to`]
    pub write: fn(&T, &mut [u8]) -> Result<(), EncodeError>,
}

impl<T: Layout> LayoutFunctions<T> {
    const ALL: Self = Self {
        size: T::SIZE,
        space: align(T::SIZE.saturating_add(NLA_HEADER)),
        vacant: T::default,
        read: T::read,
        append: |value, writer| {
            if let Err(error) = value.append_to(writer.buffer()) {
                writer.fail(error);
            }
        },
        write: T::write_to,
    };
}

/// Returns the functions of `T`.
#[doc(hidden)]
#[must_use]
pub const fn layout_functions<T: Layout>() -> LayoutFunctions<T> {
    LayoutFunctions::ALL
}

/// Calls `take` with the bytes of a layout. They are written to the stack first, because in a place of constant length each
/// field is one store.
#[inline(always)]
fn with_bytes<T: Layout>(value: &T, take: impl FnOnce(&[u8])) -> Result<(), EncodeError> {
    // Longer than most C structs of netlink protocols.
    let mut usual = [0; 256];
    match usual.get_mut(..T::SIZE) {
        Some(bytes) => write(value, bytes, take),
        None => write(value, &mut vec![0; T::SIZE], take),
    }
}

#[inline(always)]
fn write<T: Layout>(value: &T, bytes: &mut [u8], take: impl FnOnce(&[u8])) -> Result<(), EncodeError> {
    match value.to_writer(&mut deku::writer::Writer::new(Output(Cursor::new(&mut *bytes))), ()) {
        Ok(()) => {
            take(bytes);
            Ok(())
        }
        Err(_) => Err(EncodeError::InvalidLayout),
    }
}

fn invalid<T>() -> DecodeErrorKind {
    DecodeErrorKind::InvalidLayout(type_name::<T>())
}

/// Writes to a slice. `Cursor` alone writes in a loop, which costs ten times as much where it is not inlined.
struct Output<'a>(Cursor<&'a mut [u8]>);

impl Write for Output<'_> {
    #[inline(always)]
    fn write_all(&mut self, bytes: &[u8]) -> no_std_io::Result<()> {
        let end = self.0.position().saturating_add(bytes.len() as u64);
        let at = usize::try_from(self.0.position()).unwrap_or(usize::MAX);
        let place = self.0.get_mut().get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()));
        place.ok_or(ErrorKind::WriteZero)?.copy_from_slice(bytes);
        self.0.set_position(end);
        Ok(())
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> no_std_io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    #[inline]
    fn flush(&mut self) -> no_std_io::Result<()> {
        Ok(())
    }
}

impl Seek for Output<'_> {
    #[inline]
    fn seek(&mut self, to: SeekFrom) -> no_std_io::Result<u64> {
        self.0.seek(to)
    }
}
