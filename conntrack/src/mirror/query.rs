//! Questions to the kernel, many in one exchange.

use conntrack_spec::{Flow, FlowKey};

use crate::connection::Conntrack;
use crate::error::Error;
use crate::netlink::refusal;
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
    let at_once = ct.requests().room_for_answers(ANSWER, MOST)?;
    for keys in keys.chunks(at_once) {
        get_some(ct, keys, answers)?;
    }
    Ok(())
}

/// Gets as many flows as one send takes.
fn get_some(ct: &Conntrack, keys: &[FlowKey], answers: &mut Vec<Result<Option<Flow>, Error>>) -> Result<(), Error> {
    let (mut datagram, mut sent) = (Vec::new(), Vec::with_capacity(keys.len()));
    let first = answers.len();
    for (index, key) in keys.iter().enumerate() {
        let start = datagram.len();
        let encoded = request::get(key).map_err(Error::from).and_then(|request| {
            request.encode(0, &mut datagram)?;
            Ok(request.subject)
        });
        match encoded {
            Ok(subject) => {
                answers.push(Ok(None));
                sent.push((index, start, subject));
            }
            Err(error) => {
                datagram.truncate(start);
                answers.push(Err(error));
            }
        }
    }
    let starts: Vec<usize> = sent.iter().map(|(_, start, _)| *start).collect();
    let result = ct.requests().exchange_batch(&mut datagram, &starts, |request, message| {
        if let Some((index, ..)) = sent.get(request)
            && let Some(answer) = answers.get_mut(first.saturating_add(*index))
        {
            *answer = message.decode().map(Some);
        }
    });
    let refusals = match result {
        Ok(refusals) => refusals,
        Err(error) => {
            answers.truncate(first);
            return Err(error);
        }
    };
    for ((index, start, subject), refused) in sent.into_iter().zip(refusals) {
        if let Some(refused) = refused
            && let Some(answer) = answers.get_mut(first.saturating_add(index))
        {
            let error = refusal(subject, datagram.get(start..).unwrap_or_default(), refused);
            *answer = if error.is_not_found() { Ok(None) } else { Err(error) };
        }
    }
    Ok(())
}

/// Gets the keys, with their ids, of the flows whose ends the kernel has not delivered yet.
pub(super) fn dying(ct: &Conntrack) -> Result<Vec<FlowKey>, Error> {
    let flows = ct.dump_dying()?;
    // The end of a flow that cannot be decoded cannot be delivered either.
    let flows = flows.filter(|flow| !matches!(flow, Err(Error::Decode(_))));
    flows.map(|flow| flow.map(|flow: Flow| flow.key())).collect()
}
