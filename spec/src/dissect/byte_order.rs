//! Datagrams of a machine of the other byte order.

use std::borrow::Cow;

use deku::DekuReader;
use deku::ctx::Endian;
use deku::no_std_io::Cursor;
use deku::reader::Reader;

use crate::ExtAck;
use crate::codec::{ByteOrder, Decode, Layout, NATIVE, NLA_TYPE_MASK, NlAttr, Schema, align};
use crate::header::{NfGenMsg, NlMsgErr, NlMsgHdr};
use crate::message::Message;
use crate::netlink::{NFNL_MSG_BATCH_BEGIN, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR};
use crate::path::AttributeName;

/// Rewrites a datagram that was captured on a machine of the other byte order as this machine would have sent it.
///
/// Netlink's headers and a few attributes are in the byte order of the machine. The length of the first message tells
/// which order that was. A datagram in this machine's order is returned as it is. The bytes of
/// [`Labels`](crate::Labels) stay as they are.
///
/// ```
/// use std::borrow::Cow;
///
/// use conntrack_spec::dissect::in_host_order;
///
/// // A request without attributes: length, type, flags, sequence number, port; struct nfgenmsg.
/// let big = [0, 0, 0, 20, 1, 1, 3, 1, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0];
/// let little = [20, 0, 0, 0, 1, 1, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0];
/// let (ours, theirs) = if cfg!(target_endian = "big") { (big, little) } else { (little, big) };
/// assert_eq!(in_host_order(&theirs), Cow::<[u8]>::Owned(ours.to_vec()));
/// assert_eq!(in_host_order(&ours), Cow::Borrowed(&ours));
/// ```
#[must_use]
pub fn in_host_order(datagram: &[u8]) -> Cow<'_, [u8]> {
    if !is_in_other_order(datagram) {
        return Cow::Borrowed(datagram);
    }
    let mut bytes = datagram.to_vec();
    messages(&mut bytes);
    Cow::Owned(bytes)
}

/// Whether the first length fits in the other order only; where the datagram was cut, and it fits in neither, whether it
/// is a small number there and a huge one here.
fn is_in_other_order(datagram: &[u8]) -> bool {
    const HUGE: u32 = 1 << 16;
    let Some(bytes) = datagram.first_chunk() else { return false };
    let (ours, theirs) = (u32::from_ne_bytes(*bytes), u32::from_ne_bytes(*bytes).swap_bytes());
    let fits = |length| usize::try_from(length).is_ok_and(|length| (NlMsgHdr::SIZE..=datagram.len()).contains(&length));
    match (fits(ours), fits(theirs)) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => ours >= HUGE && theirs < HUGE && usize::try_from(theirs).is_ok_and(|it| it >= NlMsgHdr::SIZE),
    }
}

/// Reverses the first `size` bytes, if they are there.
fn swap(bytes: &mut [u8], size: usize) {
    if let Some(number) = bytes.get_mut(..size) {
        number.reverse();
    }
}

/// The byte order that is not this machine's.
const OTHER: Endian = match NATIVE {
    Endian::Little => Endian::Big,
    Endian::Big => Endian::Little,
};

/// Reads a layout in the other byte order, and writes it in this one.
fn header<T: Layout + for<'a> DekuReader<'a, Endian>>(bytes: &mut [u8]) -> Option<T> {
    let value = T::from_reader_with_ctx(&mut Reader::new(Cursor::new(&*bytes)), OTHER).ok()?;
    value.write_to(bytes).ok()?;
    Some(value)
}

fn messages(datagram: &mut [u8]) {
    let mut rest = datagram;
    while let Some(NlMsgHdr { len, kind, flags, .. }) = header(rest) {
        let length = usize::try_from(len).unwrap_or(usize::MAX);
        let end = length.min(rest.len());
        let Some(body) = rest.get_mut(NlMsgHdr::SIZE..end) else { return };
        match kind {
            NLMSG_ERROR => error(flags, body),
            NLMSG_DONE => {
                swap(body, size_of::<i32>());
                ext_ack(flags, body.get_mut(size_of::<i32>()..).unwrap_or_default());
            }
            _ => netfilter(kind, flags, body),
        }
        rest = rest.get_mut(align(length)..).unwrap_or_default();
    }
}

/// `struct nfgenmsg`, whose one number is in network byte order, and attributes.
fn netfilter(kind: u16, flags: u16, body: &mut [u8]) {
    if kind < NFNL_MSG_BATCH_BEGIN {
        return;
    }
    let schema = Message::of(kind).and_then(|message| match flags & NLM_F_REQUEST {
        0 => message.received,
        _ => message.request_with(flags),
    });
    attributes(schema, body.get_mut(NfGenMsg::SIZE..).unwrap_or_default());
}

/// `struct nlmsgerr`: an error, the request that it answers or its header, and what the kernel says to it.
fn error(flags: u16, body: &mut [u8]) {
    let Some(NlMsgErr { request, .. }) = header(body) else { return };
    let copied = match flags & NLM_F_CAPPED {
        0 => usize::try_from(request.len).unwrap_or(usize::MAX).saturating_sub(NlMsgHdr::SIZE),
        _ => 0,
    };
    let end = align(NlMsgErr::SIZE.saturating_add(copied)).min(body.len());
    if let Some(copy) = body.get_mut(NlMsgErr::SIZE..end) {
        netfilter(request.kind, request.flags, copy);
    }
    ext_ack(flags, body.get_mut(end..).unwrap_or_default());
}

fn ext_ack(flags: u16, bytes: &mut [u8]) {
    if flags & NLM_F_ACK_TLVS != 0 {
        attributes(Some(ExtAck::SCHEMA), bytes);
    }
}

/// Swaps a run of attributes, and the nests that are declared. Without a schema, only the headers are known.
fn attributes(schema: Option<&'static Schema>, run: &mut [u8]) {
    let mut places = Vec::new();
    let mut at = 0_usize;
    while let Some(bytes) = run.get_mut(at..) {
        let Some(NlAttr { len, kind }) = header(bytes) else { break };
        let length = usize::from(len);
        if length < NlAttr::SIZE || length > bytes.len() {
            break;
        }
        places.push((kind & NLA_TYPE_MASK, at.saturating_add(NlAttr::SIZE)..at.saturating_add(length)));
        at = at.saturating_add(align(length));
    }
    // It reads the headers, so they come first.
    let selected = schema.and_then(|schema| schema.selected(run));
    for (number, place) in places {
        let name = AttributeName::of(schema, number);
        let Some(payload) = run.get_mut(place) else { continue };
        if let Some(nest) = name.nest(selected) {
            attributes(Some(nest), payload);
        } else if let Some((size, ByteOrder::Native)) = name.declared.and_then(|declared| declared.wire.integer()) {
            swap(payload, size);
        }
    }
}
