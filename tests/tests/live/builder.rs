//! Where and how a connection is opened.

use std::fs::File;
use std::time::Duration;

use conntrack::sandbox::{Namespace, Sandbox};
use conntrack::{Conntrack, Error, NewFlow, UsageError};

use crate::{Outcome, cases, holds, same};

cases! {
    opens_in_another_namespace,
    refuses_what_is_no_namespace,
    reports_the_granted_buffers,
    takes_any_reply_timeout,
}

fn opens_in_another_namespace(sandbox: &Sandbox) -> Outcome {
    let flow = NewFlow::udp(([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into());
    let other = Namespace::new()?;
    let there = Conntrack::builder().netns(&other)?.open()?;
    there.create(&flow)?;
    same!(there.dump()?.count(), 1);
    same!(Conntrack::open()?.dump()?.count(), 0);

    let back = Conntrack::builder().netns(sandbox.netns())?.open()?;
    same!(back.dump()?.count(), 0);
    let by_path = Conntrack::builder().netns_path("/proc/thread-self/ns/net")?.open()?;
    by_path.create(&flow)?;
    same!(back.dump()?.count(), 1);
    Ok(())
}

fn refuses_what_is_no_namespace(_: &Sandbox) -> Outcome {
    let is_refused = |result| matches!(result, Err(Error::Usage(UsageError::NotANetworkNamespace)));
    holds!(is_refused(Conntrack::builder().netns(File::open("/dev/null")?)?.open()));
    holds!(is_refused(Conntrack::builder().netns_path("/proc/self/ns/uts")?.open()));
    let absent = Conntrack::builder().netns_path("/no/such/namespace");
    holds!(absent.is_err_and(|error| error.is_not_found()));
    Ok(())
}

fn reports_the_granted_buffers(_: &Sandbox) -> Outcome {
    let ct = Conntrack::builder().receive_buffer(64 << 10).send_buffer(32 << 10).open()?;
    // The kernel doubles what is asked for.
    same!(ct.receive_buffer()?, 128 << 10);
    same!(ct.send_buffer()?, 64 << 10);
    Ok(())
}

fn takes_any_reply_timeout(_: &Sandbox) -> Outcome {
    for timeout in [None, Some(Duration::from_secs(1)), Some(Duration::from_secs(1 << 20))] {
        same!(Conntrack::builder().reply_timeout(timeout).open()?.dump()?.count(), 0);
    }
    holds!(Conntrack::builder().reply_timeout(Duration::ZERO).open().is_err());
    Ok(())
}
