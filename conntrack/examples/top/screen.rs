//! The table on the terminal.

use std::time::{Duration, SystemTime};

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table, Wrap};

use crate::meter::{self, Meter, Order};

const NO_COUNTERS: &str = "None of these flows has counters. The kernel counts the flows that begin after\n\n    \
                           sysctl net.netfilter.nf_conntrack_acct=1";
/// Columns from which there is room for more.
const WIDE: u16 = 110;

#[derive(Debug)]
pub(crate) struct Screen {
    pub(crate) filter: String,
    pub(crate) interval: Duration,
    pub(crate) paused: bool,
}

/// A column: its title, what sorts by it, its width, whether it is there when there is not much room.
struct Column {
    title: &'static str,
    order: Option<Order>,
    width: Constraint,
    always: bool,
    value: fn(&meter::Row) -> String,
}

const COLUMNS: [Column; 8] = [
    column("PROTO", Constraint::Length(7), |row| row.orig.protocol().to_string()),
    column("SOURCE", Constraint::Fill(1), |row| row.orig.source().to_string()),
    column("DESTINATION", Constraint::Fill(1), |row| row.orig.destination().to_string()),
    Column { always: false, ..column("STATE", Constraint::Length(11), |row| row.state.clone().unwrap_or_default()) },
    Column { always: false, ..column("AGE", Constraint::Length(8), age) },
    sorting("PACKETS", Order::Packets, |row| short(row.packets)),
    sorting("BYTES", Order::Bytes, |row| short(row.bytes)),
    sorting("BYTES/S", Order::Rate, |row| row.bytes_per_second.map_or_else(|| "-".to_owned(), short)),
];

const fn column(title: &'static str, width: Constraint, value: fn(&meter::Row) -> String) -> Column {
    Column { title, order: None, width, always: true, value }
}

const fn sorting(title: &'static str, order: Order, value: fn(&meter::Row) -> String) -> Column {
    Column { order: Some(order), ..column(title, Constraint::Length(8), value) }
}

impl Column {
    fn text(&self, text: String) -> Text<'static> {
        Text::from(text).alignment(if self.order.is_some() { Alignment::Right } else { Alignment::Left })
    }
}

impl Screen {
    pub(crate) fn draw(&self, frame: &mut Frame<'_>, meter: &Meter) {
        let [head, _, body, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(frame.area());

        let plural = if meter.flows() == 1 { "" } else { "s" };
        let mut title = format!("{} flow{plural}, {}B/s", meter.flows(), short(meter.bytes_per_second()));
        if !self.filter.is_empty() {
            title = format!("{} ({title})", self.filter);
        }
        frame.render_widget(Line::from(title), head);
        let status = if self.paused {
            "paused".to_owned()
        } else {
            format!("every {:?}, a dump takes {:.1?}", self.interval, meter.took())
        };
        frame.render_widget(Line::from(status).right_aligned(), head);

        if meter.rows().is_empty() && meter.flows() > 0 {
            frame.render_widget(Paragraph::new(NO_COUNTERS).wrap(Wrap { trim: false }), body);
        } else {
            frame.render_widget(table(meter, body.width, body.height.into()), body);
        }

        let keys = " q quit   r sort by rate   b by bytes   p by packets   space pause";
        frame.render_widget(Line::from(keys).style(Modifier::REVERSED), foot);
    }
}

/// As many of the busiest flows as there is room for.
fn table(meter: &Meter, width: u16, height: usize) -> Table<'static> {
    let columns: Vec<_> = COLUMNS.iter().filter(|column| column.always || width >= WIDE).collect();
    let title = |column: &&Column| {
        let is_order = column.order == Some(meter.order());
        let style = if is_order { Modifier::REVERSED | Modifier::BOLD } else { Modifier::BOLD };
        Cell::from(column.text(column.title.to_owned())).style(Style::from(style))
    };
    let row = |row: &meter::Row| Row::new(columns.iter().map(|column| column.text((column.value)(row))));
    let rows: Vec<_> = meter.rows().iter().take(height).map(row).collect();
    Table::new(rows, columns.iter().map(|column| column.width)).header(Row::new(columns.iter().map(title)))
}

/// How long ago it began.
fn age(row: &meter::Row) -> String {
    let began = row.timestamp.map(|timestamp| SystemTime::from(timestamp.start));
    let Some(age) = began.and_then(|began| SystemTime::now().duration_since(began).ok()) else { return String::new() };
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A number in at most four digits, and a prefix: `1234`, `12.3 k`, `123 M`.
#[allow(clippy::cast_precision_loss, reason = "four digits are left of it")]
fn short(number: u64) -> String {
    let prefix = [(1e12, 'T'), (1e9, 'G'), (1e6, 'M'), (1e3, 'k')];
    match prefix.into_iter().find(|(unit, _)| number >= 10_000 && number as f64 >= *unit) {
        Some((unit, prefix)) => {
            let value = number as f64 / unit;
            if value < 100.0 { format!("{value:.1} {prefix}") } else { format!("{value:.0} {prefix}") }
        }
        None => format!("{number} "),
    }
}
