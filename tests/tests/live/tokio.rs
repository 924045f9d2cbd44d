//! The forms for tokio.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use conntrack::sandbox::{Failure, Sandbox};
use conntrack::tokio::{Conntrack, Events, Mirror};
use conntrack::{Change, Changes, Command, Error, Event, Filter, Flushed, Groups, Removal};

use crate::common::{PATIENCE, udp};
use crate::{Outcome, cases, holds, same};

cases! {
    does_what_the_blocking_form_does,
    streams_dumps,
    drops_dumps_half_way,
    survives_futures_that_are_dropped,
    is_shared_by_tasks,
    streams_events,
    lets_others_run_between_events,
    mirrors,
    mirrors_as_a_stream,
    a_stream_wakes_when_a_check_is_due,
    mirrors_whatever_is_dropped,
    checks_once_more_what_is_being_checked,
}

fn run(body: impl Future<Output = Outcome>) -> Outcome {
    ::tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(body)
}

async fn fill(ct: &Conntrack, count: u16) -> Outcome {
    let results = ct.batch((0..count).map(|port| Command::Create(udp(port)))).await?;
    same!(results.len(), usize::from(count));
    results.into_iter().collect::<Result<Vec<_>, Error>>()?;
    Ok(())
}

fn does_what_the_blocking_form_does(_: &Sandbox) -> Outcome {
    run(async {
        let ct = Conntrack::open()?;
        let key = udp(1).orig.into();
        same!(ct.get(&key).await?, None);
        ct.create(&udp(1).mark(7)).await?;
        holds!(ct.create(&udp(1)).await.is_err_and(|error| error.is_exists()));
        ct.update(&key, &Changes::new().mark(0).timeout(Duration::from_secs(100))).await?;
        same!(ct.get(&key).await?.and_then(|flow| flow.mark), Some(0));
        same!(ct.stats().await?.entries, 1);
        holds!(ct.delete(&key).await?);
        fill(&ct, 100).await?;
        same!(ct.delete_matching(&Filter::all(), |flow| flow.orig.src_port() < Some(50)).await?.into_result()?, 50);
        holds!(matches!(ct.flush(&Filter::new().ipv4().udp().orig_src_port(50)).await?, Flushed::AtOnce));
        same!(ct.stats().await?.entries, 49);
        ct.flush_all().await?;
        same!(ct.stats().await?.entries, 0);
        Ok(())
    })
}

fn streams_dumps(_: &Sandbox) -> Outcome {
    run(async {
        let ct = Conntrack::open()?;
        fill(&ct, 1000).await?;
        let mut flows = ct.dump().await?;
        let mut ports = Vec::new();
        while let Some(flow) = flows.next().await {
            ports.extend(flow?.orig.src_port());
        }
        holds!(flows.next().await.is_none(), "it stays at its end");
        ports.sort_unstable();
        same!(ports, (0..1000).collect::<Vec<u16>>());
        Ok(())
    })
}

fn drops_dumps_half_way(_: &Sandbox) -> Outcome {
    run(async {
        let ct = Conntrack::open()?;
        fill(&ct, 5000).await?;
        for _ in 0..3 {
            let mut flows = ct.dump().await?;
            holds!(flows.next().await.is_some_and(|flow| flow.is_ok()));
        }
        let mut flows = ct.dump().await?;
        let mut count = 0;
        while let Some(flow) = flows.next().await {
            flow?;
            count += 1;
        }
        same!(count, 5000);
        Ok(())
    })
}

/// Polls a future once, and drops it: most often while the request is on its way.
fn polled<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn begin(future: impl Future) {
    let _ = polled(future);
}

fn survives_futures_that_are_dropped(_: &Sandbox) -> Outcome {
    run(async {
        let ct = Conntrack::open()?;
        fill(&ct, 1000).await?;
        for port in 0..100 {
            begin(ct.get(&udp(port).orig.into()));
            begin(ct.delete(&udp(port).orig.into()));
            begin(ct.dump());
        }
        for port in 100..200 {
            let found = ct.get(&udp(port).orig.into()).await?.ok_or("not there")?;
            same!(found.orig, udp(port).orig, "the answer is the one to this request");
        }
        Ok(())
    })
}

