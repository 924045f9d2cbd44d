//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, ValueExt};

use crate::Outcome;

const HELP: &str = "\
Measures conntrack beside its peers, in a private network namespace.

  --flows N      flows in the table (1000000)
  --rounds N     rounds, in each of which every contestant runs once (5)
  --entries N    entries of the create, delete and event measurements (200000)
  --buckets N    sets nf_conntrack_buckets, as root, and restores it; else it stays as it is
  --only A,B     only these parts: dump, decode, batch, events
  --scaling      instead: the cost of a flow in tables of 10000 to 2000000
  --json FILE    writes the figures";

/// The parts of a run.
pub(crate) const PARTS: [&str; 4] = ["dump", "decode", "batch", "events"];

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) flows: u32,
    pub(crate) rounds: u32,
    pub(crate) entries: u32,
    pub(crate) buckets: Option<u32>,
    pub(crate) only: Vec<String>,
    pub(crate) scaling: bool,
    pub(crate) json: Option<PathBuf>,
    /// Runs this contestant once and says how much memory that took: how a run starts itself for each.
    pub(crate) one: Option<String>,
}

impl Args {
    /// The command line's; `None` if it asks for help, which is then printed.
    pub(crate) fn parse() -> Outcome<Option<Self>> {
        let mut args = Self {
            flows: 1_000_000,
            rounds: 5,
            entries: 200_000,
            buckets: None,
            only: Vec::new(),
            scaling: false,
            json: None,
            one: None,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("flows") => args.flows = parser.value()?.parse()?,
                Long("rounds") => args.rounds = parser.value()?.parse()?,
                Long("entries") => args.entries = parser.value()?.parse()?,
                Long("buckets") => args.buckets = Some(parser.value()?.parse()?),
                Long("only") => args.only = parts(&parser.value()?)?,
                Long("scaling") => args.scaling = true,
                Long("json") => args.json = Some(parser.value()?.into()),
                Long("one") => args.one = Some(parser.value()?.string()?),
                Long("help") | Short('h') => {
                    println!("{HELP}");
                    return Ok(None);
                }
                _ => return Err(argument.unexpected().into()),
            }
        }
        if args.flows == 0 || args.rounds == 0 || args.entries == 0 {
            return Err("there must be something to measure".into());
        }
        Ok(Some(args))
    }

    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == part)
    }
}

fn parts(value: &OsString) -> Outcome<Vec<String>> {
    let names: Vec<String> = value.to_string_lossy().split(',').map(str::to_owned).collect();
    match names.iter().find(|name| !PARTS.contains(&name.as_str())) {
        Some(name) => Err(format!("{name} is not one of {PARTS:?}").into()),
        None => Ok(names),
    }
}
