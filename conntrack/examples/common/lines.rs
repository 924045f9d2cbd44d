//! Lines of output, written by a thread of their own.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use conntrack::sandbox::Failure;
use serde::Serialize;

use super::Output;

/// Standard output for a program that must not wait for the reader of its output.
///
/// A thread writes the lines, and a bounded number of them waits for it. While there is no room, lines are dropped and
/// counted; a line in their place says how many.
#[derive(Debug)]
pub(crate) struct Lines {
    queue: Arc<Queue>,
    json: bool,
    writer: JoinHandle<()>,
}

/// Says that lines are missing.
#[derive(Serialize)]
struct Gap {
    event: &'static str,
    missing: u64,
}

impl Lines {
    /// Runs `body` beside the thread, and waits until all lines are written, also if `body` fails. At most `room` lines
    /// wait for the thread.
    ///
    /// `body` is to own what it listens with, so that the kernel has nothing to wait for while this waits.
    pub(crate) fn run(
        output: Output,
        room: usize,
        body: impl FnOnce(&Self) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let lines = Self::start(output, room)?;
        let result = body(&lines);
        let written = lines.finish();
        result?;
        Ok(written?)
    }

    fn start(output: Output, room: usize) -> io::Result<Self> {
        let queue = Arc::new(Queue { state: Mutex::default(), room: room.max(1), changed: Condvar::new() });
        let json = output.json;
        let writer = thread::Builder::new().name("output".to_owned()).spawn({
            let queue = Arc::clone(&queue);
            move || {
                let result = write(&queue, output);
                queue.state().failure = result.err();
            }
        })?;
        Ok(Self { queue, json, writer })
    }

    /// Queues a line, or counts it as missing: the text, or the value as JSON.
    ///
    /// # Errors
    /// An earlier line could not be written.
    pub(crate) fn line(&self, text: impl Display, json: &impl Serialize) -> io::Result<()> {
        if self.queue.has_room()? {
            self.queue.push(self.format(text, json)?);
        }
        Ok(())
    }

    /// Queues a line beyond the limit: for as many lines as the program knows at its start.
    pub(crate) fn line_beyond(&self, text: impl Display, json: &impl Serialize) -> io::Result<()> {
        self.queue.state().beyond += 1;
        self.queue.push(self.format(text, json)?);
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        self.queue.close();
        self.writer.join().map_err(|_| io::Error::other("the output's thread panicked"))?;
        self.queue.state().failure.take().map_or(Ok(()), Err)
    }

    fn format(&self, text: impl Display, json: &impl Serialize) -> io::Result<String> {
        Ok(if self.json { serde_json::to_string(json)? } else { text.to_string() })
    }
}

/// Writes the lines of a queue until it is closed, and flushes whenever there are no more.
fn write(queue: &Queue, mut output: Output) -> io::Result<()> {
    loop {
        let mut next = queue.next();
        if next.is_none() {
            output.flush()?;
            next = queue.wait();
        }
        match next {
            None => return Ok(()),
            Some(Next::Line(line)) => output.formatted(&line)?,
            Some(Next::Missing(missing)) => {
                let text = format_args!("[GAP] {missing} lines are missing: the output was not read in time");
                output.line(text, &Gap { event: "gap", missing })?;
            }
        }
    }
}

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    room: usize,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Next>,
    /// How many of the lines do not count against the limit. They are the first ones.
    beyond: usize,
    /// How many lines were dropped since the last one was queued.
    missing: u64,
    is_closed: bool,
    failure: Option<io::Error>,
}

/// What to write next.
#[derive(Debug)]
enum Next {
    Line(String),
    Missing(u64),
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for a line; counts it as missing if not.
    fn has_room(&self) -> io::Result<bool> {
        let mut state = self.state();
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        // After a gap, not until half of the room is free: few large gaps are better than many small ones.
        let room = if state.missing == 0 { self.room } else { self.room / 2 };
        let has_room = state.lines.len().saturating_sub(state.beyond) < room;
        state.missing += u64::from(!has_room);
        Ok(has_room)
    }

    fn push(&self, line: String) {
        let mut state = self.state();
        if state.missing > 0 {
            let missing = std::mem::take(&mut state.missing);
            state.lines.push_back(Next::Missing(missing));
        }
        state.lines.push_back(Next::Line(line));
        drop(state);
        self.changed.notify_one();
    }

    fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_one();
    }

    /// Takes what to write next, if there is anything.
    fn next(&self) -> Option<Next> {
        self.state().next()
    }

    /// Waits until there is something to write; `None` if the queue is closed.
    fn wait(&self) -> Option<Next> {
        let is_waiting = |state: &mut State| state.lines.is_empty() && state.missing == 0 && !state.is_closed;
        let guard = self.changed.wait_while(self.state(), is_waiting);
        guard.unwrap_or_else(PoisonError::into_inner).next()
    }
}

impl State {
    fn next(&mut self) -> Option<Next> {
        self.beyond = self.beyond.saturating_sub(1);
        let missing = &mut self.missing;
        self.lines.pop_front().or_else(|| (*missing > 0).then(|| Next::Missing(std::mem::take(missing))))
    }
}
