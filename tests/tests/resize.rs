//! The kernel's table is resized while it is dumped.
//!
//! Its size is the whole system's, and while it changes, dumps of all others may miss flows too. So this runs only where
//! it is asked for, with `CONNTRACK_TESTS_SYSTEM=allow`, and only as root of the system; it restores the size.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use conntrack::sandbox::Namespace;
use conntrack::{Command, Conntrack, Flow, NewFlow};

/// The setting, which is put back in the end.
struct Buckets {
    was: String,
}

impl Buckets {
    const PATH: &str = "/proc/sys/net/netfilter/nf_conntrack_buckets";

    /// Only the system's own network namespace may set it.
    fn open() -> std::io::Result<Self> {
        let this = Self { was: fs::read_to_string(Self::PATH)?.trim().to_owned() };
        fs::write(Self::PATH, &this.was)?;
        Ok(this)
    }

    fn set(buckets: u64) {
        fs::write(Self::PATH, buckets.to_string()).unwrap();
    }
}

impl Drop for Buckets {
    fn drop(&mut self) {
        fs::write(Self::PATH, &self.was).unwrap();
    }
}

fn flow(port: u16) -> NewFlow {
    NewFlow::udp(([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 53).into()).timeout(Duration::from_secs(600))
}

#[test]
fn under_dumps() {
    const MANY: u16 = 3000;
    const DUMPS: usize = 30;
    if std::env::var_os("CONNTRACK_TESTS_SYSTEM").is_none_or(|value| value != "allow") {
        eprintln!("SKIPPED: it changes a setting of the whole system; CONNTRACK_TESTS_SYSTEM=allow runs it");
        return;
    }
    let buckets = Buckets::open().unwrap_or_else(|error| panic!("{}: {error}", Buckets::PATH));
    let size: u64 = buckets.was.parse().unwrap();
    let stop = AtomicBool::new(false);
    let (mut incomplete, mut twice, mut resized) = (0, 0, 0_u64);
    std::thread::scope(|scope| {
        let dumps = scope.spawn(|| {
            let result = Namespace::new()?.run(|_| {
                let ct = Conntrack::open()?;
                ct.batch((0..MANY).map(|port| Command::Create(flow(port)))).run()?.into_result()?;
                let started = Instant::now();
                for _ in 0..DUMPS {
                    // None of them fails, and nothing is in it that is not in the table.
                    let found = ct.dump()?.collect::<Result<Vec<Flow>, _>>()?;
                    let ports: BTreeSet<_> = found.iter().filter_map(|flow| flow.orig.src_port()).collect();
                    assert!(ports.last().is_none_or(|port| *port < MANY));
                    incomplete += usize::from(ports.len() < usize::from(MANY));
                    twice += found.len() - ports.len();
                }
                assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
                Ok(())
            });
            stop.store(true, Ordering::Relaxed);
            result
        });
        while !stop.load(Ordering::Relaxed) {
            Buckets::set(if resized % 2 == 0 { size / 2 } else { size });
            resized += 1;
        }
        dumps.join().unwrap().unwrap();
    });
    drop(buckets);
    println!("{DUMPS} dumps, {resized} changes of size: {incomplete} dumps miss flows, {twice} flows come twice");
    assert!(resized > 0);
    assert_eq!(fs::read_to_string(Buckets::PATH).unwrap().trim().parse(), Ok(size));
}
