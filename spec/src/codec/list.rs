//! Fields that hold several values.

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

/// The elements in the order of their attribute numbers.
#[doc(hidden)]
#[must_use]
pub fn elements_in_order<T>(mut list: Vec<(u16, T)>) -> Vec<T> {
    list.sort_by_key(|(number, _)| *number);
    list.into_iter().map(|(_, element)| element).collect()
}
