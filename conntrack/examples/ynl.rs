//! Prints the declarations as a YNL specification, the kernel's own format (`Documentation/netlink/specs`).
//!
//! `cargo run --example ynl -- conntrack`

use std::process::ExitCode;

use clap::Parser;
use conntrack::ynl::Specification;

/// Prints a netfilter subsystem as a YNL specification
#[derive(Debug, Parser)]
#[command(name = "ynl")]
struct Args {
    /// conntrack, conntrack-expect, conntrack-timeout or conntrack-helper
    #[arg(default_value = "conntrack")]
    name: String,
}

fn main() -> ExitCode {
    let Args { name } = Args::parse();
    let Some(specification) = Specification::all().find(|specification| specification.name == name) else {
        let names: Vec<_> = Specification::all().map(|specification| specification.name).collect();
        eprintln!("{name:?} is not declared here; these are: {}", names.join(", "));
        return ExitCode::FAILURE;
    };
    match serde_norway::to_string(&specification) {
        Ok(text) => {
            print!("---\n{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
