//! Without `CAP_NET_ADMIN`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use conntrack::sandbox::{Failure, Namespace, Sandbox};
use conntrack::{
    Capability, Changes, Command, Conntrack, Errno, Error, Events, ExpectUpdate, Filter, Flow, FlowId, FlowKey,
    Flushed, Groups, L3Protocol, Mirror, NewExpect, NewFlow, Protocol, Seconds, TimeoutPolicy, Tuple, UdpTimeouts,
    UsageError,
};
use rustix::process::Signal;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use crate::common::{PATIENCE, udp};
use crate::{Outcome, cases, holds, parallel, same};

cases! {
    each_operation_says_what_is_missing,
    what_makes_no_sense_is_told_before_anything_is_sent,
    a_batch_is_refused_as_a_whole,
    a_deletion_goes_on_past_what_is_refused,
    nothing_opens_in_what_is_no_namespace,
    a_connection_elsewhere_dumps_without_cap_sys_admin,
    another_namespace_needs_cap_sys_admin,
    a_thread_elsewhere_is_told_of_cap_sys_admin,
    the_thread_in_the_namespace_can_do_nothing_else,
}

fn without_capability(body: impl FnOnce() -> Outcome + Send) -> Outcome {
    without(CapabilitySet::NET_ADMIN, body)
}

/// Runs `body` on a thread that has given capabilities up, in the sandbox's namespace.
pub(crate) fn without(given_up: CapabilitySet, body: impl FnOnce() -> Outcome + Send) -> Outcome {
    let drop_and_run = || {
        let mut sets = capabilities(None)?;
        sets.effective.remove(given_up);
        set_capabilities(None, sets)?;
        body()
    };
    std::thread::scope(|scope| scope.spawn(drop_and_run).join()).map_err(|_| "the thread panicked")?
}

fn each_operation_says_what_is_missing(_: &Sandbox) -> Outcome {
    let open = Conntrack::open()?;
    open.create(&udp(1))?;
    without_capability(|| {
        let ct = Conntrack::open()?;
        let key = udp(1).orig.into();
        let policy = TimeoutPolicy::new("test".parse()?, L3Protocol::IPV4, UdpTimeouts::default());
        let expect = NewExpect::exactly(udp(2).orig, udp(1).orig);
        let refusals = [
            ct.dump().map(drop),
            ct.dump_filtered(&Filter::new().udp()).map(drop),
            ct.get(&key).map(drop),
            ct.create(&udp(2)),
            ct.upsert(&udp(2)),
            ct.update(&key, &Changes::new().mark(1)),
            ct.delete(&key).map(drop),
            ct.flush(&Filter::new().ipv4().udp()).map(drop).map_err(Error::from),
            ct.flush(&Filter::new().orig_dst_port(1..=2)).map(drop).map_err(Error::from),
            ct.flush_all(),
            ct.get_zeroing(&key).map(drop),
            ct.dump_zeroing().map(drop),
            ct.dump_dying().map(drop),
            ct.stats().map(drop),
            ct.stats_per_cpu().map(drop),
            ct.expectations().map(drop),
            ct.expectations_of(&key).map(drop),
            ct.flush_expectations(),
            ct.timeout_policies().map(drop),
            ct.delete_unused_timeout_policies().map(drop),
            ct.timeout_policy(&policy.name).map(drop),
            ct.create_timeout_policy(&policy),
            ct.replace_timeout_policy(&policy),
            ct.delete_timeout_policy(&policy.name).map(drop),
            ct.default_timeouts(Protocol::UDP).map(drop),
            ct.get_expectation(&expect.tuples.tuple.into()).map(drop),
            ct.create_expectation(&expect),
            ct.update_expectation_timeout(&ExpectUpdate { tuples: expect.tuples, timeout: Seconds(1) }),
            ct.delete_expectation(&expect.tuples.tuple.into()).map(drop),
            ct.delete_expectations_of_helper(&"ftp".parse()?),
            ct.expectation_stats().map(drop),
            ct.delete_matching(&Filter::new().mark(1), |_| true).map(drop).map_err(Error::from),
            ct.dump_parallel().map(drop),
            ct.helpers().map(drop),
        ];
        let started: [Option<Error>; 3] = [
            Events::subscribe(Groups::NEW).err(),
            Mirror::start(&Filter::all()).err(),
            ct.set_default_timeouts(UdpTimeouts::default()).err(),
        ];
        for error in started {
            let error = error.ok_or("allowed without the capability")?;
            holds!(error.is_permission() && error.to_string().contains("CAP_NET_ADMIN"), "{error}");
        }
        for refusal in refusals {
            let error = refusal.err().ok_or("allowed without the capability")?;
            holds!(error.is_permission(), "{error}");
            let helpers = error.to_string().starts_with("listing helpers");
            let place = if helpers { "the initial user namespace" } else { "the user namespace that owns the network" };
            holds!(error.to_string().contains(&format!("CAP_NET_ADMIN in {place}")), "{error}");
        }
        Ok(())
    })?;
    same!(open.dump()?.count(), 1);
    Ok(())
}

