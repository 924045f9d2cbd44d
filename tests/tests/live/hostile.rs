//! Neighbours that mean harm, and systems that do not stand still: a right answer or a typed error, and never a hang.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use conntrack::codec::{DecodePayload, Mode, Wire};
use conntrack::header::{NlMsgErr, NlMsgHdr};
use conntrack::netlink::{Channel, NLM_F_DUMP, Request};
use conntrack::sandbox::{Failure, Namespace, Sandbox};
use conntrack::uapi::{IPCTNL_MSG_CT_GET, NFNL_SUBSYS_CTNETLINK};
use conntrack::{
    BulkError, Changes, Command, Conntrack, Decode, DecodeError, Errno, Error, Event, Events, Filter, Flow, FlowKey,
    NoAttributes,
};
use conntrack_tests::generate::{layout, netlink_message};
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto};
use rustix::thread::CapabilitySet;

use crate::common::{PATIENCE, udp};
use crate::privilege::without;
use crate::{Outcome, cases, holds, same};

cases! {
    only_the_privileged_can_write_to_others,
    forged_answers_are_none,
    forged_answers_to_dumps_are_none,
    an_overrun_is_over_when_it_was_told,
    a_dump_that_overran_at_its_start_is_over_when_it_was_told,
    an_answer_behind_others_is_in_time,
    what_a_panic_left_is_not_the_next_ones,
    a_reply_counts_without_its_acknowledgement,
    what_a_batch_learnt_before_an_overrun_comes_first,
    what_was_zeroed_before_an_overrun_comes_first,
    an_answer_that_never_comes_is_a_timeout,
    a_table_that_changes_under_dumps,
    a_namespace_that_nobody_is_in,
    a_namespace_that_ends_under_a_listener_to_all,
    the_smallest_buffers,
}

pub(crate) fn key(port: u16) -> FlowKey {
    udp(port).orig.into()
}

pub(crate) fn fill(ct: &Conntrack, ports: std::ops::Range<u16>) -> Outcome {
    let count = u64::try_from(ports.len())?;
    same!(ct.batch(ports.map(|port| Command::Create(udp(port)))).run()?.into_result()?, count);
    Ok(())
}

/// Another process's socket, as far as the kernel is concerned.
struct Neighbour(OwnedFd);

impl Neighbour {
    fn new() -> Result<Self, Failure> {
        let (kind, flags) = (SocketType::RAW, SocketFlags::CLOEXEC);
        Ok(Self(rustix::net::socket_with(AddressFamily::NETLINK, kind, flags, Some(NETFILTER))?))
    }

    fn send(&self, port: u32, message: &[u8]) -> rustix::io::Result<()> {
        sendto(&self.0, message, SendFlags::DONTWAIT, &SocketAddrNetlink::new(port, 0)).map(drop)
    }
}

/// A message to `port`, as the kernel would answer.
fn message(kind: u16, flags: u16, seq: u32, port: u32, body: &[u8]) -> Vec<u8> {
    netlink_message(NlMsgHdr { len: 0, kind, flags, seq, pid: port }, body)
}

/// An acknowledgement, or with an error a refusal.
fn answer(seq: u32, port: u32, errno: i32) -> Vec<u8> {
    message(2, 0, seq, port, &layout(&NlMsgErr { error: -errno, ..NlMsgErr::default() }))
}

/// What a flow that does not exist would look like, and other answers: for requests with these numbers.
fn forgeries(port: u32, numbers: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    let nonsense = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
    numbers
        .flat_map(|seq| {
            [
                answer(seq, port, 0),
                answer(seq, port, Errno::NOENT.0),
                message(3, 2, seq, port, &[0; 4]),
                message(0x100, 2, seq, port, &nonsense),
                message(0x100, 2, seq, port, &nonsense)[..19].to_vec(),
            ]
        })
        .collect()
}

