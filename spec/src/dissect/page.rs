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

/// The hex column of a line.
#[derive(Default)]
pub(super) struct Hex {
    cells: Vec<String>,
    bytes: usize,
}

impl Hex {
    /// Bytes, in their order.
    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.cells.extend(bytes.iter().map(|byte| format!("{byte:02x}")));
        self.bytes += bytes.len();
        self
    }

    /// A number of `size` bytes in host byte order, in one piece.
    pub(super) fn number(mut self, value: impl Into<u64>, size: usize) -> Self {
        self.cells.push(format!("{:0digits$x}", value.into(), digits = 2 * size));
        self.bytes += size;
        self
    }

    /// Rows of as many cells as fit the column: of bytes, eight.
    fn rows(&self) -> Vec<String> {
        let mut rows = Vec::<String>::new();
        for cell in &self.cells {
            match rows.last_mut() {
                Some(row) if row.len() + 1 + cell.len() <= HEX => {
                    row.push(' ');
                    row.push_str(cell);
                }
                _ => rows.push(cell.clone()),
            }
        }
        rows
    }

    /// Padding, in parentheses.
    pub(super) fn padding(self, bytes: &[u8]) -> Self {
        let first = self.cells.len();
        let mut padded = self.bytes(bytes);
        if !bytes.is_empty() {
            padded.cells.get_mut(first).into_iter().for_each(|cell| cell.insert(0, '('));
            padded.cells.last_mut().into_iter().for_each(|cell| cell.push(')'));
        }
        padded
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
    pub(super) fn field(&mut self, name: impl fmt::Display, hex: &Hex, meaning: impl fmt::Display) -> fmt::Result {
        self.line(&name.to_string(), "", hex, &meaning.to_string())
    }

    /// Prints an attribute, or the header of a nest: `header` is length and type.
    pub(super) fn attribute(
        &mut self,
        name: impl fmt::Display,
        header: (u16, u16),
        hex: &Hex,
        meaning: impl fmt::Display,
    ) -> fmt::Result {
        let (length, kind) = header;
        self.line(&name.to_string(), &format!("{length:04x} {kind:04x}"), hex, &meaning.to_string())?;
        self.offset += size_of_val(&header);
        Ok(())
    }

    fn line(&mut self, name: &str, header: &str, hex: &Hex, meaning: &str) -> fmt::Result {
        let mut rows = hex.rows().into_iter();
        self.row(name, header, &rows.next().unwrap_or_default(), meaning)?;
        for row in rows {
            self.row("", "", &row, "")?;
        }
        self.offset += hex.bytes;
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
