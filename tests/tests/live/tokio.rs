//! The forms for tokio.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use conntrack::codec::{DecodePayload, Mode, Wire};
use conntrack::sandbox::{Failure, Sandbox};
use conntrack::tokio::{Conntrack, Dump, Events, Mirror};
use conntrack::{
    Change, Changes, Command, DecodeError, Error, Event, Filter, Flow, FlowKey, Flushed, Groups, Removal, Tuple,
};

use crate::common::{PATIENCE, udp};
use crate::{Outcome, cases, holds, same};

cases! {
    does_what_the_blocking_form_does,
    streams_dumps,
    drops_dumps_half_way,
    passes_a_projections_panic_on,
    passes_an_operations_panic_on,
    occupies_few_threads,
    executes_requests_in_the_order_in_which_they_were_polled,
    begins_no_operation_that_was_dropped_in_the_queue,
    goes_on_in_another_runtime,
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

/// Operations of one connection that run at a time.
const TURNS: usize = 4;

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

/// A flow whose decoding panics.
#[derive(Debug, conntrack::Decode)]
struct Bomb {
    #[nla(CTA_TUPLE_ORIG)]
    _armed: Armed,
}

#[derive(Debug)]
struct Armed;

impl DecodePayload for Armed {
    const WIRE: Wire = <Tuple as DecodePayload>::WIRE;

    fn vacant() -> Self {
        Self
    }

    fn decode_payload(_: &[u8], _: Mode) -> Result<Self, DecodeError> {
        panic!("a bomb went off")
    }
}

/// The text that a task panicked with.
fn panic_text(result: Result<Outcome, ::tokio::task::JoinError>) -> Result<String, Failure> {
    let panic = match result {
        Ok(outcome) => return Err(format!("ended without a panic: {outcome:?}").into()),
        Err(error) => error.try_into_panic().map_err(|error| format!("no panic: {error}"))?,
    };
    Ok(panic.downcast_ref::<&str>().ok_or("a panic without a text")?.to_string())
}

/// Takes a dump to its end.
async fn exhaust<T>(mut dump: Dump<T>) -> Outcome {
    while dump.next().await.transpose()?.is_some() {}
    Ok(())
}

fn passes_a_projections_panic_on(_: &Sandbox) -> Outcome {
    run(async {
        let ct = Conntrack::open()?;
        fill(&ct, 3).await?;
        let (one, several) = (ct.clone(), ct.clone());
        let dumps = [
            ::tokio::spawn(async move { exhaust(one.dump_as::<Bomb>().await?).await }),
            ::tokio::spawn(async move { exhaust(several.dump_parallel_as::<Bomb>(&Filter::all()).await?).await }),
        ];
        for dump in dumps {
            same!(panic_text(dump.await)?, "a bomb went off");
        }
        same!(ct.stats().await?.entries, 3, "the connection goes on");
        Ok(())
    })
}

fn passes_an_operations_panic_on(_: &Sandbox) -> Outcome {
    run(async {
        let ct = Conntrack::open()?;
        let asking = ct.clone();
        let asked = ::tokio::spawn(async move {
            asking.run(|_| -> Result<(), Error> { panic!("a closure's own") }).await?;
            Ok(())
        });
        same!(panic_text(asked.await)?, "a closure's own");
        same!(ct.stats().await?.entries, 0);
        Ok(())
    })
}

/// How many threads have this name, of at most 15 bytes.
fn threads_named(name: &str) -> Result<usize, Failure> {
    let mut count = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        // It may have ended.
        let comm = std::fs::read_to_string(task?.path().join("comm")).unwrap_or_default();
        count += usize::from(comm.trim_end() == name);
    }
    Ok(count)
}