/// Anything that is sent is refused here with `EPERM`.
fn what_makes_no_sense_is_told_before_anything_is_sent(_: &Sandbox) -> Outcome {
    without_capability(|| {
        let ct = Conntrack::open()?;
        let filter = Filter::new().udp().tcp();
        let mixed = Tuple::udp(([10, 0, 0, 1], 1).into(), "[::1]:53".parse()?);
        let key = FlowKey::new(mixed).with_id(FlowId([1; 4]));
        let expect = NewExpect::exactly(udp(2).orig, mixed);
        let refusals = [
            ct.dump_filtered(&filter).map(drop),
            ct.dump_parallel_as::<Flow>(&filter).map(drop),
            ct.dump_zeroing_filtered(&filter).map(drop),
            ct.flush(&filter).map(drop).map_err(Error::from),
            ct.delete_matching(&filter, |_| true).map(drop).map_err(Error::from),
            ct.get(&key).map(drop),
            ct.get_zeroing(&key).map(drop),
            ct.create(&NewFlow::new(mixed)),
            ct.upsert(&NewFlow::new(mixed)),
            ct.update(&key, &Changes::new().mark(1)),
            ct.delete(&key).map(drop),
            ct.expectations_of(&key).map(drop),
            ct.get_expectation(&mixed.into()).map(drop),
            ct.create_expectation(&expect),
            ct.update_expectation_timeout(&ExpectUpdate::new(expect.tuples, Seconds(1))),
            ct.delete_expectation(&mixed.into()).map(drop),
        ];
        for (at, refusal) in refusals.into_iter().enumerate() {
            let error = refusal.err().ok_or("allowed")?;
            holds!(matches!(error, Error::Usage(_)), "{at}: {error}");
        }
        Ok(())
    })
}

fn a_batch_is_refused_as_a_whole(_: &Sandbox) -> Outcome {
    without_capability(|| {
        // Waiting for answers that do not come would end in a timeout, which is not what is expected.
        let ct = Conntrack::open()?;
        let results = ct.batch((0..500).map(|port| Command::Create(udp(port))));
        let errnos: Vec<_> = results.map(|result| result.err().and_then(|error: Error| error.errno())).collect();
        same!(errnos, vec![Some(Errno::PERM); 500]);
        Ok(())
    })?;
    same!(Conntrack::open()?.dump()?.count(), 0);
    Ok(())
}

/// Some of the deletions are made while the capability is given up.
fn a_deletion_goes_on_past_what_is_refused(_: &Sandbox) -> Outcome {
    const MANY: u16 = 1000;
    fn have_capability(has: bool) -> Result<(), rustix::io::Errno> {
        let mut sets = capabilities(None)?;
        sets.effective.set(CapabilitySet::NET_ADMIN, has);
        set_capabilities(None, sets)
    }
    // On a thread that may give up what it likes.
    without(CapabilitySet::empty(), || {
        let ct = Conntrack::open()?;
        ct.batch((0..MANY).map(|port| Command::Create(udp(port)))).run()?.into_result()?;
        let mut found = 0;
        let mut changed = Ok(());
        let report = ct.delete_matching(&Filter::new().udp().orig_dst_port(1..=100), |_| {
            found += 1;
            changed = changed.and_then(|()| match found {
                300 => have_capability(false),
                600 => have_capability(true),
                _ => Ok(()),
            });
            true
        })?;
        changed?;
        holds!(report.failed > 0 && report.done > 300, "{report:?}");
        same!((report.done + report.failed, report.not_found), (u64::from(MANY), 0));
        holds!(report.first_failure.as_ref().is_some_and(Error::is_permission), "{report:?}");
        same!(ct.dump()?.count() as u64, report.failed);

        // The kernel does not select ranges of ports.
        let Flushed::OneByOne(report) = ct.flush(&Filter::new().udp().orig_dst_port(1..=100))? else {
            return Err("flushed at once".into());
        };
        same!((report.done + report.not_found, ct.dump()?.count()), (report.done, 0));
        report.into_result()?;
        Ok(())
    })
}

/// Nor is it followed: each says what it is, before it has anything open.
fn nothing_opens_in_what_is_no_namespace(_: &Sandbox) -> Outcome {
    for path in ["/dev/null", "/proc/self/ns/uts", "/proc/self/ns/user", "/"] {
        let errors = [
            Conntrack::builder().netns_path(path)?.open().err(),
            Events::builder().netns_path(path)?.subscribe().err(),
            Mirror::builder().netns_path(path)?.start().err(),
        ];
        for error in errors {
            let refused = matches!(error, Some(Error::Usage(UsageError::NotANetworkNamespace)));
            holds!(refused, "{path}: {error:?}");
        }
    }
    Ok(())
}

