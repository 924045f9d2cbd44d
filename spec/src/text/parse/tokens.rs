//! Words, and what can be wrong with one.

use std::fmt;
use std::str::FromStr;

use crate::names;

/// A text that does not say what it was read for. Printed: `"sport=http" at byte 30: expected a number of 16 bits`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextError {
    /// What is wrong.
    pub kind: TextErrorKind,
    /// The word that is; empty if the text ends where there should be more.
    pub word: String,
    /// The byte of the text at which it begins.
    pub at: usize,
}

/// What is wrong with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextErrorKind {
    /// It is none of those that can be here.
    Unknown {
        /// Those that can.
        known: &'static str,
    },
    /// It was there before.
    Repeated,
    /// It has a value that is none of its kind.
    Value {
        /// The kind.
        expected: &'static str,
    },
    /// The protocol does not have it.
    NotOfProtocol,
    /// IPv4 and IPv6 are mixed.
    MixedFamilies,
    /// The lower end of a range is above its upper end.
    Range,
    /// Something is missing.
    Missing {
        /// What.
        word: &'static str,
    },
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let TextErrorKind::Missing { word } = self.kind {
            return write!(f, "{word} is missing");
        }
        write!(f, "{:?} at byte {}: ", self.word, self.at)?;
        match self.kind {
            TextErrorKind::Unknown { known } => write!(f, "unknown, expected one of {known}"),
            TextErrorKind::Repeated => f.write_str("given before"),
            TextErrorKind::Value { expected } => write!(f, "expected {expected}"),
            TextErrorKind::NotOfProtocol => f.write_str("the protocol does not have it"),
            TextErrorKind::MixedFamilies => f.write_str("IPv4 and IPv6 are mixed"),
            TextErrorKind::Range => f.write_str("the lower end is above the upper end"),
            TextErrorKind::Missing { .. } => Ok(()),
        }
    }
}

impl std::error::Error for TextError {}

/// A word of a text: `name=value`, or a value alone, which then has no name.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Word<'a> {
    pub name: &'a str,
    pub value: &'a str,
    text: &'a str,
    at: usize,
}

/// The words of a text, which blanks separate.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The error that `word` is missing at the end of the text.
    pub fn missing(&self, word: &'static str) -> TextError {
        TextError { kind: TextErrorKind::Missing { word }, word: String::new(), at: self.text.len() }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let rest = self.text.get(self.at..)?;
        let blanks = rest.find(|c: char| !c.is_whitespace())?;
        let rest = rest.get(blanks..)?;
        let text = rest.get(..rest.find(char::is_whitespace).unwrap_or(rest.len()))?;
        let at = self.at + blanks;
        self.at = at + text.len();
        let (name, value) = text.split_once('=').unwrap_or(("", text));
        Some(Word { name, value, text, at })
    }
}

impl Word<'_> {
    /// An error about this word.
    pub fn error(&self, kind: TextErrorKind) -> TextError {
        TextError { kind, word: self.text.to_owned(), at: self.at }
    }

    /// What `parse` makes of the value.
    ///
    /// # Errors
    /// Nothing.
    pub fn parse_with<T>(&self, expected: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, TextError> {
        parse(self.value).ok_or_else(|| self.error(TextErrorKind::Value { expected }))
    }

    /// The value.
    ///
    /// # Errors
    /// It is none.
    pub fn parse<T: FromStr>(&self, expected: &'static str) -> Result<T, TextError> {
        self.parse_with(expected, |value| value.parse().ok())
    }

    /// Keeps the value of a word that may be there once.
    ///
    /// # Errors
    /// It was there before.
    pub fn set<T>(&self, field: &mut Option<T>, value: T) -> Result<(), TextError> {
        match field.replace(value) {
            None => Ok(()),
            Some(_) => Err(self.error(TextErrorKind::Repeated)),
        }
    }
}

/// A number, decimal or, after `0x`, hexadecimal.
pub(super) fn u16_or_hex(text: &str) -> Option<u16> {
    match names::hex(text) {
        Some(number) => number.try_into().ok(),
        None => text.parse().ok(),
    }
}
