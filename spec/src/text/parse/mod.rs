//! Reading what is printed.

mod key;
mod name;
mod tuple;
mod words;

pub use words::{TextError, TextErrorKind, Word, Words};
