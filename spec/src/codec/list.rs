//! Fields that hold several values.

use super::{DecodeError, DecodeErrorKind, DecodeField};

/// The type of a field that is `repeated`, a range, or `rest`: a `Vec`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot hold several attributes",
    label = "a field that is `repeated`, a range or `rest` is a `Vec`"
)]
pub trait List {
    /// What one attribute holds.
    type Element;

    /// The elements, in order.
    #[doc(hidden)]
    fn elements(&self) -> &[Self::Element];

    /// The list of these elements.
    #[doc(hidden)]
    fn from_elements(elements: Vec<Self::Element>) -> Self;
}

impl<T> List for Vec<T> {
    type Element = T;

    #[inline(always)]
    fn elements(&self) -> &[T] {
        self
    }

    #[inline(always)]
    fn from_elements(elements: Vec<T>) -> Self {
        elements
    }
}

/// Keeps the element with attribute number `number`; of two with one number the last one counts, as everywhere.
#[doc(hidden)]
pub fn replace_element<T>(list: &mut Vec<(u16, T)>, number: u16, element: T) {
    list.retain(|(other, _)| *other != number);
    list.push((number, element));
}

/// Puts the elements of the list from attribute `first` on, whose kernel name is `name`, in the order of their numbers.
/// A gap becomes `None`, so that the elements behind it keep their numbers.
///
/// # Errors
/// [`DecodeErrorKind::MissingElement`] for a gap, if elements cannot be `None`.
#[doc(hidden)]
pub fn elements_in_order<F: DecodeField>(
    mut list: Vec<(u16, F::Value)>,
    first: u16,
    name: &'static str,
) -> Result<Vec<F>, DecodeError> {
    list.sort_by_key(|(number, _)| *number);
    let mut elements = Vec::with_capacity(list.len());
    for (number, value) in list {
        let index = number.saturating_sub(first);
        while elements.len() < usize::from(index) {
            if F::REQUIRED {
                let index = u16::try_from(elements.len()).unwrap_or(index);
                return Err(DecodeErrorKind::MissingElement { list: name, index }.into());
            }
            elements.push(F::vacant());
        }
        let mut element = F::vacant();
        element.set(value);
        elements.push(element);
    }
    Ok(elements)
}
