//! The terminal, which is put back however the program ends.

use std::io::{self, stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::{DefaultTerminal, Terminal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::flag::register_conditional_default;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// The signals that end a program, and the one that stops it.
const SIGNALS: [i32; 5] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP];
/// How long a terminal may take to accept the sequences that put it back. One that takes no output never does.
const PATIENCE: Duration = Duration::from_secs(1);

/// The terminal, locked while something is drawn or it is put back.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<DefaultTerminal>>);

impl Shared {
    /// The terminal, for as long as the guard lives. Do not keep it: a signal waits for it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, DefaultTerminal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `body` with the terminal in raw mode and on its alternate screen, and puts it back when `body` returns or
/// panics, when a signal ends the process, and while one stops it.
pub(crate) fn run<T>(body: impl FnOnce(&Shared) -> T) -> io::Result<T> {
    // Before the terminal changes: a signal that comes in between waits until there is a thread that takes it.
    let is_ending = Arc::new(AtomicBool::new(false));
    for signal in SIGNALS {
        register_conditional_default(signal, Arc::clone(&is_ending))?;
    }
    let mut signals = Signals::new(SIGNALS)?;
    let signals_handle = signals.handle();
    let terminal = Shared(Arc::new(Mutex::new(new_terminal()?)));

    restore_on_panic();
    let entered = enter();
    let taker = thread::Builder::new().name("signals".to_owned()).spawn({
        let (terminal, is_ending) = (terminal.clone(), Arc::clone(&is_ending));
        move || signals.forever().for_each(|signal| take(signal, &terminal, &is_ending))
    });
    let result = match (entered, taker) {
        (Ok(()), Ok(taker)) => Ok((body(&terminal), taker)),
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    let left = leave();
    // From here on signals do what they do by default.
    is_ending.store(true, Ordering::Relaxed);
    signals_handle.close();
    let (result, taker) = result?;
    // It does not panic, and the terminal has been put back.
    let _ = taker.join();
    left.map(|()| result)
}

/// Does what `signal` does by default, with the terminal put back.
fn take(signal: i32, terminal: &Shared, is_ending: &AtomicBool) {
    if signal == SIGTSTP {
        let mut terminal = terminal.lock();
        // That the terminal is gone will show when the next frame is drawn.
        let _ = leave();
        let _ = emulate_default_handler(signal);
        // Somebody has had it continue.
        let _ = enter();
        // A new one draws everything again. (`clear` would ask the terminal where its cursor is.)
        if let Ok(anew) = new_terminal() {
            *terminal = anew;
        }
        return;
    }
    // The next signal ends the process at once.
    is_ending.store(true, Ordering::Relaxed);
    // First what writes nothing.
    let _ = disable_raw_mode();
    let (sender, has_left) = mpsc::channel();
    let terminal = terminal.clone();
    thread::spawn(move || {
        let _kept_until_the_end = terminal.lock();
        // Nobody is left to tell.
        let _ = sender.send(leave());
        loop {
            thread::park();
        }
    });
    let _ = has_left.recv_timeout(PATIENCE);
    let _ = emulate_default_handler(signal);
}

/// Puts the terminal back before the message of a panic is printed.
fn restore_on_panic() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        // The message matters more.
        let _ = leave();
        before(panic);
    }));
}

fn new_terminal() -> io::Result<DefaultTerminal> {
    Terminal::new(CrosstermBackend::new(stdout()))
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen)
}

fn leave() -> io::Result<()> {
    disable_raw_mode()?;
    execute!(stdout(), LeaveAlternateScreen, Show)
}