fn is_shared_by_tasks(_: &Sandbox) -> Outcome {
    run(async {
        let ct = Conntrack::open()?;
        let tasks = (0..200).map(|port| {
            let ct = ct.clone();
            ::tokio::spawn(async move {
                ct.create(&udp(port).mark(port.into())).await?;
                let found = ct.get(&udp(port).orig.into()).await?.ok_or("not there")?;
                holds!(found.mark == Some(port.into()));
                Ok::<(), Failure>(())
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await??;
        }
        same!(ct.stats().await?.entries, 200);
        Ok(())
    })
}

fn streams_events(_: &Sandbox) -> Outcome {
    run(async {
        let ct = Conntrack::open()?;
        let mut events = Events::subscribe(Groups::FLOWS)?;
        // A future that was dropped while it waited loses nothing.
        begin(events.next());
        fill(&ct, 3).await?;
        ct.update(&udp(1).orig.into(), &Changes::new().mark(9)).await?;
        ct.delete(&udp(2).orig.into()).await?;
        let mut seen = Vec::new();
        while seen.len() < 5 {
            let event = events.next().await.ok_or("the stream ended")??;
            seen.push(match event {
                Event::New(flow, _) => ("new", flow.orig.src_port()),
                Event::Update(flow, _) => ("update", flow.orig.src_port().filter(|_| flow.mark == Some(9))),
                Event::Destroy(flow, _) => ("destroy", flow.orig.src_port()),
                other => return Err(format!("{other:?}").into()),
            });
        }
        let expected =
            [("new", Some(0)), ("new", Some(1)), ("new", Some(2)), ("update", Some(1)), ("destroy", Some(2))];
        same!(seen, expected);
        Ok(())
    })
}

fn lets_others_run_between_events(_: &Sandbox) -> Outcome {
    run(async {
        let ct = Conntrack::open()?;
        let mut events =
            Events::over(conntrack::Events::builder().groups(Groups::NEW).receive_buffer(8 << 20).subscribe()?)?;
        fill(&ct, 2000).await?;
        let other = ::tokio::spawn(async {});
        let mut taken = 0;
        while taken < 2000 && !other.is_finished() {
            holds!(matches!(events.next().await, Some(Ok(Event::New(..)))));
            taken += 1;
        }
        holds!(taken < 2000, "the other task had to wait for {taken} events");
        Ok(())
    })
}

fn mirrors(_: &Sandbox) -> Outcome {
    run(async {
        let ct = Conntrack::open()?;
        fill(&ct, 1000).await?;
        let mut mirror = Mirror::start(&Filter::all()).await?;
        same!(mirror.table().len(), 1000);
        begin(mirror.changes());
        ct.delete(&udp(1).orig.into()).await?;
        ct.create(&udp(2000)).await?;
        let mut changes = Vec::new();
        while changes.len() < 2 {
            changes.extend(mirror.changes().await?);
        }
        holds!(matches!(&changes[0], Change::Removed { flow: gone, .. } if gone.orig == udp(1).orig));
        holds!(matches!(&changes[1], Change::Inserted { flow: new, .. } if new.orig == udp(2000).orig));
        same!(mirror.table().len(), 1000);
        holds!(mirror.table().get(&udp(2000).orig.into()).is_some());
        Ok(())
    })
}

fn mirrors_as_a_stream(_: &Sandbox) -> Outcome {
    run(async {
        let ct = Conntrack::open()?;
        let mut mirror = Mirror::start(&Filter::all()).await?;
        fill(&ct, 1000).await?;
        let other = ::tokio::spawn(async {});
        let (mut inserted, mut at_once) = (0, 0);
        while inserted < 1000 {
            let change = mirror.next().await.ok_or("the stream has ended")?;
            holds!(matches!(change?, Change::Inserted { .. }));
            inserted += 1;
            at_once += u32::from(!other.is_finished());
        }
        holds!(at_once < 1000, "the other task had to wait for all changes");
        // It waits for the next one, whatever is dropped before.
        begin(mirror.next());
        ct.delete(&udp(1).orig.into()).await?;
        let change = mirror.next().await.ok_or("the stream has ended")??;
        holds!(matches!(&change, Change::Removed { how: Removal::Destroyed, .. }), "{change:?}");
        same!(mirror.table().len(), 999);
        Ok(())
    })
}

/// Nothing happens but the time for a check.
fn a_stream_wakes_when_a_check_is_due(_: &Sandbox) -> Outcome {
    run(async {
        let builder = conntrack::Mirror::builder().check_every(Duration::from_millis(20));
        let mut mirror = builder.start_tokio().await?;
        let dumps = mirror.table().stats().dumps;
        let waited = ::tokio::time::timeout(Duration::from_millis(500), mirror.next()).await;
        holds!(waited.is_err(), "{waited:?}");
        holds!(mirror.table().stats().dumps > dumps, "{:?}", mirror.table().stats());
        Ok(())
    })
}

fn mirrors_whatever_is_dropped(_: &Sandbox) -> Outcome {
    run(async {
        let ct = Conntrack::open()?;
        fill(&ct, 1000).await?;
        let mut mirror = Mirror::start(&Filter::all()).await?;
        mirror.check();
        ct.delete(&udp(1).orig.into()).await?;
        let mut changes = Vec::new();
        while mirror.table().stats().dumps < 2 || changes.is_empty() {
            // Dropped at every point where it waits.
            if let Poll::Ready(found) = polled(mirror.changes()) {
                changes.extend(found?);
            }
            ::tokio::task::yield_now().await;
        }
        same!(changes.len(), 1);
        holds!(
            matches!(&changes[0], Change::Removed { flow, how: Removal::Destroyed, .. } if flow.orig == udp(1).orig)
        );
        same!((mirror.table().len(), mirror.table().stats().failed_dumps), (999, 0));
        Ok(())
    })
}

fn checks_once_more_what_is_being_checked(_: &Sandbox) -> Outcome {
    run(async {
        let mut mirror = Mirror::start(&Filter::all()).await?;
        mirror.check();
        begin(mirror.changes());
        // The dump may have seen the table already.
        mirror.check();
        let deadline = Instant::now() + PATIENCE;
        while mirror.table().stats().dumps < 3 {
            begin(mirror.changes());
            ::tokio::task::yield_now().await;
            holds!(Instant::now() < deadline, "{:?}", mirror.table().stats());
        }
        Ok(())
    })
}
