//! Reads the enums and numeric macros of a C header: as much of C as netfilter's headers need.

use std::fmt;
use std::fs;

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
        let mut of = String::new();
        let mut next = 0;
        let mut statement = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(definition) = line.strip_prefix("#define ") {
                let mut words = definition.split_whitespace();
                let (name, value) = (words.next().unwrap_or_default(), words.collect::<Vec<_>>().join(" "));
                // A macro inside an enum is another name for a member.
                if let Some(value) = self.evaluate(&value) {
                    self.push(&of, name, value);
                }
            } else if let Some(name) = line.strip_prefix("enum ").and_then(|line| line.strip_suffix('{')) {
                name.trim().clone_into(&mut of);
                next = 0;
            } else if !of.is_empty() && !line.starts_with('#') {
                statement.push_str(line);
                let closed = line.starts_with('}');
                // A member ends at a comma; the last one, at the brace.
                if line.ends_with(',') || closed {
                    for member in std::mem::take(&mut statement).trim_end_matches("};").split(',') {
                        self.member(&of, member.trim(), &mut next);
                    }
                }
                if closed {
                    of.clear();
                }
            }
        }
    }

    /// `NAME` or `NAME = expression`.
    fn member(&mut self, of: &str, text: &str, next: &mut u32) {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.trim(), self.evaluate(value)),
            None => (text, Some(*next)),
        };
        if name.is_empty() {
            return;
        }
        let value = value.unwrap_or_else(|| panic!("{self}: cannot evaluate {text}"));
        self.push(of, name, value);
        *next = value + 1;
    }

    fn push(&mut self, of: &str, name: &str, value: u32) {
        self.members.push(Member { of: of.to_owned(), name: name.to_owned(), value });
    }

    /// Sums, differences, shifts and unions of numbers and constants.
    fn evaluate(&self, text: &str) -> Option<u32> {
        let text = text.replace(['(', ')'], " ");
        let fold = |operator: &str, start: u32, apply: fn(u32, u32) -> Option<u32>| {
            text.split(operator).try_fold(start, |total, part| apply(total, self.evaluate(part)?))
        };
        if text.contains('|') {
            fold("|", 0, |left, right| Some(left | right))
        } else if let Some((left, right)) = text.split_once("<<") {
            self.evaluate(left)?.checked_shl(self.evaluate(right)?)
        } else if text.contains('+') {
            fold("+", 0, u32::checked_add)
        } else if let Some((left, right)) = text.split_once(" - ") {
            self.evaluate(left)?.checked_sub(self.evaluate(right)?)
        } else {
            let word = text.trim();
            match word.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16).ok(),
                None => word.parse().ok().or_else(|| self.value(word)),
            }
        }
    }
}

fn without_comments(text: &str) -> String {
    let mut parts = text.split("/*");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once("*/").map_or("", |(_, code)| code))
}
