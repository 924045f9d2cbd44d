//! Threads: a connection each, one for all, and one that is handed from thread to thread.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use conntrack::codec::{DecodePayload, Mode, Wire, missing};
use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{Changes, Command, Conntrack, Decode, DecodeError, Event, Events, Flow, Groups, NewFlow};

use crate::common::{PATIENCE, udp};
use crate::{Outcome, cases, holds, same};

cases! {
    a_connection_each,
    one_connection_for_all,
    handed_from_thread_to_thread,
    a_dump_and_a_listener_move,
    what_a_connection_is_needs_no_turn,
}

const THREADS: u16 = 8;
const FLOWS: u16 = 30;

/// A flow of a thread's own.
fn flow(thread: u16, number: u16) -> NewFlow {
    udp(thread * FLOWS + number)
}

/// Everything a thread does, to flows of its own.
fn work(ct: &Conntrack, of: u16) -> Outcome {
    for number in 0..FLOWS {
        let new = flow(of, number);
        ct.create(&new)?;
        ct.update(&new.orig.into(), &Changes::new().mark(u32::from(of) + 1))?;
        same!(ct.get(&new.orig.into())?.and_then(|flow| flow.mark), Some(u32::from(of) + 1));
    }
    let mine = ct.dump()?.filter(|flow| flow.as_ref().is_ok_and(|flow| flow.mark == Some(u32::from(of) + 1)));
    same!(mine.count(), usize::from(FLOWS));
    same!(
        ct.batch((0..FLOWS / 2).map(|number| Command::Delete(flow(of, number).orig.into()))).run()?.into_result()?,
        u64::from(FLOWS / 2)
    );
    Ok(())
}

fn all_at_once(body: impl Fn(u16) -> Outcome + Sync) -> Outcome {
    thread::scope(|scope| {
        let body = &body;
        let threads: Vec<_> = (0..THREADS).map(|number| scope.spawn(move || body(number))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })?;
    let left = Conntrack::open()?.dump()?.collect::<Result<Vec<Flow>, _>>()?;
    let ports: BTreeSet<_> = left.iter().filter_map(|flow| flow.orig.src_port()).collect();
    same!((left.len(), ports.len()), (usize::from(THREADS * FLOWS / 2), usize::from(THREADS * FLOWS / 2)));
    Ok(())
}

fn a_connection_each(_: &Sandbox) -> Outcome {
    all_at_once(|number| work(&Conntrack::open()?, number))
}

fn one_connection_for_all(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    all_at_once(|number| work(&ct, number))
}

fn handed_from_thread_to_thread(_: &Sandbox) -> Outcome {
    let mut ct = Conntrack::open()?;
    for number in 0..THREADS {
        let hand_over = move || -> Result<_, Failure> {
            work(&ct, number)?;
            Ok(ct)
        };
        ct = thread::spawn(hand_over).join().map_err(|_| "a thread panicked")??;
    }
    same!(ct.dump()?.count(), usize::from(THREADS * FLOWS / 2));
    Ok(())
}

fn a_dump_and_a_listener_move(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut events = Events::subscribe(Groups::NEW)?;
    ct.batch((0..FLOWS).map(|number| Command::Create(flow(0, number)))).run()?.into_result()?;
    let mut dump = ct.dump()?;
    same!(dump.next().transpose()?.map(|flow| flow.mark), Some(Some(0)));
    same!(thread::spawn(move || dump.count()).join().map_err(|_| "panicked")?, usize::from(FLOWS) - 1);
    let listened = thread::spawn(move || -> Result<usize, conntrack::Error> {
        let mut new = 0;
        while let Some(event) = events.try_next()? {
            new += usize::from(matches!(event, Event::New(..)));
        }
        Ok(new)
    });
    same!(listened.join().map_err(|_| "panicked")??, usize::from(FLOWS));
    Ok(())
}

/// A mark, whose decoding holds the connection.
#[derive(Debug, Decode)]
struct Held {
    #[nla(CTA_MARK)]
    _mark: Slow,
}

/// A number that is decoded only when it may.
#[derive(Debug)]
struct Slow;

static IS_HELD: AtomicBool = AtomicBool::new(false);
static MAY_GO_ON: AtomicBool = AtomicBool::new(false);

/// Whether it holds before anything would take that long.
fn soon(condition: impl Fn() -> bool) -> bool {
    let started = Instant::now();
    while !condition() {
        if started.elapsed() > PATIENCE / 4 {
            return false;
        }
        thread::yield_now();
    }
    true
}

impl DecodePayload for Slow {
    const WIRE: Wire = u32::WIRE;

    fn vacant() -> Self {
        Self
    }

    fn decode_payload(payload: &[u8], mode: Mode) -> Result<Self, DecodeError> {
        u32::decode_payload(payload, mode)?;
        IS_HELD.store(true, Ordering::Release);
        // If not, the test has waited for this to end, and says so.
        if soon(|| MAY_GO_ON.load(Ordering::Acquire)) { Ok(Self) } else { Err(missing("held")) }
    }
}

fn what_a_connection_is_needs_no_turn(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let (port, receive, send) = (ct.port(), ct.receive_buffer()?, ct.send_buffer()?);
    ct.create(&udp(1))?;
    thread::scope(|scope| {
        let request = scope.spawn(|| ct.get_as::<Held>(&udp(1).orig.into()));
        holds!(soon(|| IS_HELD.load(Ordering::Acquire)), "the request has begun");
        same!((ct.port(), ct.receive_buffer()?, ct.send_buffer()?), (port, receive, send));
        MAY_GO_ON.store(true, Ordering::Release);
        holds!(request.join().map_err(|_| "panicked")??.is_some());
        Ok(())
    })
}
