//! The busiest flows, as a table that refreshes itself.
//!
//! `cargo run --release --example top -- --sandbox`

#[path = "../common/mod.rs"]
mod common;
mod meter;
mod screen;
mod terminal;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use common::traffic::Traffic;
use common::{Common, Output, Selection};
use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{Conntrack, Filter};
use meter::{Meter, Order};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use screen::Screen;
use signal_hook::consts::SIGTSTP;
use terminal::Shared;

/// Shows the busiest flows, by bytes and rate
///
/// The kernel counts only with the sysctl `net.netfilter.nf_conntrack_acct`, and only flows that began since it is 1.
#[derive(Debug, Parser)]
#[command(name = "top", after_help = "Keys: q quits, r, b and p sort by rate, bytes and packets, space pauses.")]
struct Args {
    #[command(flatten)]
    selection: Selection,
    /// What the busiest are to have most of
    #[arg(long, value_enum, default_value_t)]
    by: Order,
    /// Time between refreshes
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// End after this many refreshes
    #[arg(long, value_name = "COUNT")]
    refreshes: Option<u64>,
    /// With --json: how many flows of each refresh to print
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    rows: usize,
    #[command(flatten)]
    common: Common,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds >= 0.1);
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or("at least 0.1".to_owned())
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.common.run(|output, sandbox| top(&args, output, sandbox))
}

fn top(args: &Args, output: Output, sandbox: Option<&Sandbox>) -> Result<(), Failure> {
    let _traffic = sandbox.map(|_| Traffic::start()).transpose()?;
    let filter = args.selection.filter()?;
    let ct = Conntrack::open()?;
    if args.common.json {
        return print(args, output, &ct, &filter);
    }
    if !std::io::stdout().is_terminal() {
        return Err("the output is no terminal; --json prints lines".into());
    }
    // An error of the first refresh is better read on a screen that stays.
    let meter = Meter::start(&ct, &filter, args.by)?;
    terminal::run(|terminal| show(args, terminal, meter, &ct, &filter))?
}

/// Refreshes until there have been enough, printing the busiest flows of each.
fn print(args: &Args, mut output: Output, ct: &Conntrack, filter: &Filter) -> Result<(), Failure> {
    let mut meter = Meter::start(ct, filter, args.by)?;
    for _ in 0..args.refreshes.unwrap_or(u64::MAX) {
        std::thread::sleep(args.interval);
        meter.refresh(ct, filter)?;
        output.json(&meter.summary(args.rows))?;
        output.flush()?;
    }
    Ok(())
}

/// Refreshes a screen until there have been enough, or a key says so.
fn show(args: &Args, terminal: &Shared, mut meter: Meter, ct: &Conntrack, filter: &Filter) -> Result<(), Failure> {
    let mut screen = Screen { filter: filter.to_string(), interval: args.interval, paused: false };
    let mut left = args.refreshes.unwrap_or(u64::MAX);
    let mut due = Instant::now() + args.interval;
    while left > 0 {
        terminal.lock().draw(|frame| screen.draw(frame, &meter))?;
        if event::poll(due.saturating_duration_since(Instant::now()))? {
            match event::read()? {
                Event::Key(key) if ends(key) => return Ok(()),
                Event::Key(key) if is_ctrl(key, 'z') => signal_hook::low_level::raise(SIGTSTP)?,
                Event::Key(KeyEvent { code: KeyCode::Char(' '), .. }) => screen.paused = !screen.paused,
                Event::Key(KeyEvent { code: KeyCode::Char(key), .. }) => {
                    if let Some(order) = Order::of_key(key) {
                        meter.sort(order);
                    }
                }
                _ => {}
            }
            continue;
        }
        due = Instant::now() + args.interval;
        if !screen.paused {
            meter.refresh(ct, filter)?;
            left -= 1;
        }
    }
    Ok(())
}

fn ends(key: KeyEvent) -> bool {
    is_ctrl(key, 'c') || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}

/// In the raw mode of the terminal, ctrl-C and ctrl-Z are keys like any others.
fn is_ctrl(key: KeyEvent, letter: char) -> bool {
    key.code == KeyCode::Char(letter) && key.modifiers.contains(KeyModifiers::CONTROL)
}