/// However many requests there are at a time.
fn occupies_few_threads(_: &Sandbox) -> Outcome {
    const NAME: &str = "few-threads";
    const REQUESTS: usize = 2000;
    /// Two of the runtime's own, one for requests, four for other operations; and those that were idle too late to be
    /// used again, of which a busy machine has more.
    const FEW: usize = 50;
    let runtime = ::tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name(NAME).build()?;
    runtime.block_on(async {
        let ct = Conntrack::open()?;
        fill(&ct, 10).await?;
        let key = FlowKey::new(udp(1).orig);
        let barrier = Arc::new(::tokio::sync::Barrier::new(REQUESTS));
        let request = |number: usize| {
            let (ct, barrier) = (ct.clone(), Arc::clone(&barrier));
            ::tokio::spawn(async move {
                barrier.wait().await;
                match number % 100 {
                    0 => same!(ct.delete_matching(&Filter::new().mark(9), |_| true).await?.into_result()?, 0),
                    1..10 => holds!(ct.batch([Command::Upsert(udp(2))]).await?.iter().all(Result::is_ok)),
                    _ => holds!(ct.get(&key).await?.is_some()),
                }
                Ok::<(), Failure>(())
            })
        };
        for request in (0..REQUESTS).map(request).collect::<Vec<_>>() {
            request.await??;
        }
        // The runtime keeps an idle thread for ten seconds.
        let threads = threads_named(NAME)?;
        holds!(threads <= FEW, "{threads} threads");
        Ok(())
    })
}

fn executes_requests_in_the_order_in_which_they_were_polled(_: &Sandbox) -> Outcome {
    run(async {
        let mut events = conntrack::Events::builder().groups(Groups::NEW).receive_buffer(1 << 20).subscribe()?;
        let ct = Conntrack::open()?;
        let creations = (0..200).map(|port| {
            let ct = ct.clone();
            ::tokio::spawn(async move { ct.create(&udp(port)).await })
        });
        for creation in creations.collect::<Vec<_>>() {
            creation.await??;
        }
        let mut ports = Vec::new();
        while let Some(event) = events.try_next()? {
            let Event::New(flow, _) = event else { return Err(format!("{event:?}").into()) };
            ports.extend(flow.orig.src_port());
        }
        same!(ports, (0..200).collect::<Vec<_>>());
        Ok(())
    })
}

/// A request that nobody waits for any more, and that was not sent yet, is not sent.
/// As many operations run at a time as there are turns. More wait, and are not begun if their futures are dropped.
fn begins_no_operation_that_was_dropped_in_the_queue(_: &Sandbox) -> Outcome {
    let runtime = ::tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let ct = Conntrack::open()?;
        fill(&ct, 1).await?;
        let begun = Arc::new(AtomicUsize::new(0));
        // Each operation that begins waits for the other end of this channel to be dropped.
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let operation = || {
            let (ct, begun, held) = (ct.clone(), Arc::clone(&begun), Arc::clone(&held));
            ::tokio::spawn(async move {
                let keep = move |_: &Flow| {
                    begun.fetch_add(1, Ordering::SeqCst);
                    let _ = held.lock().map(|held| held.recv());
                    false
                };
                ct.delete_matching(&Filter::all(), keep).await.map_err(Error::from)
            })
        };
        let running: Vec<_> = (0..TURNS).map(|_| operation()).collect();
        while begun.load(Ordering::SeqCst) < TURNS {
            ::tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (0..TURNS).map(|_| operation()).collect();
        // A request has another queue, so that its answer says that all of these have been polled.
        ct.stats().await?;
        for task in waiting {
            task.abort();
            holds!(task.await.is_err_and(|error| error.is_cancelled()), "it waited for a turn");
        }
        drop(release);
        for task in running {
            holds!(task.await??.into_result()? == 0);
        }
        // It begins behind those that were dropped.
        ct.delete_matching(&Filter::new().mark(1), |_| true).await?.into_result()?;
        same!(begun.load(Ordering::SeqCst), TURNS);
        Ok(())
    })
}

/// Also if the first ended with requests on their way.
fn goes_on_in_another_runtime(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    for round in 0..3 {
        let runtime = ::tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
        for port in 0..50 {
            let ct = ct.clone();
            runtime.spawn(async move { ct.upsert(&udp(port)).await });
        }
        runtime.shutdown_background();
        run(async {
            ct.upsert(&udp(1000 + round)).await?;
            holds!(ct.delete(&udp(1000 + round).orig.into()).await?);
            Ok(())
        })?;
    }
    Ok(())
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
