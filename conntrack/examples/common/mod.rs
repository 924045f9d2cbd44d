//! What the examples share: where they run, how they print, and which flows they are about.

#![allow(dead_code, reason = "no example needs all of it")]

pub(crate) mod lines;
pub(crate) mod traffic;

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, Stdout, Write};
use std::process::ExitCode;

use clap::Args;
use conntrack::sandbox::{self, Failure, Sandbox};
use conntrack::{Filter, Report, TextError};
use serde::Serialize;

/// The options that every example has.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Common {
    /// Try it out: in a private network namespace, with traffic of its own. Needs no root, and leaves nothing behind
    #[arg(long)]
    pub(crate) sandbox: bool,
    /// Print JSON, one object per line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which flows.
#[derive(Clone, Debug, Args)]
pub(crate) struct Selection {
    /// Which flows: all that meet these words, such as `proto=tcp dport=443 src=10.0.0.0/8`
    ///
    /// family= proto= src= dst= sport= dport=, the same with reply- before it, icmp-type= icmp-code= icmp-id= mark=
    /// status= zone= state=. A port can be a range, 80-443; a mark can have a mask, 7/0xff; status bits are separated by
    /// commas, with ! before those that a flow must not have. Without words, all flows.
    #[arg(value_name = "WORD")]
    words: Vec<String>,
}

/// The words that select by what stays the same for a flow's whole life.
const LASTING: [&str; 10] =
    ["family", "proto", "src", "dst", "sport", "dport", "icmp-type", "icmp-code", "icmp-id", "zone"];

impl Selection {
    pub(crate) fn filter(&self) -> Result<Filter, TextError> {
        self.words.join(" ").parse()
    }

    /// As [`filter`](Self::filter), but only by what stays the same for a flow's whole life.
    pub(crate) fn lasting_filter(&self) -> Result<Filter, Failure> {
        let filter = self.filter()?;
        for word in filter.to_string().split_whitespace() {
            let name = word.split('=').next().unwrap_or(word);
            if !LASTING.contains(&name.strip_prefix("reply-").unwrap_or(name)) {
                return Err(format!("{name}= cannot select here: a flow can cease to meet it").into());
            }
        }
        Ok(filter)
    }
}

impl Common {
    /// Runs an example: in a sandbox if that was asked for, which `body` is then given to make traffic in.
    pub(crate) fn run(self, body: impl FnOnce(Output, Option<&Sandbox>) -> Result<(), Failure> + Send) -> ExitCode {
        let output = Output { out: BufWriter::new(io::stdout()), json: self.json };
        let result = if self.sandbox {
            // `run` alone would succeed where the environment allows tests to be skipped.
            let entered = sandbox::enter_user_namespace();
            entered.and_then(|()| sandbox::run(|sandbox| body(output, Some(sandbox)))).map_err(|error| match error {
                sandbox::Error::Body(failure) => failure,
                error => error.into(),
            })
        } else {
            body(output, None)
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            // Whoever reads has enough, such as `head`.
            Err(failure) if is_broken_pipe(&failure) => ExitCode::SUCCESS,
            Err(failure) => {
                note(format_args!("error: {}", Report(failure.as_ref())));
                if failure.downcast_ref().is_some_and(conntrack::Error::is_permission) {
                    note("Run it as root, or try it out with --sandbox.");
                }
                ExitCode::FAILURE
            }
        }
    }
}

/// Says something beside the output. That nobody reads it is no failure.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn is_broken_pipe(failure: &Failure) -> bool {
    failure.downcast_ref().is_some_and(|error: &io::Error| error.kind() == ErrorKind::BrokenPipe)
}

/// Standard output, for lines of text or of JSON.
#[derive(Debug)]
pub(crate) struct Output {
    out: BufWriter<Stdout>,
    json: bool,
}

impl Output {
    /// Writes a line: the text, or the value as JSON.
    pub(crate) fn line(&mut self, text: impl Display, json: &impl Serialize) -> io::Result<()> {
        if self.json {
            serde_json::to_writer(&mut self.out, json)?;
            writeln!(self.out)
        } else {
            writeln!(self.out, "{text}")
        }
    }

    /// Writes a line that is formatted already.
    fn formatted(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    /// Writes a line of JSON if that was asked for, and nothing otherwise.
    pub(crate) fn json(&mut self, json: &impl Serialize) -> io::Result<()> {
        if self.json { self.line("", json) } else { Ok(()) }
    }

    /// Writes a line unless JSON was asked for.
    pub(crate) fn text(&mut self, text: impl Display) -> io::Result<()> {
        if self.json { Ok(()) } else { writeln!(self.out, "{text}") }
    }

    /// Shows what was written so far.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
