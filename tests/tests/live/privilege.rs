//! Without `CAP_NET_ADMIN`.

use conntrack::sandbox::Sandbox;
use conntrack::{
    Changes, Command, Conntrack, Errno, Error, Events, ExpectUpdate, Filter, Flushed, Groups, L3Protocol, Mirror,
    NewExpect, Protocol, Seconds, TimeoutPolicy, UdpTimeouts, UsageError,
};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use crate::common::udp;
use crate::{Outcome, cases, holds, same};

cases! {
    each_operation_says_what_is_missing,
    a_batch_is_refused_as_a_whole,
    a_deletion_goes_on_past_what_is_refused,
    nothing_opens_in_what_is_no_namespace,
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
            ct.delete_unused_timeout_policies(),
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
