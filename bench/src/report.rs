//! What a run says: tables for people, figures for programs.

use std::path::Path;

use serde_json::{Map, Value};

use crate::Outcome;

/// The figures, in the order in which they are written. Ratios are of times: smaller is faster.
const KEYS: [&str; 17] = [
    "dump_vs_floor",
    "dump_projection_vs_floor",
    "dump_parallel_vs_floor",
    "dump_vs_nlink",
    "dump_vs_netlink_bindings",
    "dump_vs_libnetfilter_conntrack",
    "dump_vs_conntrack_crate",
    "decode_ns",
    "decode_vs_netlink_bindings",
    "dump_peak_rss_mib",
    "create_batch_vs_raw",
    "create_batch_per_second",
    "delete_batch_vs_raw",
    "events_vs_raw",
    "events_per_second",
    "flows",
    "buckets",
];

/// The figures of a run; what was not measured is `null`.
#[derive(Debug)]
pub(crate) struct Figures(Map<String, Value>);

impl Figures {
    pub(crate) fn new() -> Self {
        Self(KEYS.iter().map(|key| ((*key).to_owned(), Value::Null)).collect())
    }

    /// Sets a count.
    pub(crate) fn count(&mut self, key: &str, count: u32) {
        self.set(key, count.into());
    }

    /// Sets a figure, rounded to what it is worth.
    pub(crate) fn figure(&mut self, key: &str, figure: f64) {
        let digits = if figure >= 100.0 { 1.0 } else { 1000.0 };
        self.set(key, ((figure * digits).round() / digits).into());
    }

    /// Sets a figure of which smaller is better, unless a worse one was set before: of several tables, the least
    /// favourable counts.
    pub(crate) fn worst(&mut self, key: &str, figure: f64) {
        if self.0.get(key).and_then(Value::as_f64).is_none_or(|before| before < figure) {
            self.figure(key, figure);
        }
    }

    pub(crate) fn write(self, path: &Path) -> Outcome<()> {
        let text = serde_json::to_string_pretty(&Value::Object(self.0))?;
        std::fs::write(path, text + "\n").map_err(|error| format!("{}: {error}", path.display()).into())
    }

    fn set(&mut self, key: &str, value: Value) {
        debug_assert!(KEYS.contains(&key), "{key} is not declared");
        self.0.insert(key.to_owned(), value);
    }
}

/// A table in Markdown, aligned so that it can be read as it is. The first column is words, the others are numbers.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self { rows: vec![columns.iter().map(|column| (*column).to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn print(&self) {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell: &String| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0).max(3)).collect();
        for (index, row) in self.rows.iter().enumerate() {
            let cells = widths.iter().enumerate().map(|(column, width)| {
                let cell = row.get(column).map_or("", String::as_str);
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
            if index == 0 {
                let rules = widths.iter().enumerate().map(|(column, width)| {
                    if column == 0 { "-".repeat(*width) } else { format!("{}:", "-".repeat(width - 1)) }
                });
                println!("| {} |", rules.collect::<Vec<_>>().join(" | "));
            }
        }
        println!();
    }
}