/// The port ids and the inodes of all netfilter sockets of the namespace that the calling thread is in.
pub(crate) fn sockets() -> Result<Vec<(u32, u64)>, Failure> {
    /// `NETLINK_NETFILTER`
    const PROTOCOL: &str = "12";
    let text = fs::read_to_string("/proc/thread-self/net/netlink")?;
    let rows = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let sockets = rows
        .filter(|row| row.get(1) == Some(&PROTOCOL))
        .filter_map(|row| Some((row.get(2)?.parse().ok()?, row.last()?.parse().ok()?)));
    // The kernel's own has 0.
    Ok(sockets.filter(|(port, _)| *port != 0).collect())
}

/// What `open` opens, and the port ids of its sockets.
fn opening<T>(open: impl FnOnce() -> Result<T, Error>) -> Result<(T, Vec<u32>), Failure> {
    let known = sockets()?;
    let opened = open()?;
    let new = sockets()?.into_iter().filter(|socket| !known.contains(socket));
    Ok((opened, new.map(|(port, _)| port).collect()))
}

/// Runs `body` while `neighbour` goes on, turn after turn.
fn beside<T>(
    mut neighbour: impl FnMut() -> Result<(), Failure> + Send,
    body: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| -> Result<(), Failure> {
            while !stop.load(Ordering::Relaxed) {
                neighbour()?;
            }
            Ok(())
        });
        let result = body();
        stop.store(true, Ordering::Relaxed);
        other.join().map_err(|_| "the neighbour panicked")??;
        result
    })
}

/// Fails if `body` takes longer than anything should.
fn soon<T>(what: &str, body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let started = Instant::now();
    let value = body()?;
    holds!(started.elapsed() < PATIENCE, "{what} took {:?}", started.elapsed());
    Ok(value)
}

fn only_the_privileged_can_write_to_others(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let refused = without(CapabilitySet::NET_ADMIN, || {
        let refusal = Neighbour::new()?.send(ct.port(), &answer(1, ct.port(), 0));
        same!(refusal, Err(rustix::io::Errno::PERM));
        Ok(())
    });
    refused?;
    Neighbour::new()?.send(ct.port(), &answer(1, ct.port(), 0))?;
    same!(ct.get(&key(1))?, None);
    Ok(())
}

fn forged_answers_are_none(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let neighbour = Neighbour::new()?;
    let forge = |numbers| forgeries(ct.port(), numbers).iter().try_for_each(|forged| neighbour.send(ct.port(), forged));
    // Those that are there before the request has been sent, for its number and the next ones.
    forge(1..9)?;
    same!(ct.get(&key(1))?, None);
    forge(2..9)?;
    ct.create(&udp(1))?;
    forge(3..9)?;
    same!(ct.get(&key(1))?.map(|flow| flow.orig), Some(udp(1).orig));
    forge(4..9)?;
    holds!(ct.create(&udp(1)).is_err_and(|error| error.is_exists()));
    forge(5..9)?;
    ct.update(&key(1), &Changes::new().mark(7))?;
    forge(6..9)?;
    holds!(ct.update(&key(2), &Changes::new().mark(7)).is_err_and(|error| error.is_not_found()));
    forge(7..9)?;
    same!(ct.delete(&key(1))?, true);
    forge(8..16)?;
    fill(&ct, 1..9)?;
    same!(ct.dump()?.count(), 8);
    Ok(())
}

