//! Answers that are cut, that never come, or that are there at the last moment.
//!
//! A filter on a socket makes the kernel send less than it says, or nothing: it is attached to a duplicate of the
//! library's own.

use std::fs;
use std::os::fd::{OwnedFd, RawFd};
use std::time::{Duration, Instant};

use conntrack::netlink::{Answer, Exchange, Messages, ProtocolError};
use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{Changes, Command, Conntrack, Error, ExpectMaster, Filter, Flow, FlowUpdate, KernelVersion, request};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use socket2::{SockFilter, SockRef};

use crate::common::{PATIENCE, udp};
use crate::hostile::{fill, key, sockets};
use crate::{Outcome, cases, holds, same};

cases! {
    a_dump_that_is_cut_at_any_byte,
    answers_that_are_cut_at_any_byte,
    answers_that_never_come,
    answers_that_are_there_are_in_time,
    a_socket_of_ones_own_is_always_answered,
}

/// `struct nlmsghdr`
const HEADER: usize = 16;

/// The netfilter sockets of the namespace that the calling thread is in, as descriptors of the test's own.
struct Sockets(Vec<OwnedFd>);

impl Sockets {
    fn find() -> Result<Self, Failure> {
        let links: Vec<_> = sockets()?.iter().map(|(_, inode)| format!("socket:[{inode}]")).collect();
        let mut numbers: Vec<RawFd> = Vec::new();
        for entry in fs::read_dir("/proc/self/fd")? {
            let entry = entry?;
            // The descriptors of other tests come and go.
            let Ok(link) = fs::read_link(entry.path()) else { continue };
            if links.iter().any(|known| link.as_os_str() == known.as_str()) {
                numbers.push(entry.file_name().to_string_lossy().parse()?);
            }
        }
        let this = pidfd_open(getpid(), PidfdFlags::empty())?;
        let duplicate = |number: &RawFd| pidfd_getfd(&this, *number, PidfdGetfdFlags::empty());
        Ok(Self(numbers.iter().map(duplicate).collect::<Result<_, _>>()?))
    }

    /// From now on the kernel cuts every datagram to so many bytes at most; with 0 it sends none.
    fn cut(&self, bytes: usize) -> Outcome {
        /// `BPF_RET | BPF_K`
        const RETURN: u16 = 0x06;
        let program = [SockFilter::new(RETURN, 0, 0, u32::try_from(bytes)?)];
        Ok(self.0.iter().try_for_each(|socket| SockRef::from(socket).attach_filter(&program))?)
    }

    fn leave_alone(&self) -> Outcome {
        Ok(self.0.iter().try_for_each(|socket| SockRef::from(socket).detach_filter())?)
    }
}

/// How many flows there are.
fn dumped(ct: &Conntrack) -> Result<usize, Error> {
    ct.dump()?.try_fold(0, |count, flow| flow.map(|_| count + 1))
}

/// The second flow is read by the short way, which is for those that begin as the one before.
fn a_dump_that_is_cut_at_any_byte(_: &Sandbox) -> Outcome {
    const FLOWS: u16 = 2;
    fill(&Conntrack::open()?, 0..FLOWS)?;
    // What a flow's header claims: known as soon as one is whole.
    let mut length = u32::MAX;
    for cut in 1.. {
        let ct = Conntrack::open()?;
        let sockets = Sockets::find()?;
        sockets.cut(cut)?;
        let items = ct.dump().map_or_else(|error| vec![Err(error)], Iterator::collect::<Vec<Result<Flow, _>>>);
        if cut == HEADER
            && let Some(Err(Error::Protocol(ProtocolError::MessageLength { claimed, .. }))) = items.first()
        {
            length = *claimed;
        }
        let (whole, available) = (cut / length as usize, cut % length as usize);
        same!(items.iter().take_while(|item| item.is_ok()).count(), whole, "cut at {cut}");
        if available == 0 {
            // Between two messages: no bytes can tell.
            same!(items.len(), whole, "cut at {cut}");
        } else {
            let claimed = if available < HEADER { 0 } else { length };
            let expected = ProtocolError::MessageLength { claimed, available };
            holds!(matches!(&items[whole..], [Err(Error::Protocol(error))] if *error == expected), "{cut}: {items:?}");
        }
        if whole == usize::from(FLOWS) {
            return Ok(());
        }
        if cut.is_multiple_of(HEADER) {
            sockets.leave_alone()?;
            same!(dumped(&ct)?, usize::from(FLOWS), "after a dump that was cut at {cut}");
        }
    }
    Ok(())
}

