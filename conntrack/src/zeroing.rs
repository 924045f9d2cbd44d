//! All flows, and their counters set to 0.

use std::collections::VecDeque;
use std::iter::FusedIterator;

use conntrack_spec::{Decode, Flow, FlowId, FlowKey, ProjectionOf, Tuple};

use crate::connection::Conntrack;
use crate::dump::Dump;
use crate::error::{Errno, Error, Undecodable};
use crate::filter::Filter;
use crate::netlink::{Message, Refusal, Requests};
use crate::request;

/// Bytes of receive buffer that the kernel charges for an answer at most: it makes each in a page of its own
/// (`NLMSG_DEFAULT_SIZE`), which it gives back in part if it is nearly empty.
const ANSWER: usize = 4096 + 512;
/// More in one send gain nothing.
const MOST: usize = 64;

/// Flows as they were when their counters were set to 0: an iterator that zeroes as it goes.
///
/// No count is lost. It is in a flow that this yields, in the message that an [`Error::Undecodable`] keeps of a flow which
/// does not decode, still in the kernel, or in the flow's `DESTROY` event if the flow ended meanwhile. The kernel's own dump
/// of this kind (`IPCTNL_MSG_CT_GET_CTRZERO` with `NLM_F_DUMP`) cannot promise that: where a datagram is full, it may zero a
/// flow's counters, find that they do not fit, and send them, zero, in the next one. So this dumps the keys of the flows,
/// and has each flow reported and zeroed by a request of its own, some dozens to a send, no more than have room in the
/// receive buffer with their answers. That takes about three times as long as a dump.
///
/// A flow that comes twice, as it may in a dump, has the second time what was counted since the first.
///
/// Flows are zeroed some dozens ahead: to end early without losing what these have counted, call [`stop`](Self::stop), and
/// take the flows that still come. An error comes after all flows that were zeroed before it, so a program that stops at
/// an error loses none.
///
/// [`Error::Overrun`] and [`Error::Timeout`] need another process to interfere with the socket. The counts of flows whose
/// answers were lost are lost, too.
#[derive(Debug)]
#[must_use = "counters are zeroed as the iterator is advanced"]
pub struct Zeroing<'a, T = Flow> {
    ct: &'a Conntrack,
    found: Option<Dump<Found>>,
    ready: VecDeque<T>,
    /// What is to be told when all that is ready has been taken.
    errors: VecDeque<Error>,
    requests: Requests,
}

/// What a dump needs to tell of a flow so that it can be named.
#[derive(Debug, Decode)]
struct Found {
    #[nla(CTA_TUPLE_ORIG)]
    orig: Tuple,
    #[nla(CTA_ZONE)]
    zone: Option<u16>,
    #[nla(CTA_ID)]
    id: FlowId,
}

const _: () = ProjectionOf::<Found, Flow>::CHECKED;

/// # Counters
impl Conntrack {
    /// Gets the flow at a tuple and sets its counters to 0, atomically (`IPCTNL_MSG_CT_GET_CTRZERO`). `None` if there is
    /// no flow, or if the key has an id and the flow has another one.
    ///
    /// The kernel does not compare the id. If the key has one, this gets the flow first, and zeroes nothing if its id is
    /// another one. A flow that takes the tuple between these two requests is zeroed; it is then returned, so that its
    /// counts are not lost: compare its id.
    ///
    /// # Errors
    /// [`Error::Usage`] if the key is invalid; nothing was sent then. `EPERM` without `CAP_NET_ADMIN`.
    pub fn get_zeroing(&self, key: &FlowKey) -> Result<Option<Flow>, Error> {
        self.get_zeroing_as(key)
    }

    /// Gets the flow at a tuple, decoded into a struct of your own, and sets its counters to 0: see
    /// [`get_zeroing`](Self::get_zeroing).
    ///
    /// # Errors
    /// As [`get_zeroing`](Self::get_zeroing). [`Error::Undecodable`] if the flow does not decode: its counters have been
    /// set to 0, and the error has the message with their values.
    pub fn get_zeroing_as<T: Decode>(&self, key: &FlowKey) -> Result<Option<T>, Error> {
        const { ProjectionOf::<T, Flow>::CHECKED };
        if self.is_gone(key)? {
            return Ok(None);
        }
        self.one_by(&request::get_zeroing(key)?, |reply| decode(reply).map(Some))
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

    /// The flows that meet a filter, each decoded into a struct of your own, setting the counters of each to 0. A flow
    /// that does not decode is an [`Error::Undecodable`], which has the message with its counts.
    ///
    /// # Errors
    /// The filter contradicts itself, or the kernel refuses.
    pub fn dump_zeroing_filtered_as<T: Decode>(&self, filter: &Filter) -> Result<Zeroing<'_, T>, Error> {
        const { ProjectionOf::<T, Flow>::CHECKED };
        Ok(Zeroing {
            ct: self,
            found: Some(self.dump_filtered_as(filter)?),
            ready: VecDeque::new(),
            errors: VecDeque::new(),
            requests: Requests::default(),
        })
    }
}

/// Decodes a flow whose counters the kernel has set to 0: nothing else has its counts any more.
fn decode<T: Decode>(reply: Message<'_>) -> Result<T, Error> {
    reply.decode().map_err(|reason| Undecodable::answer(reply, reason))
}

impl<T: Decode> Zeroing<'_, T> {
    /// Zeroes no more flows. Those that have been zeroed are still to come.
    pub fn stop(&mut self) {
        self.found = None;
    }

    /// Zeroes the next flows.
    fn advance(&mut self) -> Result<(), Error> {
        let most = self.ct.room_for_keys(ANSWER, MOST)?;
        self.fill(most);
        let mut replies = 0_usize;
        let (refused, outcome) = self.ct.requests().exchange_batch(&mut self.requests, |_, reply| {
            replies += 1;
            match decode(reply) {
                Ok(flow) => self.ready.push_back(flow),
                Err(error) => self.errors.push_back(error),
            }
        });
        // Each that was executed is answered by a reply or a refusal.
        let lost = refused.iter().filter(|refused| refused.is_none()).count().saturating_sub(replies);
        for (sent, refused) in self.requests.iter().zip(refused) {
            match refused {
                // Gone by itself.
                Some(Refusal { errno, .. }) if Errno(errno) == Errno::NOENT => {}
                Some(refused) => self.errors.push_back(sent.refusal(refused)),
                None => {}
            }
        }
        self.errors.extend(std::iter::repeat_with(|| Error::Overrun).take(lost));
        outcome
    }

    /// Encodes a request for each of the next flows that the dump finds. Ends at an error, which is then told right behind
    /// the flows before it.
    fn fill(&mut self, most: usize) {
        self.requests.clear();
        while self.requests.len() < most {
            let Some(next) = self.found.as_mut().and_then(Iterator::next) else {
                self.found = None;
                break;
            };
            let encoded = next.and_then(|Found { orig, zone, id }| {
                let key = FlowKey { zone, id: Some(id), ..FlowKey::new(orig) };
                self.requests.push(&request::get_zeroing(&key)?)
            });
            if let Err(error) = encoded {
                self.errors.push_back(error);
                break;
            }
        }
    }
}

impl<T: Decode> Iterator for Zeroing<'_, T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(flow) = self.ready.pop_front() {
                return Some(Ok(flow));
            }
            if let Some(error) = self.errors.pop_front() {
                return Some(Err(error));
            }
            self.found.as_ref()?;
            if let Err(error) = self.advance() {
                self.found = None;
                self.errors.push_back(error);
            }
        }
    }
}

impl<T: Decode> FusedIterator for Zeroing<'_, T> {}