/// Also if dumps end half-way, which closes their sockets, and many run at a time.
fn a_connection_elsewhere_dumps_without_cap_sys_admin(_: &Sandbox) -> Outcome {
    const AT_A_TIME: usize = 40;
    let there = Namespace::new()?;
    let ct = Conntrack::builder().netns(&there)?.open()?;
    let count = parallel::fill(&ct, parallel::MANY)?;
    without(CapabilitySet::SYS_ADMIN, || {
        holds!(Conntrack::builder().netns(&there)?.open().is_err(), "the capability is gone");
        let mut dumps = (0..AT_A_TIME).map(|_| ct.dump()).collect::<Result<Vec<_>, _>>()?;
        let last = dumps.pop().ok_or("no dump")?;
        drop(dumps);
        same!(last.count(), count);
        same!(ct.dump_parallel()?.count(), count);
        // On threads that began without the capability.
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| ct.dump_parallel().map(Iterator::count))).collect();
            threads.into_iter().try_for_each(|thread| {
                same!(thread.join().map_err(|_| "a thread panicked")??, count);
                Ok(())
            })
        })
    })?;
    same!(Conntrack::open()?.dump()?.count(), 0, "none of them was here");
    Ok(())
}

/// It is the error that a capability is missing, and says which, and where.
fn is_missing_sys_admin(error: Option<Error>, namespace: &Namespace) -> Outcome {
    let error = error.ok_or("allowed without the capability")?;
    holds!(error.is_permission(), "{error:?}");
    let Error::MissingCapability(missing) = &error else { return Err(format!("{error:?}").into()) };
    let inode = rustix::fs::fstat(namespace)?.st_ino;
    same!((missing.capability, missing.network_namespace), (Capability::SysAdmin, Some(inode)));
    holds!(error.to_string().starts_with("entering the network namespace: needs CAP_SYS_ADMIN in user:["), "{error}");
    Ok(())
}

fn another_namespace_needs_cap_sys_admin(_: &Sandbox) -> Outcome {
    let there = Namespace::new()?;
    without(CapabilitySet::SYS_ADMIN, || {
        is_missing_sys_admin(Conntrack::builder().netns(&there)?.open().err(), &there)?;
        is_missing_sys_admin(Events::builder().netns(&there)?.subscribe().err(), &there)?;
        is_missing_sys_admin(Mirror::builder().netns(&there)?.start().err(), &there)
    })
}

/// A connection to the namespace of the thread that opened it, used by a thread in another one.
fn a_thread_elsewhere_is_told_of_cap_sys_admin(_: &Sandbox) -> Outcome {
    let home = Namespace::new()?;
    let ct = home.run(|_| Ok(Conntrack::open()?))?;
    // More than the first datagrams hold, so that the dumps are under way.
    parallel::fill(&ct, 3000)?;
    Namespace::new()?.run(|_| {
        without(CapabilitySet::SYS_ADMIN, || {
            let _first = ct.dump()?;
            // The first has the socket that was there.
            let dumps = (0..2).map(|_| ct.dump()).collect::<Result<Vec<_>, _>>();
            is_missing_sys_admin(dumps.err(), &home)
        })
    })?;
    Ok(())
}

/// A line of what `/proc` tells of a thread.
fn status_line(thread: &Path, name: &str) -> Option<String> {
    let status = std::fs::read_to_string(thread.join("status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

/// The threads of this process that are in a network namespace, as directories.
fn threads_in(namespace: &Namespace) -> Result<Vec<PathBuf>, Failure> {
    let inode = rustix::fs::fstat(namespace)?.st_ino;
    let tasks = std::fs::read_dir("/proc/self/task")?.map(|task| task.map(|task| task.path()));
    // A thread may end meanwhile.
    let is_there = |task: &PathBuf| std::fs::metadata(task.join("ns/net")).is_ok_and(|network| network.ino() == inode);
    Ok(tasks.collect::<Result<Vec<_>, _>>()?.into_iter().filter(is_there).collect())
}

fn the_thread_in_the_namespace_can_do_nothing_else(_: &Sandbox) -> Outcome {
    let there = Namespace::new()?;
    same!(threads_in(&there)?.len(), 0);
    let ct = Conntrack::builder().netns(&there)?.open()?;
    let threads = threads_in(&there)?;
    same!(threads.len(), 1);
    for capabilities in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
        same!(status_line(&threads[0], capabilities).as_deref(), Some("0000000000000000"), "{capabilities}");
    }
    // It takes no signal that is meant for the process: all are blocked that can be.
    let blocked = status_line(&threads[0], "SigBlk:").ok_or("no SigBlk")?;
    let blocked = u64::from_str_radix(&blocked, 16)?;
    for signal in [Signal::HUP, Signal::INT, Signal::TERM, Signal::USR1, Signal::CHILD, Signal::PIPE] {
        holds!(blocked & 1 << (signal.as_raw() - 1) != 0, "{signal:?} in {blocked:x}");
    }
    let dump = ct.dump()?;
    drop(ct);
    same!(threads_in(&there)?.len(), 1, "a dump may yet need it");
    drop(dump);
    let deadline = Instant::now() + PATIENCE;
    while !threads_in(&there)?.is_empty() {
        holds!(Instant::now() < deadline, "it goes on");
        std::thread::yield_now();
    }
    Ok(())
}