type Operation = (&'static str, fn(&Conntrack) -> Result<(), Error>);

/// One request of each kind, and several in one datagram: each for a table with flow 1 in it, and none leaves another.
const OPERATIONS: &[Operation] = &[
    ("get", |ct| ct.get(&key(1)).map(drop)),
    ("update", |ct| ct.update(&key(1), &Changes::new().mark(7))),
    ("upsert", |ct| ct.upsert(&udp(1))),
    ("stats", |ct| ct.stats().map(drop)),
    ("batch", |ct| ct.batch([Command::Upsert(udp(1)), Command::Upsert(udp(1))]).run()?.into_result().map(drop)),
];

fn answers_that_are_cut_at_any_byte(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    fill(&ct, 1..2)?;
    let sockets = Sockets::find()?;
    for (name, operation) in OPERATIONS {
        for cut in 1.. {
            sockets.cut(cut)?;
            let result = operation(&ct);
            sockets.leave_alone()?;
            match result {
                Ok(()) => {
                    holds!(cut > HEADER, "{name} succeeds when cut at {cut}");
                    break;
                }
                Err(Error::Protocol(ProtocolError::MessageLength { claimed, available })) => {
                    same!((available, claimed == 0), (cut, cut < HEADER), "{name}, cut at {cut}");
                    holds!(claimed == 0 || claimed as usize > cut, "{name}, cut at {cut}: {claimed}");
                }
                Err(error) => return Err(format!("{name}, cut at {cut}: {error:?}").into()),
            }
            // What is left of the answers is nobody else's.
            same!(ct.get(&key(1))?.map(|flow| flow.orig), Some(udp(1).orig), "after {name}, cut at {cut}");
            same!(ct.get(&key(2))?, None, "after {name}, cut at {cut}");
        }
    }
    Ok(())
}

fn answers_that_never_come(_: &Sandbox) -> Outcome {
    const TIMEOUT: Duration = Duration::from_millis(20);
    let ct = Conntrack::builder().reply_timeout(TIMEOUT).open()?;
    fill(&ct, 1..2)?;
    let dump: Operation = ("dump", |ct| dumped(ct).map(drop));
    let sockets = Sockets::find()?;
    for (name, operation) in OPERATIONS.iter().chain([&dump]) {
        sockets.cut(0)?;
        let started = Instant::now();
        let result = operation(&ct);
        holds!(matches!(result, Err(Error::Timeout(TIMEOUT))), "{name}: {result:?}");
        holds!(started.elapsed() >= TIMEOUT, "{name}: {:?}", started.elapsed());
        sockets.leave_alone()?;
        same!(ct.get(&key(1))?.map(|flow| flow.orig), Some(udp(1).orig), "after {name}");
        same!(dumped(&ct)?, 1, "after {name}");
    }
    Ok(())
}

/// The kernel answers before the send returns, and then the time is over already.
fn answers_that_are_there_are_in_time(_: &Sandbox) -> Outcome {
    const MANY: u16 = 500;
    const MORE: &[Operation] = &[
        ("a batch of refusals", |ct| {
            let results = ct.batch((0..MANY).map(|port| Command::Create(udp(port))));
            let mut refused = 0;
            for result in results {
                match result {
                    Err(error) if error.is_exists() => refused += 1,
                    result => result.map(drop)?,
                }
            }
            assert_eq!(refused, MANY);
            Ok(())
        }),
        ("zeroing dump", |ct| {
            assert_eq!(ct.dump_zeroing()?.collect::<Result<Vec<_>, _>>()?.len(), usize::from(MANY));
            Ok(())
        }),
    ];
    let ct = Conntrack::builder().reply_timeout(Duration::from_nanos(1)).open()?;
    fill(&ct, 0..MANY)?;
    for (name, operation) in OPERATIONS.iter().chain(MORE) {
        operation(&ct).map_err(|error| format!("{name}: {error}"))?;
    }
    same!(dumped(&ct)?, usize::from(MANY));
    Ok(())
}

/// Requests as they are encoded, over a plain socket: each ends with an acknowledgement, a refusal or the end of a dump.
fn a_socket_of_ones_own_is_always_answered(_: &Sandbox) -> Outcome {
    let (new, key) = (udp(1), key(1));
    let update = FlowUpdate { key, changes: Changes::new().mark(7) };
    let master = ExpectMaster::from(&key);
    let dump = Filter::new().mark(7).plan_dump(KernelVersion::running())?;
    let requests = [
        request::create(&new)?,
        request::create(&new)?,
        request::upsert(&new)?,
        request::update(&update)?,
        request::get(&key)?,
        request::get_zeroing(&key)?,
        request::dump(&dump),
        request::dump_dying(),
        request::dump_unconfirmed(),
        // The flow has no helper, so that the kernel starts no dump.
        request::expect::dump_of(&master)?,
        request::expect::dump(),
        request::expect::flush(),
        request::stats::global(),
        request::stats::per_cpu(),
        request::policy::dump(),
        request::helper::dump(),
        request::delete(&key)?,
        request::delete(&key)?,
        request::flush_all(),
    ];
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(rustix::net::netlink::NETFILTER),
    )?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    let port = SocketAddrNetlink::try_from(rustix::net::getsockname(&socket)?)?.pid();
    SockRef::from(&socket).set_read_timeout(Some(PATIENCE))?;
    let mut buffer = vec![0; 32 * 1024];
    for (seq, request) in (1..).zip(&requests) {
        let mut datagram = Vec::new();
        request.encode(seq, &mut datagram)?;
        rustix::net::send(&socket, &datagram, SendFlags::empty())?;
        let mut exchange = Exchange::new(seq, port);
        let mut over = false;
        while !over {
            let received = rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty());
            let (length, _) = received.map_err(|error| format!("{request:?}: {error}"))?;
            for message in Messages::new(&buffer[..length]) {
                over |= matches!(exchange.take(message?)?, Answer::Done | Answer::Refused(_));
            }
        }
    }
    Ok(())
}
