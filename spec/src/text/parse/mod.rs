//! Reading what is printed.

mod key;
mod spelling;
mod tokens;
mod tuple;

pub use tokens::{TextError, TextErrorKind, Word, Words};