fn forged_answers_to_dumps_are_none(_: &Sandbox) -> Outcome {
    const MANY: u16 = 1000;
    let ct = Conntrack::open()?;
    fill(&ct, 0..MANY)?;
    let neighbour = Neighbour::new()?;
    let forged = AtomicU64::new(0);
    let forge = || {
        for (port, _) in sockets()? {
            for forgery in forgeries(port, 1..12) {
                // A full buffer is what the neighbour wants, too.
                forged.fetch_add(u64::from(neighbour.send(port, &forgery).is_ok()), Ordering::Relaxed);
            }
        }
        std::thread::yield_now();
        Ok(())
    };
    let (mut whole, mut refused) = (0, 0);
    beside(forge, || {
        soon("ten whole dumps", || {
            let started = Instant::now();
            while whole < 10 && started.elapsed() < PATIENCE / 2 {
                let dumped = ct.dump().and_then(Iterator::collect::<Result<Vec<Flow>, _>>);
                match dumped {
                    Ok(flows) => {
                        let ports: BTreeSet<_> = flows.iter().map(|flow| flow.orig.src_port()).collect();
                        same!((flows.len(), ports.len()), (usize::from(MANY), usize::from(MANY)));
                        whole += 1;
                    }
                    // The kernel found no room for its answers.
                    Err(Error::Overrun | Error::Timeout(_)) => refused += 1,
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        })
    })?;
    holds!(whole + refused > 0 && forged.load(Ordering::Relaxed) > 0, "{whole} dumps, {forged:?} forgeries");
    // The neighbour has gone: the connection is as good as new, whatever is still queued.
    let again = || -> Result<usize, Error> { Ok(ct.dump()?.collect::<Result<Vec<_>, _>>()?.len()) };
    let count = again().or_else(|_| again())?;
    same!(count, usize::from(MANY));
    Ok(())
}

fn an_overrun_is_over_when_it_was_told(_: &Sandbox) -> Outcome {
    let ct = Conntrack::builder().receive_buffer(4096).open()?;
    let neighbour = Neighbour::new()?;
    for _ in 0..3 {
        while neighbour.send(ct.port(), &answer(0, ct.port(), 0)).is_ok() {}
        // The answer finds no room: whether the flow was created cannot be known.
        holds!(matches!(ct.create(&udp(1)), Err(Error::Overrun)));
        // From the next request on, it can.
        holds!(ct.get(&key(1))?.is_some());
        same!(ct.delete(&key(1))?, true);
    }
    while neighbour.send(ct.port(), &answer(0, ct.port(), 0)).is_ok() {}
    let results: Vec<_> = ct.batch((0..3).map(|port| Command::Create(udp(port)))).collect();
    holds!(matches!(results.last(), Some(Err(Error::Overrun))), "{results:?}");
    let results: Vec<_> = ct.batch((0..3).map(|port| Command::Delete(key(port)))).collect();
    holds!(results.len() == 3 && results.iter().all(Result::is_ok), "{results:?}");
    Ok(())
}

/// A dump that finds room for its refusal only is refused, and runs all the same.
fn a_dump_that_overran_at_its_start_is_over_when_it_was_told(_: &Sandbox) -> Outcome {
    const MANY: u16 = 2000;
    let neighbour = Neighbour::new()?;
    let send = |port| neighbour.send(port, &answer(0, port, 0));
    let (mut channel, ports) = opening(Channel::open)?;
    channel.set_timeout(Some(PATIENCE))?;
    let [port] = ports[..] else { return Err(format!("{ports:?} are not one").into()) };
    let mut room = 0;
    while send(port).is_ok() {
        room += 1;
    }
    let fill_but_for_two = |port| (2..room).try_for_each(|_| send(port));

    fill(&Conntrack::open()?, 0..MANY)?;
    let dump =
        Request::new("listing flows", NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, &NoAttributes {}).flags(NLM_F_DUMP);
    let mut count = || -> Result<usize, Error> {
        let mut count = 0;
        channel.request(&dump, |_| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    };
    holds!(matches!(count(), Err(Error::Overrun)));
    for _ in 0..3 {
        same!(count()?, usize::from(MANY));
        fill_but_for_two(port)?;
        let refused = count();
        holds!(matches!(refused, Err(Error::Overrun)), "{refused:?}");
    }
    same!(count()?, usize::from(MANY));

    for _ in 0..3 {
        let (ct, ports) = opening(Conntrack::open)?;
        ports.into_iter().try_for_each(fill_but_for_two)?;
        let refused = ct.dump();
        holds!(matches!(refused, Err(Error::Overrun)), "{refused:?}");
        same!(ct.dump()?.collect::<Result<Vec<Flow>, _>>()?.len(), usize::from(MANY));
    }
    Ok(())
}

/// However much a neighbour has sent before, and however little time there is.
fn an_answer_behind_others_is_in_time(_: &Sandbox) -> Outcome {
    let ct = Conntrack::builder().reply_timeout(Duration::from_nanos(1)).open()?;
    let neighbour = Neighbour::new()?;
    let mut sent = 0;
    let mut crowd = || {
        (0..20).try_for_each(|_| {
            sent += 1;
            neighbour.send(ct.port(), &answer(sent, ct.port(), Errno::NOENT.0))
        })
    };
    for _ in 0..20 {
        crowd()?;
        ct.create(&udp(1))?;
        crowd()?;
        holds!(ct.get(&key(1))?.is_some());
        crowd()?;
        let report = ct.batch([Command::Create(udp(1)), Command::Delete(key(2)), Command::Delete(key(1))]).run()?;
        same!((report.done, report.not_found, report.failed), (1, 1, 1));
        crowd()?;
        same!(ct.get(&key(1))?, None);
    }
    Ok(())
}

/// Decoding it panics.
#[derive(Debug, Decode)]
struct Panics {
    #[nla(CTA_MARK)]
    _mark: Mark,
}

#[derive(Debug)]
struct Mark;

impl DecodePayload for Mark {
    const WIRE: Wire = u32::WIRE;

    fn vacant() -> Self {
        Self
    }

    fn decode_payload(_: &[u8], _: Mode) -> Result<Self, DecodeError> {
        std::panic::resume_unwind(Box::new("a value that cannot be decoded"))
    }
}

/// The acknowledgement of the request that failed is still in the queue then.
fn what_a_panic_left_is_not_the_next_ones(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&udp(1))?;
    let panics = || -> Outcome {
        let got = catch_unwind(AssertUnwindSafe(|| ct.get_as::<Panics>(&key(1))));
        holds!(got.is_err(), "{got:?}");
        Ok(())
    };
    panics()?;
    holds!(ct.create(&udp(1)).is_err_and(|error| error.is_exists()));
    panics()?;
    same!(ct.get(&key(2))?, None);
    panics()?;
    let report = ct.batch([Command::Delete(key(2)), Command::Create(udp(1))]).run()?;
    same!((report.done, report.not_found, report.failed), (0, 1, 1));
    panics()?;
    same!(ct.delete(&key(1))?, true);
    Ok(())
}

/// There is room for the reply, and none for the acknowledgement behind it. For a reply that zeroed counters, to lose it
/// would be to lose them.
fn a_reply_counts_without_its_acknowledgement(_: &Sandbox) -> Outcome {
    let ct = Conntrack::builder().receive_buffer(8192).open()?;
    let neighbour = Neighbour::new()?;
    let crowd = |count| (0..count).try_for_each(|_| neighbour.send(ct.port(), &answer(0, ct.port(), 0)));
    ct.create(&udp(1))?;
    let mut room = 0;
    while neighbour.send(ct.port(), &answer(0, ct.port(), 0)).is_ok() {
        room += 1;
    }
    // The first request has no room at all, and clears the queue for the next one.
    holds!(matches!(ct.get_zeroing(&key(1)), Err(Error::Overrun)));
    let mut overruns = 0;
    for left in 0..4 {
        same!(ct.get(&key(1))?.map(|flow| flow.orig), Some(udp(1).orig));
        crowd(room - left)?;
        match ct.get_zeroing(&key(1)) {
            Ok(flow) => same!(flow.map(|flow| flow.orig), Some(udp(1).orig), "{left} left"),
            Err(Error::Overrun) => overruns += 1,
            Err(error) => return Err(error.into()),
        }
    }
    same!(overruns, 1);
    Ok(())
}

/// A batch of refusals of which only the first ones had room.
fn what_a_batch_learnt_before_an_overrun_comes_first(_: &Sandbox) -> Outcome {
    const MANY: u16 = 100;
    let ct = Conntrack::open()?;
    let neighbour = Neighbour::new()?;
    let send = || neighbour.send(ct.port(), &answer(0, ct.port(), 0));
    fill(&ct, 0..MANY)?;
    let mut room = 0_u16;
    while send().is_ok() {
        room += 1;
    }
    holds!(matches!(ct.create(&udp(0)), Err(Error::Overrun)));
    for left in [0, 1, 10, MANY / 2] {
        (0..room - left).try_for_each(|_| send())?;
        let mut results: Vec<_> = ct.batch((0..MANY).map(|port| Command::Create(udp(port)))).collect();
        holds!(matches!(results.pop(), Some(Err(Error::Overrun))), "{left} left");
        holds!(results.iter().all(|result| result.as_ref().is_err_and(Error::is_exists)), "{results:?}");
        same!(results.len(), usize::from(left), "{left} left");

        (0..room - left).try_for_each(|_| send())?;
        let ended = ct.batch((0..MANY).map(|port| Command::Create(udp(port)))).run();
        let Err(BulkError { report, error: Error::Overrun, .. }) = ended else {
            return Err(format!("{ended:?}").into());
        };
        same!((report.done, report.failed), (0, u64::from(left)), "{left} left");
    }
    // Creations that succeed are silent: none is known to have succeeded.
    ct.flush_all()?;
    (0..room).try_for_each(|_| send())?;
    let results: Vec<_> = ct.batch((0..MANY).map(|port| Command::Create(udp(port)))).collect();
    holds!(matches!(results[..], [Err(Error::Overrun)]), "{results:?}");
    same!(ct.dump()?.count(), usize::from(MANY));
    Ok(())
}

/// A zeroing dump of which only the first answers had room.
fn what_was_zeroed_before_an_overrun_comes_first(_: &Sandbox) -> Outcome {
    const MANY: u16 = 40;
    let ct = Conntrack::open()?;
    let neighbour = Neighbour::new()?;
    let send = || neighbour.send(ct.port(), &answer(0, ct.port(), 0));
    fill(&ct, 0..MANY)?;
    let mut room = 0_u16;
    while send().is_ok() {
        room += 1;
    }
    holds!(matches!(ct.create(&udp(0)), Err(Error::Overrun)));
    for left in [0, 2, 20] {
        (0..room - left).try_for_each(|_| send())?;
        let mut items: Vec<_> = ct.dump_zeroing()?.collect();
        holds!(matches!(items.pop(), Some(Err(Error::Overrun))), "{left} left");
        let flows = items.into_iter().collect::<Result<Vec<_>, _>>()?;
        // A reply takes more room than the neighbour's messages.
        holds!((usize::from(left / 2)..=usize::from(left)).contains(&flows.len()), "{} of {left}", flows.len());
    }
    Ok(())
}

fn an_answer_that_never_comes_is_a_timeout(_: &Sandbox) -> Outcome {
    let timeout = Duration::from_millis(50);
    let ct = Conntrack::builder().reply_timeout(timeout).open()?;
    let neighbour = Neighbour::new()?;
    // A neighbour that talks all the time cannot make it longer, and cannot be mistaken for an answer: there is room for
    // its messages, but not for the kernel's.
    let started = Instant::now();
    let forge = || {
        for forged in forgeries(ct.port(), 1..9) {
            let _ = neighbour.send(ct.port(), &forged);
        }
        Ok(())
    };
    let mut errors = 0;
    beside(forge, || {
        for _ in 0..20 {
            match ct.get(&key(1)) {
                Ok(found) => same!(found, None),
                Err(Error::Timeout(_) | Error::Overrun) => errors += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    })?;
    // Twenty requests, each of which may clear the queue of the one before.
    holds!(started.elapsed() < timeout * 20 * 4 + PATIENCE / 4, "{:?}, {errors} errors", started.elapsed());
    let _ = ct.get(&key(1));
    same!(ct.get(&key(1))?, None);
    Ok(())
}

/// Flushes, creations and deletions, while dumps go on: each of them ends, and holds nothing but what has been.
fn a_table_that_changes_under_dumps(_: &Sandbox) -> Outcome {
    const MANY: u16 = 600;
    let ct = Conntrack::open()?;
    let churn = Conntrack::open()?;
    let mut turn = 0_u32;
    let change = || {
        turn += 1;
        fill(&churn, 0..MANY)?;
        for port in (0..MANY).step_by(2) {
            churn.delete(&key(port))?;
        }
        if turn.is_multiple_of(2) {
            churn.flush(&Filter::new().orig_src_port(1..=MANY / 3))?.into_result()?;
        }
        churn.flush_all()?;
        Ok(())
    };
    let mut seen = 0;
    beside(change, || {
        soon("thirty dumps", || {
            for _ in 0..30 {
                for flow in ct.dump()? {
                    let flow = flow?;
                    same!(flow.reply, flow.orig.inverse());
                    holds!(flow.orig.src_port().is_some_and(|port| port < MANY), "{flow}");
                    seen += 1;
                }
            }
            Ok(())
        })
    })?;
    holds!(seen > 0);
    same!(ct.dump()?.count(), 0);
    Ok(())
}

/// What is open keeps its namespace alive, though it has no name, no thread and no descriptor any more.
fn a_namespace_that_nobody_is_in(_: &Sandbox) -> Outcome {
    let (ct, mut events) = {
        let namespace = Namespace::new()?;
        let ct = Conntrack::builder().netns(&namespace)?.open()?;
        let events = Events::builder().netns(&namespace)?.subscribe()?;
        (ct, events)
    };
    fill(&ct, 0..10)?;
    same!(ct.dump()?.count(), 10);
    ct.flush_all()?;
    let mut gone = 0;
    while gone < 10 {
        match events.next_timeout(PATIENCE)? {
            Some(Event::Destroy(..)) => gone += 1,
            Some(_) => {}
            None => return Err(format!("{gone} of 10 flows are gone").into()),
        }
    }
    same!(events.try_next()?, None);
    Ok(())
}

/// One that ends takes its flows along. Its listener hears of that or not, and goes on.
fn a_namespace_that_ends_under_a_listener_to_all(sandbox: &Sandbox) -> Outcome {
    let mut events = Events::builder().all_namespaces(true).subscribe()?;
    for id in 1..6 {
        let other = Namespace::new()?;
        sandbox.assign_id(&other, id)?;
        fill(&Conntrack::builder().netns(&other)?.open()?, 0..20)?;
        drop(other);
        // Wait for what the namespace has said for sure.
        let mut new = 0;
        while new < 20 {
            match events.next_timeout(PATIENCE)? {
                Some(Event::New(_, origin)) => {
                    same!(origin.nsid, Some(id));
                    new += 1;
                }
                Some(Event::Destroy(..)) => {}
                other => return Err(format!("{new} of 20, then {other:?}").into()),
            }
        }
    }
    let ct = Conntrack::open()?;
    ct.create(&udp(1))?;
    loop {
        match events.next_timeout(PATIENCE)? {
            Some(Event::New(flow, origin)) if origin.nsid.is_none() => {
                same!(flow.orig, udp(1).orig);
                return Ok(());
            }
            Some(Event::Destroy(..)) => {}
            other => return Err(format!("{other:?}").into()),
        }
    }
}

/// The kernel's least for both directions (`SOCK_MIN_RCVBUF`, `SOCK_MIN_SNDBUF`).
fn the_smallest_buffers(_: &Sandbox) -> Outcome {
    const MANY: u16 = 500;
    let ct = Conntrack::builder().receive_buffer(0).send_buffer(0).open()?;
    holds!(ct.receive_buffer()? < 4096 && ct.send_buffer()? < 8192);
    let mut events = Events::builder().receive_buffer(0).subscribe()?;
    soon("a batch", || fill(&ct, 0..MANY))?;
    // Each of them is refused, which the kernel says in as many messages.
    let refused = ct.batch((0..MANY).map(|port| Command::Create(udp(port))));
    same!(refused.filter(|result| result.as_ref().is_err_and(Error::is_exists)).count(), usize::from(MANY));
    same!(soon("a dump", || Ok(ct.dump()?.collect::<Result<Vec<_>, _>>()?.len()))?, usize::from(MANY));
    let (mut told, mut arrived) = (0, 0);
    while let Some(event) = events.try_next()? {
        match event {
            Event::Overrun { lost } => told += u64::from(lost),
            _ => arrived += 1,
        }
    }
    same!((told > 0, told + arrived), (true, u64::from(MANY)));
    Ok(())
}
