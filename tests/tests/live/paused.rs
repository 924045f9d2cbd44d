//! A process that is stopped for longer than its reply timeout loses no answer: they are in its queue when it goes on.
//!
//! The process is this program, run again with [`WORKER`] set.

use std::env;
use std::io::{BufRead, BufReader, Write, stdout};
use std::process::{Command as Program, ExitCode, Stdio};
use std::time::Duration;

use conntrack::sandbox::Sandbox;
use conntrack::{Command, Conntrack, Errno, Outcome as Executed};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::common::udp;
use crate::hostile::{fill, key};
use crate::{Outcome, cases, holds, same};

cases! {
    pauses_are_no_timeouts,
}

/// Makes the program do a worker's work instead of testing.
const WORKER: &str = "CONNTRACK_TESTS_PAUSED_WORKER";
const TIMEOUT: Duration = Duration::from_millis(4);
/// How often the worker does all it does.
const ROUNDS: usize = 12;
/// How often it repeats a quick step, so that a pause comes at any point of it.
const TIMES: usize = 10;
const FLOWS: u16 = 250;

/// Batches of which every command is answered.
fn batches(ct: &Conntrack, command: fn(u16) -> Command, expected: Result<Executed, Errno>) -> Outcome {
    for _ in 0..TIMES {
        let results: Vec<_> = ct.batch((0..FLOWS).map(command)).collect();
        same!(results.len(), usize::from(FLOWS));
        for result in results {
            match result {
                Ok(outcome) => same!(Ok(outcome), expected),
                Err(error) => same!(Err(error.errno().ok_or(error)?), expected),
            }
        }
    }
    Ok(())
}

type Step = (&'static str, fn(&Conntrack) -> Outcome);

/// The work that is interrupted. Each step is announced, so that the pauses come in the midst of it.
const STEPS: &[Step] = &[
    ("creations of what exists", |ct| batches(ct, |port| Command::Create(udp(port)), Err(Errno::EXIST))),
    ("deletions of what does not exist", |ct| {
        batches(ct, |port| Command::Delete(key(port + FLOWS)), Ok(Executed::NotFound))
    }),
    ("a zeroing dump", |ct| {
        let flows = ct.dump_zeroing()?.collect::<Result<Vec<_>, _>>()?;
        same!(flows.len(), usize::from(FLOWS));
        Ok(())
    }),
    ("single requests", |ct| {
        for port in (0..FLOWS).cycle().take(TIMES * usize::from(FLOWS)) {
            holds!(ct.get(&key(port))?.is_some());
        }
        Ok(())
    }),
];

/// What this process does if it is a worker.
pub(crate) fn worker() -> Option<ExitCode> {
    env::var_os(WORKER)?;
    let work = || -> Outcome {
        let ct = Conntrack::builder().reply_timeout(TIMEOUT).open()?;
        for (name, step) in [STEPS; ROUNDS].into_iter().flatten() {
            writeln!(stdout(), "{name}")?;
            step(&ct).map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(())
    };
    Some(match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stdout(), "{error}");
            ExitCode::FAILURE
        }
    })
}

fn pauses_are_no_timeouts(_: &Sandbox) -> Outcome {
    fill(&Conntrack::open()?, 0..FLOWS)?;
    let mut worker = Program::new(env::current_exe()?).env(WORKER, "").stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(worker.stdout.take().ok_or("no output")?).lines();
    let pid = Pid::from_child(&worker);
    let mut pauses = 0;
    let mut last = String::new();
    for line in lines {
        last = line?;
        // Each time at another point of the step.
        std::thread::sleep(Duration::from_micros(pauses * 173 % 2000));
        kill_process(pid, Signal::STOP)?;
        let stopped = waitpid(Some(pid), WaitOptions::UNTRACED)?.is_some_and(|(_, status)| status.stopped());
        if !stopped {
            // It ended before.
            break;
        }
        pauses += 1;
        // Not a wait for something to happen: this is the pause.
        std::thread::sleep(2 * TIMEOUT);
        kill_process(pid, Signal::CONT)?;
    }
    // A worker that has ended is waited for already, or is here.
    let _ = worker.wait();
    same!(last.as_str(), STEPS[STEPS.len() - 1].0);
    holds!(pauses > ROUNDS as u64, "{pauses} pauses");
    Ok(())
}
