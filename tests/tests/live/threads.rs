//! Threads: a connection each, one for all, and one that is handed from thread to thread.

use std::collections::BTreeSet;
use std::thread;

use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{Changes, Command, Conntrack, Event, Events, Flow, Groups, NewFlow};

use crate::common::udp;
use crate::{Outcome, cases, same};

cases! {
    a_connection_each,
    one_connection_for_all,
    handed_from_thread_to_thread,
    a_dump_and_a_listener_move,
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
        ct.batch((0..FLOWS / 2).map(|number| Command::Delete(flow(of, number).orig.into()))).run()?,
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
    ct.batch((0..FLOWS).map(|number| Command::Create(flow(0, number)))).run()?;
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
