//! Signals, for the tests of what they interrupt.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Signals end after this time, so that what each of them prolongs has an end, too, and the test fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two signals: less than anything waits for.
const PAUSE: Duration = Duration::from_millis(1);

/// Runs `body`, whose thread gets one signal after another until it returns.
///
/// # Panics
/// It returns only when there are no more signals.
pub(crate) fn among_signals<T>(body: impl FnOnce() -> T) -> T {
    catch();
    let (process, thread) = (rustix::process::getpid(), rustix::thread::gettid());
    let returned = AtomicBool::new(false);
    let started = Instant::now();
    thread::scope(|scope| {
        let signals = scope.spawn(|| {
            while !returned.load(Ordering::Relaxed) && started.elapsed() < PATIENCE {
                // SAFETY: numbers are all that it takes.
                unsafe {
                    libc::syscall(libc::SYS_tgkill, process.as_raw_pid(), thread.as_raw_pid(), libc::SIGUSR1);
                }
                thread::sleep(PAUSE);
            }
            returned.load(Ordering::Relaxed)
        });
        let value = body();
        returned.store(true, Ordering::Relaxed);
        assert!(signals.join().is_ok_and(|in_time| in_time), "it returned only when there were no more signals");
        value
    })
}

/// Has the signal interrupt what it meets, and do nothing.
fn catch() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: the struct is one of integers and pointers, for which zero is a value; the handler does nothing that a
    // handler must not do.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
        libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut())
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}
