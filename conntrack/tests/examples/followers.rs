//! The log of translations, and other readers of events, when there are many events and when nobody reads their output.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use conntrack::sandbox::{Failure, Namespace};
use conntrack::{Command as Request, Conntrack, FlowKey, Nat, NewFlow};
use rustix::event::{PollFd, PollFlags, poll};
use serde_json::Value;

use super::{Outcome, holds, program, run_json, start};

const PATIENCE: Duration = Duration::from_secs(30);
/// Many more than there is room for in the receive buffer, and their lines than in a pipe.
const FLOWS: u16 = 5000;

/// An example that follows the flows of a namespace, and prints JSON.
struct Follower {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Follower {
    /// Starts it in the calling thread's network namespace.
    fn start(example: &str, arguments: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(program(example)?);
        command.arg("--json").args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or("not piped")?;
        Ok(Self { child, output: BufReader::new(output) })
    }

    /// Reads the next line, and nothing ahead of it but what is in the buffer.
    fn line(&mut self) -> Result<Value, Failure> {
        let mut line = Vec::new();
        loop {
            if self.output.buffer().is_empty() {
                let patience = PATIENCE.try_into()?;
                let ready = poll(&mut [PollFd::new(self.output.get_ref(), PollFlags::IN)], Some(&patience))?;
                holds(ready > 0, "there is no further line")?;
            }
            let bytes = self.output.fill_buf()?;
            holds(!bytes.is_empty(), "the output has ended")?;
            let end = bytes.iter().position(|byte| *byte == b'\n');
            line.extend_from_slice(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default());
            let length = end.map_or(bytes.len(), |end| end + 1);
            self.output.consume(length);
            if end.is_some() {
                return Ok(serde_json::from_slice(&line)?);
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // Fails if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One of many flows that are translated.
fn translated(n: u16) -> NewFlow {
    let flow = NewFlow::udp(([10, 0, 0, 1], 1024 + n).into(), ([192, 0, 2, 9], 443).into());
    flow.nat_src(Nat::to([127, 0, 113, 6].into())).timeout(Duration::from_secs(600))
}

fn key(n: u16) -> FlowKey {
    translated(n).orig.into()
}

/// Creates so many short flows, and deletes them.
fn burst(ct: &Conntrack, flows: std::ops::Range<u16>) -> Outcome {
    ct.batch(flows.clone().map(translated).map(Request::Create)).run()?.into_result()?;
    ct.batch(flows.map(key).map(Request::Delete)).run()?.into_result()?;
    Ok(())
}

/// Waits until the kernel counts so many flows in the namespace. It counts those whose end is yet to be delivered.
fn wait_for_entries(ct: &Conntrack, entries: u32) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    while ct.stats()?.entries != entries {
        holds(Instant::now() < deadline, ("entries", ct.stats()?.entries))?;
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Runs `body` in a namespace where flows can be translated.
fn in_namespace(body: impl FnOnce(&Conntrack) -> Outcome + Send) -> Outcome {
    Namespace::new()?.run(|sandbox| {
        sandbox.enable_nat()?;
        body(&Conntrack::open()?)
    })?;
    Ok(())
}

/// Checks that starts and ends alternate for each tuple, and counts them.
#[derive(Default)]
struct Pairs {
    open: BTreeMap<String, u64>,
    starts: u64,
    ends: u64,
}

impl Pairs {
    fn add(&mut self, line: &Value) -> Outcome {
        let place = line["orig"].to_string();
        let id = line["id"].as_u64().ok_or("no id")?;
        if line["event"] == "start" {
            self.starts += 1;
            holds(self.open.insert(place, id).is_none(), line)
        } else {
            self.ends += 1;
            holds(line["event"] == "end" && self.open.remove(&place) == Some(id), line)
        }
    }
}

pub(super) fn has_an_end_for_every_start() -> Outcome {
    let lines = run_json("nat-log", &[])?;
    let mut pairs = Pairs::default();
    for line in &lines {
        pairs.add(line)?;
        // The kernel takes times in the sandbox, so that a duration is known even where the start was not seen.
        holds(line["event"] == "start" || line["duration"]["secs"].is_u64(), line)?;
    }
    holds(pairs.open.is_empty() && (pairs.starts, pairs.ends) == (503, 503), (&pairs.open, pairs.starts, pairs.ends))
}

pub(super) fn loses_no_end_in_a_burst() -> Outcome {
    in_namespace(|ct| {
        // Older than the log.
        ct.create(&translated(FLOWS))?;
        let mut log = Follower::start("nat-log", &["--receive-buffer", "16384"])?;
        let mut pairs = Pairs::default();
        let line = log.line()?;
        holds(line["how"] == "found", &line)?;
        pairs.add(&line)?;

        burst(ct, 0..FLOWS)?;
        while pairs.ends < u64::from(FLOWS) {
            let line = log.line()?;
            pairs.add(&line)?;
            // With its last counters and its times, so it is the kernel that reported it.
            let is_seen = line["how"] == "seen" && line["duration"]["secs"].is_u64();
            holds(line["event"] == "start" || is_seen, &line)?;
        }
        holds(pairs.open.len() == 1 && pairs.starts == u64::from(FLOWS) + 1, (&pairs.open, pairs.starts))?;
        ct.delete(&key(FLOWS))?;
        pairs.add(&log.line()?)?;
        holds(pairs.open.is_empty(), &pairs.open)
    })
}

pub(super) fn does_not_hold_the_kernel() -> Outcome {
    in_namespace(|ct| {
        ct.create(&translated(FLOWS))?;
        let mut log = Follower::start("nat-log", &["--receive-buffer", "65536", "--queue", "100"])?;
        holds(log.line()?["event"] == "start", "the first line")?;

        // Nobody reads now.
        burst(ct, 0..FLOWS)?;
        wait_for_entries(ct, 1)?;

        // Somebody reads again, and the last flow ends.
        ct.delete(&key(FLOWS))?;
        let (mut lines, mut missing, mut gaps) = (1, 0, 0);
        let wanted = 2 * (u64::from(FLOWS) + 1);
        while lines + missing < wanted {
            let line = log.line()?;
            if line["event"] == "gap" {
                gaps += 1;
                missing += line["missing"].as_u64().ok_or("no number")?;
            } else {
                lines += 1;
            }
        }
        holds(lines + missing == wanted && gaps > 0, (lines, missing, gaps))?;
        // It goes on.
        burst(ct, 0..1)?;
        holds(log.line()?["event"] == "start" && log.line()?["event"] == "end", "the lines after the gap")
    })
}

pub(super) fn refuses_criteria_that_flows_cease_to_meet() -> Outcome {
    for word in ["mark=7", "status=assured", "state=ESTABLISHED"] {
        let output = start("nat-log", &["--sandbox", "proto=tcp", word])?;
        let errors = String::from_utf8(output.stderr)?;
        holds(output.status.code() == Some(1) && errors.contains("cease to meet"), errors)?;
    }
    Ok(())
}

pub(super) fn watch_does_not_hold_the_kernel() -> Outcome {
    in_namespace(|ct| {
        let mut watch = Follower::start("watch", &["--reliable", "--queue", "100"])?;
        // Until it listens.
        let seen = thread::scope(|scope| {
            let first = scope.spawn(|| watch.line().map_err(|error| error.to_string()));
            while !first.is_finished() {
                burst(ct, 0..1)?;
                thread::sleep(Duration::from_millis(10));
            }
            first.join().map_err(|_| "the reader panicked")??;
            Ok::<_, Failure>(())
        });
        seen?;
        burst(ct, 0..FLOWS)?;
        wait_for_entries(ct, 0)?;

        while watch.line()?["event"] != "gap" {}
        Ok(())
    })
}

pub(super) fn replicate_goes_on_when_nobody_reads() -> Outcome {
    in_namespace(|ct| {
        let standby = Namespace::new()?;
        let path = format!("/proc/{}/fd/{}", std::process::id(), standby.as_fd().as_raw_fd());
        ct.create(&translated(FLOWS))?;
        let mut replicate = Follower::start("replicate", &["--to", &path, "--queue", "100"])?;
        holds(replicate.line()?["event"] == "created", "the first line")?;

        ct.batch((0..FLOWS).map(translated).map(Request::Create)).run()?.into_result()?;
        wait_for_entries(&Conntrack::builder().netns(&standby)?.open()?, u32::from(FLOWS) + 1)?;

        while replicate.line()?["event"] != "gap" {}
        Ok(())
    })
}
