//! How much memory a contestant takes, each as a process of its own.

use std::fs;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::contestants;

/// The most memory that a process took which ran the contestant once, in KiB. It starts in the thread's namespace.
pub(crate) fn of_one(contestant: &str) -> Outcome<u64> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.args(["--one", contestant]).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{contestant}, as a process of its own: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// What that process does.
pub(crate) fn run_one(id: &str) -> Outcome<()> {
    let contestant = contestants::ALL.iter().find(|contestant| contestant.id == id);
    (contestant.ok_or_else(|| format!("there is no contestant {id}"))?.run)()?;
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    println!("{}", peak.ok_or("the kernel does not say VmHWM")?.trim());
    Ok(())
}
