//! All flows, and their counters set to 0.

use std::collections::VecDeque;
use std::iter::FusedIterator;

use conntrack_spec::{Decode, Flow, FlowKey, ProjectionOf, Tuple};

use crate::connection::Conntrack;
use crate::dump::Dump;
use crate::error::{Errno, Error};
use crate::filter::Filter;
use crate::netlink::{Refusal, Subject, refusal};
use crate::request;

/// Bytes of receive buffer that the kernel charges for an answer at most: it makes each in a page of its own
/// (`NLMSG_DEFAULT_SIZE`), which it gives back in part if it is nearly empty.
const ANSWER: usize = 4096 + 512;
/// More in one send gain nothing.
const MOST: usize = 64;

/// Flows as they were when their counters were set to 0: an iterator that zeroes as it goes.
///
/// Nothing that was counted is lost: it is in a flow that comes out of here, or still in the kernel, or in the flow's
/// `DESTROY` event if it ended meanwhile. The kernel's own dump of this kind (`IPCTNL_MSG_CT_GET_CTRZERO` with
/// `NLM_F_DUMP`) cannot promise that: where a datagram is full, it may zero a flow's counters, find that they do not fit,
/// and send them, zero, in the next one. So this dumps the keys of the flows, and has each flow reported and zeroed by a
/// request of its own, some dozens to a send, not more than have room in the receive buffer with their answers. That
/// takes about three times as long as a dump.
///
/// A flow that comes twice, as it may in a dump, has the second time what was counted since the first.
///
/// Flows are zeroed some dozens ahead: to end early without losing what these have counted, [`stop`](Self::stop), and
/// take what still comes. After [`Error::Overrun`] or [`Error::Timeout`], which need another process to interfere with
/// the socket, the counts of some flows may be lost.
#[derive(Debug)]
#[must_use = "counters are zeroed as the iterator is advanced"]
pub struct Zeroing<'a, T = Flow> {
    ct: &'a Conntrack,
    found: Option<Dump<Found>>,
    ready: VecDeque<Result<T, Error>>,
    datagram: Vec<u8>,
    sent: Vec<Sent>,
}

/// What a dump needs to tell of a flow so that it can be named.
#[derive(Debug, Decode)]
struct Found {
    #[nla(CTA_TUPLE_ORIG)]
    orig: Tuple,
    #[nla(CTA_ZONE)]
    zone: Option<u16>,
}

const _: () = ProjectionOf::<Found, Flow>::CHECKED;

/// A request in the datagram.
#[derive(Clone, Copy, Debug)]
struct Sent {
    start: usize,
    subject: Subject,
}

/// # Counters
impl Conntrack {
    /// The flow at a tuple, if there is one, and sets its counters to 0, in one go (`IPCTNL_MSG_CT_GET_CTRZERO`).
    ///
    /// # Errors
    /// The key makes no sense, or the kernel refuses.
    pub fn get_zeroing(&self, key: &FlowKey) -> Result<Option<Flow>, Error> {
        self.get_zeroing_as(key)
    }

    /// The flow at a tuple, decoded into a struct of your own, and sets its counters to 0.
    ///
    /// # Errors
    /// The key makes no sense, or the kernel refuses.
    pub fn get_zeroing_as<T: Decode>(&self, key: &FlowKey) -> Result<Option<T>, Error> {
        const { ProjectionOf::<T, Flow>::CHECKED };
        self.one(&request::get_zeroing(key)?)
    }

    /// All flows, setting the counters of each to 0: see [`Zeroing`].
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn dump_zeroing(&self) -> Result<Zeroing<'_>, Error> {
        self.dump_zeroing_filtered(&Filter::all())
    }

    /// The flows that meet a filter, setting the counters of each to 0. A flow that has changed since it was found, or
    /// another one that has its tuple now, is zeroed all the same, and comes as it is.
    ///
    /// # Errors
    /// The filter contradicts itself, or the kernel refuses.
    pub fn dump_zeroing_filtered(&self, filter: &Filter) -> Result<Zeroing<'_>, Error> {
        self.dump_zeroing_filtered_as(filter)
    }

    /// The flows that meet a filter, each decoded into a struct of your own, setting the counters of each to 0.
    ///
    /// # Errors
    /// The filter contradicts itself, or the kernel refuses.
    pub fn dump_zeroing_filtered_as<T: Decode>(&self, filter: &Filter) -> Result<Zeroing<'_, T>, Error> {
        const { ProjectionOf::<T, Flow>::CHECKED };
        Ok(Zeroing {
            ct: self,
            found: Some(self.dump_filtered_as(filter)?),
            ready: VecDeque::new(),
            datagram: Vec::new(),
            sent: Vec::new(),
        })
    }
}

impl<T: Decode> Zeroing<'_, T> {
    /// Zeroes no more flows. Those that have been zeroed are still to come.
    pub fn stop(&mut self) {
        self.found = None;
    }

    /// Zeroes the next flows.
    fn advance(&mut self) -> Result<(), Error> {
        let most = self.ct.requests().room_for_answers(ANSWER, MOST)?;
        self.fill(most);
        let mut replies: Vec<Option<Result<T, Error>>> = Vec::new();
        replies.resize_with(self.sent.len(), || None);
        let starts: Vec<usize> = self.sent.iter().map(|sent| sent.start).collect();
        let outcome = self.ct.requests().exchange_batch(&mut self.datagram, &starts, |request, reply| {
            if let Some(slot) = replies.get_mut(request) {
                *slot = Some(reply.decode());
            }
        });
        let refused = match outcome {
            Ok(refused) => refused,
            Err(error) => {
                // What came before it has been zeroed.
                self.ready.extend(replies.into_iter().flatten());
                return Err(error);
            }
        };
        for ((sent, reply), refused) in self.sent.iter().zip(replies).zip(refused) {
            match (reply, refused) {
                (Some(reply), _) => self.ready.push_back(reply),
                // Gone by itself.
                (None, Some(Refusal { errno, .. })) if Errno(errno) == Errno::NOENT => {}
                (None, Some(refused)) => {
                    let request = self.datagram.get(sent.start..).unwrap_or_default();
                    self.ready.push_back(Err(refusal(sent.subject, request, refused)));
                }
                (None, None) => self.ready.push_back(Err(Error::Overrun)),
            }
        }
        Ok(())
    }

    /// Encodes a request for each of the next flows that the dump finds.
    fn fill(&mut self, most: usize) {
        self.datagram.clear();
        self.sent.clear();
        while self.sent.len() < most {
            let Some(next) = self.found.as_mut().and_then(Iterator::next) else {
                self.found = None;
                break;
            };
            let start = self.datagram.len();
            let encoded = next.and_then(|Found { orig, zone }| {
                let key = FlowKey { zone, ..FlowKey::new(orig) };
                let request = request::get_zeroing(&key)?;
                request.encode(0, &mut self.datagram)?;
                Ok(Sent { start, subject: request.subject })
            });
            match encoded {
                Ok(sent) => self.sent.push(sent),
                Err(error) => self.ready.push_back(Err(error)),
            }
        }
    }
}

impl<T: Decode> Iterator for Zeroing<'_, T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && self.found.is_some() {
            if let Err(error) = self.advance() {
                self.found = None;
                self.ready.push_back(Err(error));
            }
        }
        self.ready.pop_front()
    }
}

impl<T: Decode> FusedIterator for Zeroing<'_, T> {}
