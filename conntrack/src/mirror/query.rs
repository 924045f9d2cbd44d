//! Questions to the kernel, many in one exchange.

use conntrack_spec::{Expect, Flow, FlowKey};

use crate::connection::Conntrack;
use crate::error::{Errno, Error};
use crate::netlink::{Refusal, Requests};
use crate::request;

/// Bytes of receive buffer to count on for each answer: the kernel charges 1280 for a flow of up to 700 bytes, 2304 for a
/// larger one.
const ANSWER: usize = 2304;
/// The most questions in one send.
const MOST: usize = 256;

/// Gets the flows with these keys, and puts an answer for each into `answers`, in order. Where the connection fails, the
/// answers that came before stay.
pub(super) fn get_each(
    ct: &Conntrack,
    keys: &[FlowKey],
    answers: &mut Vec<Result<Option<Flow>, Error>>,
) -> Result<(), Error> {
    let at_once = ct.room_for_keys(ANSWER, MOST)?;
    keys.chunks(at_once).try_for_each(|keys| get_some(ct, keys, answers))
}

/// Gets as many flows as one send takes.
fn get_some(ct: &Conntrack, keys: &[FlowKey], answers: &mut Vec<Result<Option<Flow>, Error>>) -> Result<(), Error> {
    let mut requests = Requests::default();
    // Of a key that cannot be asked for, the reason.
    let encode = |key| request::get(key).map_err(Error::from).and_then(|request| requests.push(&request));
    let encoded: Vec<Result<(), Error>> = keys.iter().map(encode).collect();
    let mut replies: Vec<Option<Result<Flow, Error>>> = Vec::new();
    replies.resize_with(requests.len(), || None);
    let (refused, outcome) = ct.requests().exchange_batch(&mut requests, |request, reply| {
        if let Some(slot) = replies.get_mut(request) {
            *slot = Some(reply.decode());
        }
    });
    let mut sent = requests.iter().zip(refused).zip(replies);
    for encoded in encoded {
        answers.push(match encoded.map(|()| sent.next()) {
            Err(error) => Err(error),
            Ok(Some((_, Some(reply)))) => reply.map(Some),
            Ok(Some(((_, Some(Refusal { errno, .. })), None))) if Errno(errno) == Errno::NOENT => Ok(None),
            Ok(Some(((sent, Some(refused)), None))) => Err(sent.refusal(refused)),
            // The reply found no room.
            Ok(Some(((_, None), None))) => Err(Error::Overrun),
            // Not known, nor is any behind it.
            Ok(None) => break,
        });
    }
    outcome
}

/// Gets the keys, with their ids, of the flows whose ends the kernel has not delivered yet.
pub(super) fn dying(ct: &Conntrack) -> Result<Vec<FlowKey>, Error> {
    let flows = ct.dump_dying()?;
    // The end of a flow that cannot be decoded cannot be delivered either.
    let flows = flows.filter(|flow| !matches!(flow, Err(Error::Decode(_))));
    flows.map(|flow| flow.map(|flow: Flow| flow.key())).collect()
}

/// Gets all expectations, and whether all could be decoded.
pub(super) fn expectations(ct: &Conntrack) -> Result<(Vec<Expect>, bool), Error> {
    let (mut found, mut are_all) = (Vec::new(), true);
    for expect in ct.expectations()? {
        match expect {
            Ok(expect) => found.push(expect),
            Err(Error::Decode(_)) => are_all = false,
            Err(error) => return Err(error),
        }
    }
    Ok((found, are_all))
}
