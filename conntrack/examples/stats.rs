//! What connection tracking has counted, as a table, as JSON, or for Prometheus.
//!
//! `cargo run --release --example stats -- --sandbox --prometheus`

mod common;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use common::traffic::Traffic;
use common::{Common, Output};
use conntrack::codec::{Entry, Schema};
use conntrack::sandbox::Failure;
use conntrack::{Command, Conntrack, CpuStats, Decode, ExpectStats, GlobalStats, NewFlow, PerCpu};
use serde::Serialize;
use serde_json::Value;

/// Prints what connection tracking has counted: how full the table is, and what each processor has done
#[derive(Debug, Parser)]
#[command(name = "stats", after_help = "The counters have 32 bits and wrap around.")]
struct Args {
    /// Print Prometheus text, as a textfile collector takes it for example
    #[arg(long, conflicts_with = "json")]
    prometheus: bool,
    #[command(flatten)]
    common: Common,
}

/// All of it.
#[derive(Debug, Serialize)]
struct Statistics {
    table: GlobalStats,
    cpus: Vec<PerCpu<CpuStats>>,
    expectations: Vec<PerCpu<ExpectStats>>,
}

/// A counter: what each processor has counted, and its declaration's words for it.
struct Counter {
    name: String,
    doc: &'static str,
    values: Vec<(u16, u64)>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.common.run(|output, sandbox| {
        let _traffic = sandbox.map(|_| make_traffic()).transpose()?;
        stats(&args, output)
    })
}

fn stats(args: &Args, mut output: Output) -> Result<(), Failure> {
    let ct = Conntrack::open()?;
    let statistics =
        Statistics { table: ct.stats()?, cpus: ct.stats_per_cpu()?, expectations: ct.expectation_stats()? };
    output.json(&statistics)?;

    let mut counters = counters(CpuStats::SCHEMA, "", &statistics.cpus)?;
    counters.extend(self::counters(ExpectStats::SCHEMA, "expect_", &statistics.expectations)?);
    if args.prometheus {
        prometheus(&mut output, statistics.table, &counters)?;
    } else {
        table(&mut output, statistics.table, &counters)?;
    }
    output.flush()?;
    Ok(())
}

/// The counters that the kernel has, in the order of their declaration: a new one needs no line here.
fn counters<T: Serialize>(schema: &'static Schema, prefix: &str, cpus: &[PerCpu<T>]) -> Result<Vec<Counter>, Failure> {
    let objects = cpus.iter().map(|cpu| Ok((cpu.cpu, serde_json::to_value(cpu)?)));
    let objects = objects.collect::<Result<Vec<_>, serde_json::Error>>()?;
    let mut counters = Vec::new();
    for entry in schema.entries {
        let Entry::Attribute(attribute) = entry else { continue };
        let value = |(cpu, object): &(u16, Value)| Some((*cpu, object.get(attribute.field)?.as_u64()?));
        let values: Vec<_> = objects.iter().filter_map(value).collect();
        if !values.is_empty() {
            counters.push(Counter { name: format!("{prefix}{}", attribute.field), doc: attribute.doc, values });
        }
    }
    Ok(counters)
}

/// Processors side by side, as many as fit.
const ACROSS: usize = 5;

fn table(output: &mut Output, table: GlobalStats, counters: &[Counter]) -> io::Result<()> {
    let full = table.max_entries.map(|max| format!(" of {max}")).unwrap_or_default();
    output.text(format_args!("{} flows{full}", table.entries))?;
    let cpus = counters.iter().map(|counter| counter.values.len()).max().unwrap_or(0);
    for first in (0..cpus).step_by(ACROSS) {
        let part = |counter: &Counter, cell: fn(&(u16, u64)) -> String| {
            let values = counter.values.iter().skip(first).take(ACROSS);
            values.map(|value| format!("{:>11}", cell(value))).collect::<Vec<_>>().concat()
        };
        let titles = counters.first().map(|counter| part(counter, |(cpu, _)| format!("cpu {cpu}"))).unwrap_or_default();
        output.text(format_args!("\n{:16}{:>11}{titles}", "", "all"))?;
        for counter in counters {
            let all: u64 = counter.values.iter().map(|(_, value)| value).sum();
            let values = part(counter, |(_, value)| value.to_string());
            output.text(format_args!("{:16}{all:>11}{values}", counter.name))?;
        }
    }
    Ok(())
}

/// Packets, and flows that are created over netlink, which the kernel counts.
fn make_traffic() -> Result<Traffic, Failure> {
    let flow = |port| NewFlow::udp(([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 53).into());
    Conntrack::open()?.batch((1..=100).map(flow).map(Command::Create)).run()?.into_result()?;
    Traffic::start()
}

/// The text that Prometheus scrapes.
fn prometheus(output: &mut Output, table: GlobalStats, counters: &[Counter]) -> io::Result<()> {
    let mut gauge = |name: &str, doc: &str, value: u32| {
        output.text(format_args!("# HELP conntrack_{name} {doc}\n# TYPE conntrack_{name} gauge"))?;
        output.text(format_args!("conntrack_{name} {value}"))
    };
    gauge("entries", "Flows of this network namespace.", table.entries)?;
    if let Some(max) = table.max_entries {
        gauge("entries_limit", "The most flows that a network namespace may have.", max)?;
    }
    for Counter { name, doc, values } in counters {
        let help = doc.split_whitespace().collect::<Vec<_>>().join(" ");
        output.text(format_args!("# HELP conntrack_{name}_total {help}\n# TYPE conntrack_{name}_total counter"))?;
        for (cpu, value) in values {
            output.text(format_args!("conntrack_{name}_total{{cpu=\"{cpu}\"}} {value}"))?;
        }
    }
    Ok(())
}
