//! Lines and columns.

use std::fmt;

/// Where the columns begin is fixed, so that one line of a snapshot does not move the others.
const NAME: usize = 40;
const HEADER: usize = 9;
/// Eight bytes, and the parentheses around padding.
const HEX: usize = 25;

/// What has been printed, and where the next line goes.
pub(super) struct Page<'p, 'f> {
    f: &'p mut fmt::Formatter<'f>,
    depth: usize,
    /// Bytes printed so far, which is the offset of the next line.
    offset: usize,
    first: bool,
}

/// The hex column of a line: what there is of these three, in this order.
#[derive(Default)]
pub(super) struct Hex<'a> {
    /// A number and its bytes.
    number: Option<(u64, usize)>,
    bytes: &'a [u8],
    padding: &'a [u8],
}

impl<'a> Hex<'a> {
    /// A number of `size` bytes in host byte order, in one piece.
    pub(super) fn number(self, value: impl Into<u64>, size: usize) -> Self {
        Self { number: Some((value.into(), size)), ..self }
    }

    /// Bytes, in their order.
    pub(super) fn bytes(self, bytes: &'a [u8]) -> Self {
        Self { bytes, ..self }
    }

    /// Padding, in parentheses.
    pub(super) fn padding(self, padding: &'a [u8]) -> Self {
        Self { padding, ..self }
    }

    /// How many bytes it shows.
    fn size(&self) -> usize {
        self.number.map_or(0, |(_, size)| size) + self.bytes.len() + self.padding.len()
    }

    fn cells(&self) -> impl Iterator<Item = String> {
        let number = self.number.map(|(value, size)| format!("{value:0digits$x}", digits = 2 * size));
        let bytes = self.bytes.iter().map(|byte| format!("{byte:02x}"));
        let last = self.padding.len().saturating_sub(1);
        let padding = self.padding.iter().enumerate().map(move |(at, byte)| {
            let (open, close) = (if at == 0 { "(" } else { "" }, if at == last { ")" } else { "" });
            format!("{open}{byte:02x}{close}")
        });
        number.into_iter().chain(bytes).chain(padding)
    }

    /// Rows of as many cells as fit the column: of bytes, eight. They are made one by one, since there can be very many.
    fn rows(&self) -> impl Iterator<Item = String> {
        let mut cells = self.cells().peekable();
        std::iter::from_fn(move || {
            let mut row = cells.next()?;
            while let Some(cell) = cells.next_if(|cell| row.len() + 1 + cell.len() <= HEX) {
                row.push(' ');
                row.push_str(&cell);
            }
            Some(row)
        })
    }
}

impl<'p, 'f> Page<'p, 'f> {
    pub(super) fn new(f: &'p mut fmt::Formatter<'f>) -> Self {
        Self { f, depth: 0, offset: 0, first: true }
    }

    /// Prints `content` one level further in.
    pub(super) fn indented(&mut self, content: impl FnOnce(&mut Self) -> fmt::Result) -> fmt::Result {
        self.depth += 1;
        let result = content(self);
        self.depth -= 1;
        result
    }

    /// Prints an empty line, if anything is above it.
    pub(super) fn gap(&mut self) -> fmt::Result {
        if self.first { Ok(()) } else { self.f.write_str("\n") }
    }

    /// Prints the name of what is below it.
    pub(super) fn title(&mut self, name: &str) -> fmt::Result {
        self.row(name, "", "", "")
    }

    /// Prints bytes that are not an attribute.
    pub(super) fn field(&mut self, name: impl fmt::Display, hex: &Hex<'_>, meaning: impl fmt::Display) -> fmt::Result {
        self.line(&name.to_string(), "", hex, &meaning.to_string())
    }

    /// Prints an attribute, or the header of a nest: `header` is length and type.
    pub(super) fn attribute(
        &mut self,
        name: impl fmt::Display,
        header: (u16, u16),
        hex: &Hex<'_>,
        meaning: impl fmt::Display,
    ) -> fmt::Result {
        let (length, kind) = header;
        self.line(&name.to_string(), &format!("{length:04x} {kind:04x}"), hex, &meaning.to_string())?;
        self.offset += size_of_val(&header);
        Ok(())
    }

    fn line(&mut self, name: &str, header: &str, hex: &Hex<'_>, meaning: &str) -> fmt::Result {
        let mut rows = hex.rows();
        self.row(name, header, &rows.next().unwrap_or_default(), meaning)?;
        for row in rows {
            self.row("", "", &row, "")?;
        }
        self.offset += hex.size();
        Ok(())
    }

    fn row(&mut self, name: &str, header: &str, hex: &str, meaning: &str) -> fmt::Result {
        let name = format!("{:indent$}{name}", "", indent = 2 * self.depth);
        let row = format!("{name:NAME$}  {header:HEADER$}  {hex:HEX$}  {meaning}");
        let offset = match (self.f.alternate(), name.trim()) {
            (false, _) => String::new(),
            (true, "") => format!("{:7}", ""),
            (true, _) => format!("{:5}  ", self.offset),
        };
        let start = if std::mem::take(&mut self.first) { "" } else { "\n" };
        write!(self.f, "{start}{}", format!("{offset}{row}").trim_end())
    }
}
