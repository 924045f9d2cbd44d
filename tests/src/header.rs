//! Reads the enums and numeric macros of a C header: as much of C as netfilter's headers need.

use std::fmt;
use std::fs;
use std::ops::{Add, BitOr, Sub};

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_until, take_while};
use nom::character::complete::{alpha1, hex_digit1, multispace0, not_line_ending, space1, u32 as decimal};
use nom::combinator::{all_consuming, map_opt, map_res, opt, recognize};
use nom::error::Error;
use nom::multi::fold_many0;
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

/// A header of the kernel's.
#[derive(Debug)]
pub struct Header {
    path: String,
    members: Vec<Member>,
}

/// A constant of an enum, or a macro.
#[derive(Debug)]
pub struct Member {
    /// The enum's name; for a macro outside enums, empty.
    pub of: String,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: u32,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl Header {
    /// Reads the installed header `name` of `/usr/include/linux`.
    ///
    /// # Panics
    /// It is not installed, or not understood.
    #[must_use]
    pub fn read(name: &str) -> Self {
        let path = format!("/usr/include/linux/{name}");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!(
                "{path}: {error}\nThis test compares the declarations with the kernel's header: \
                    install linux-libc-dev (Debian, Ubuntu), kernel-headers (Fedora) or linux-headers (Alpine)"
            )
        });
        let mut header = Self { path, members: Vec::new() };
        header.parse(&without_comments(&text));
        assert!(!header.members.is_empty(), "{header}: no enum was found");
        header
    }

    /// Every constant, in order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether there is an enum of this name.
    #[must_use]
    pub fn has_enum(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.of == name)
    }

    /// The value of a constant.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<u32> {
        self.members.iter().find(|member| member.name == name).map(|member| member.value)
    }

    fn parse(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            if let Ok((after, (of, body))) = enumeration(rest) {
                self.parse_enum(of, body);
                rest = after;
            } else if let Ok((after, (name, value))) = definition(rest) {
                self.define("", name, value);
                rest = after;
            } else {
                rest = rest.split_once('\n').map_or("", |(_, after)| after);
            }
        }
    }

    fn parse_enum(&mut self, of: &str, body: &str) {
        let mut next = 0;
        let mut rest = body;
        while let Ok((after, item)) = item(rest) {
            match item {
                // A macro inside an enum is another name for a member.
                Item::Macro(name, value) => self.define(of, name, value),
                Item::Member(name, value) => {
                    let value = value.map_or(Some(next), |text| self.evaluate(text));
                    let value = value.unwrap_or_else(|| panic!("{self}: cannot evaluate {name}"));
                    self.push(of, name, value);
                    next = value + 1;
                }
            }
            rest = after;
        }
        assert!(rest.trim().is_empty(), "{self}: cannot read {rest:?} in enum {of}");
    }

    /// Adds a macro, if it is a number.
    fn define(&mut self, of: &str, name: &str, value: &str) {
        if let Some(value) = self.evaluate(value) {
            self.push(of, name, value);
        }
    }

    fn push(&mut self, of: &str, name: &str, value: u32) {
        self.members.push(Member { of: of.to_owned(), name: name.to_owned(), value });
    }

    /// The value of an expression of numbers and constants.
    fn evaluate(&self, text: &str) -> Option<u32> {
        all_consuming(|input| self.union(input)).parse_complete(text).ok().map(|(_, value)| value)
    }

    /// `a | b`
    fn union<'t>(&self, input: &'t str) -> IResult<&'t str, u32> {
        let (input, first) = self.shift(input)?;
        fold_many0(preceded(symbol("|"), |input| self.shift(input)), move || first, BitOr::bitor).parse_complete(input)
    }

    /// `a << b`
    fn shift<'t>(&self, input: &'t str) -> IResult<&'t str, u32> {
        let (input, first) = self.sum(input)?;
        let (input, bits) = opt(preceded(symbol("<<"), |input| self.sum(input))).parse_complete(input)?;
        Ok((input, first << bits.unwrap_or(0)))
    }

    /// `a + b - c`
    fn sum<'t>(&self, input: &'t str) -> IResult<&'t str, u32> {
        let (input, first) = self.term(input)?;
        let operator = alt((symbol("+").map(|_| Add::add as fn(u32, u32) -> u32), symbol("-").map(|_| Sub::sub as _)));
        let apply = |left, (operator, right): (fn(u32, u32) -> u32, u32)| operator(left, right);
        fold_many0((operator, |input| self.term(input)), move || first, apply).parse_complete(input)
    }

    /// `(a)`, a number, or a constant.
    fn term<'t>(&self, input: &'t str) -> IResult<&'t str, u32> {
        let in_parentheses = delimited(symbol("("), |input| self.union(input), symbol(")"));
        let hexadecimal = preceded(tag("0x"), map_res(hex_digit1, |digits| u32::from_str_radix(digits, 16)));
        let constant = map_opt(identifier, |name| self.value(name));
        let number = delimited(multispace0, alt((hexadecimal, decimal, constant)), multispace0);
        alt((in_parentheses, number)).parse_complete(input)
    }
}

/// What stands in an enum: a name, and the text of its value.
enum Item<'t> {
    Macro(&'t str, &'t str),
    Member(&'t str, Option<&'t str>),
}

/// `enum name { body }`; the body of none of these headers has braces. What has no name is skipped.
fn enumeration(input: &str) -> IResult<&str, (&str, &str)> {
    let name = preceded((multispace0, tag("enum"), space1), identifier);
    let body = delimited((multispace0, tag("{")), take_until("}"), tag("}"));
    (name, body).parse_complete(input)
}

/// `#define name value`, up to the end of the line.
fn definition(input: &str) -> IResult<&str, (&str, &str)> {
    let name = preceded((multispace0, tag("#define"), space1), identifier);
    (name, not_line_ending).parse_complete(input)
}

fn item(input: &str) -> IResult<&str, Item<'_>> {
    let value = preceded(symbol("="), is_not(","));
    let member = terminated((identifier, opt(value)), (multispace0, opt(tag(","))));
    let member = preceded(multispace0, member).map(|(name, value)| Item::Member(name, value));
    alt((definition.map(|(name, value)| Item::Macro(name, value)), member)).parse_complete(input)
}

fn identifier(input: &str) -> IResult<&str, &str> {
    recognize((alt((alpha1, tag("_"))), take_while(is_word))).parse_complete(input)
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// A token, with blanks around it.
fn symbol<'t>(token: &'static str) -> impl Parser<&'t str, Output = &'t str, Error = Error<&'t str>> {
    delimited(multispace0, tag(token), multispace0)
}

fn without_comments(text: &str) -> String {
    let mut parts = text.split("/*");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once("*/").map_or("", |(_, code)| code))
}
