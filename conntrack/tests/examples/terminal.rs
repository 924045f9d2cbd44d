//! What the examples do to a terminal, and how they leave it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, LocalModes, Termios, Winsize, tcflow, tcgetattr, tcsetwinsize};

use super::{Outcome, holds, program};
use conntrack::sandbox::Failure;

/// How long a program may take to do what is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const LEAVE_ALTERNATE_SCREEN: &str = "\x1b[?1049l";
const ENTER_ALTERNATE_SCREEN: &str = "\x1b[?1049h";
const SHOW_CURSOR: &str = "\x1b[?25h";
const HIDE_CURSOR: &str = "\x1b[?25l";

/// A program on a terminal of its own.
struct OnTerminal {
    child: Child,
    keys: File,
    /// The program's end of the terminal, kept open so that its modes can still be read after the program has ended.
    line: OwnedFd,
    /// The modes before the program started.
    before: Termios,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl OnTerminal {
    fn start(mut command: Command) -> Result<Self, Failure> {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&terminal)?;
        unlockpt(&terminal)?;
        tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 })?;
        let path = ptsname(&terminal, Vec::new())?;
        let line = OwnedFd::from(File::options().read(true).write(true).open(path.to_str()?)?);
        let before = tcgetattr(&line)?;
        command.env("TERM", "xterm").stdin(line.try_clone()?).stdout(line.try_clone()?).stderr(line.try_clone()?);
        let child = command.spawn()?;

        let (keys, mut screen) = (File::from(terminal.try_clone()?), File::from(terminal));
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // EIO when the last descriptor of the other end is closed.
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                if sender.send(buffer.get(..length).unwrap_or_default().to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, keys, line, before, output, seen: String::new() })
    }

    fn top() -> Result<Self, Failure> {
        let mut command = Command::new(program("top")?);
        command.args(["--sandbox", "--interval", "0.2"]);
        let mut top = Self::start(command)?;
        top.wait_for("127.0.1.10:443")?;
        holds(top.is_raw()?, "the terminal is not raw while top runs")?;
        Ok(top)
    }

    /// Waits until the program has written `text`.
    fn wait_for(&mut self, text: &str) -> Outcome {
        self.output_before(text).map(drop)
    }

    /// Takes the output up to `text`, which it waits for.
    fn output_before(&mut self, text: &str) -> Result<String, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(text) {
                let before = self.seen.drain(..at + text.len()).collect::<String>();
                return Ok(before);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.output.recv_timeout(left) else {
                let last = self.seen.len().saturating_sub(400);
                let last = self.seen.get(last..).unwrap_or(&self.seen);
                return Err(format!("no {text:?}; the last output is {last:?}").into());
            };
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    fn kill(&self, signal: Signal) -> Outcome {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    fn wait(&mut self) -> Result<ExitStatus, Failure> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err("the program does not end".into())
    }

    /// Waits until the program is stopped, as by SIGSTOP.
    fn wait_until_stopped(&self) -> Outcome {
        let path = format!("/proc/{}/stat", self.child.id());
        let deadline = Instant::now() + PATIENCE;
        while !std::fs::read_to_string(&path)?.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')) {
            holds(Instant::now() < deadline, "the program does not stop")?;
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn is_raw(&self) -> Result<bool, Failure> {
        Ok(!tcgetattr(&self.line)?.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO))
    }

    /// Whether the modes are what they were before the program started.
    fn is_restored(&self) -> Outcome {
        let (now, before) = (tcgetattr(&self.line)?, &self.before);
        let same = now.local_modes == before.local_modes
            && now.input_modes == before.input_modes
            && now.output_modes == before.output_modes
            && now.control_modes == before.control_modes;
        holds(same, (now, before))
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        // Fails if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn top_draws_and_quits() -> Outcome {
    let mut top = OnTerminal::top()?;
    top.keys.write_all(b"q")?;
    let status = top.wait()?;
    holds(status.success(), status)?;
    top.is_restored()?;
    top.wait_for(LEAVE_ALTERNATE_SCREEN)?;
    top.wait_for(SHOW_CURSOR)
}

pub(super) fn top_restores_the_terminal_when_a_signal_ends_it() -> Outcome {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let mut top = OnTerminal::top()?;
        top.kill(signal)?;
        let status = top.wait()?;
        top.is_restored()?;
        top.wait_for(LEAVE_ALTERNATE_SCREEN)?;
        top.wait_for(SHOW_CURSOR)?;
        // A shell sees what ended it.
        holds(status.signal() == Some(signal.as_raw()), (signal, status))?;
    }
    Ok(())
}

pub(super) fn top_ends_when_the_terminal_takes_no_output() -> Outcome {
    let mut top = OnTerminal::top()?;
    tcflow(&top.line, Action::OOff)?;
    top.kill(Signal::TERM)?;
    let status = top.wait()?;
    holds(status.signal() == Some(Signal::TERM.as_raw()), status)?;
    top.is_restored()
}

pub(super) fn top_restores_the_terminal_while_it_is_stopped() -> Outcome {
    const CTRL_Z: &[u8] = b"\x1a";
    let mut top = OnTerminal::top()?;
    for by_key in [false, true] {
        if by_key {
            top.keys.write_all(CTRL_Z)?;
        } else {
            top.kill(Signal::TSTP)?;
        }
        top.wait_until_stopped()?;
        top.is_restored()?;
        top.wait_for(LEAVE_ALTERNATE_SCREEN)?;
        top.wait_for(SHOW_CURSOR)?;

        top.kill(Signal::CONT)?;
        top.wait_for(ENTER_ALTERNATE_SCREEN)?;
        // All of it is drawn anew.
        top.wait_for("DESTINATION")?;
        holds(top.is_raw()?, "the terminal is not raw again")?;
    }
    top.keys.write_all(b"q")?;
    let status = top.wait()?;
    holds(status.success(), status)?;
    top.is_restored()
}

pub(super) fn a_panic_restores_the_terminal() -> Outcome {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(PANIC, "1");
    let mut panics = OnTerminal::start(command)?;
    panics.wait_for(ENTER_ALTERNATE_SCREEN)?;
    panics.wait_for(LEAVE_ALTERNATE_SCREEN)?;
    panics.wait_for(SHOW_CURSOR)?;
    // Behind that, so that it stays to be read.
    panics.wait_for("the panic's words")?;
    let status = panics.wait()?;
    holds(!status.success(), status)?;
    panics.is_restored()
}

/// Tells this program to panic on the terminal as top would, instead of testing.
const PANIC: &str = "CONNTRACK_TESTS_PANIC";

/// Panics while the terminal is top's, if this is the process that is to.
pub(super) fn panic_if_told() {
    if std::env::var_os(PANIC).is_some() {
        let result = crate::top_terminal::run(|_| panic!("the panic's words"));
        unreachable!("{result:?}");
    }
}

pub(super) fn purge_leaves_the_terminal_as_it_is() -> Outcome {
    const END: &[u8] = b"(end)";
    let mut command = Command::new(program("purge")?);
    command.args(["--sandbox"]);
    let mut purge = OnTerminal::start(command)?;
    purge.wait_for("looking for flows")?;
    // There is nothing that would have to be put back.
    purge.is_restored()?;
    purge.kill(Signal::TERM)?;
    purge.wait()?;
    purge.is_restored()?;
    // Behind all that it has written.
    File::from(purge.line.try_clone()?).write_all(END)?;
    let output = purge.output_before(std::str::from_utf8(END)?)?;
    holds(!output.contains(HIDE_CURSOR) && !output.contains(ENTER_ALTERNATE_SCREEN), output)
}
