//! Whole messages: their headers, and what follows them.

use std::fmt;

use super::page::{Hex, Page};
use super::tree;
use super::value::Named;
use crate::codec::{Decode, Layout, Name, Schema, align};
use crate::header::{NfGenMsg, NlMsgErr, NlMsgHdr};
use crate::message::Message;
use crate::netlink::{
    ACK_FLAGS, CONTROL, FLAGS, NFNL_MSG_BATCH_BEGIN, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_REQUEST, NLMSG_DONE,
    NLMSG_ERROR,
};
use crate::{ExtAck, Family, errno, names};

/// Prints messages, one behind the other.
pub(super) fn messages(page: &mut Page<'_, '_>, bytes: &[u8]) -> fmt::Result {
    let mut rest = bytes;
    while !rest.is_empty() {
        page.gap()?;
        let Some(header) = read::<NlMsgHdr>(rest) else { return raw(page, "truncated nlmsghdr", rest) };
        let length = usize::try_from(header.len).unwrap_or(usize::MAX);
        nlmsghdr(page, &header, rest.len())?;
        // Of a message that is cut, what is there.
        let Some(body) = rest.get(NlMsgHdr::SIZE..length.min(rest.len())) else {
            return raw(page, "malformed", rest.get(NlMsgHdr::SIZE..).unwrap_or_default());
        };
        match header.kind {
            NLMSG_ERROR => error(page, header.flags, body)?,
            NLMSG_DONE => done(page, header.flags, body)?,
            _ => netfilter(page, &header, body)?,
        }
        let padding = rest.get(length..align(length).min(rest.len())).unwrap_or_default();
        if !padding.is_empty() {
            page.field("padding", &Hex::default().padding(padding), "")?;
        }
        rest = rest.get(align(length)..).unwrap_or_default();
    }
    Ok(())
}

/// `struct nlmsghdr` of a message for which there are `available` bytes.
fn nlmsghdr(page: &mut Page<'_, '_>, header: &NlMsgHdr, available: usize) -> fmt::Result {
    let NlMsgHdr { len, kind, flags, seq, pid } = *header;
    page.title("nlmsghdr")?;
    page.indented(|page| {
        let length = usize::try_from(len).unwrap_or(usize::MAX);
        let hex = Hex::default().number(len, 4);
        if (NlMsgHdr::SIZE..=available).contains(&length) {
            page.field("nlmsg_len", &hex, len)?;
        } else {
            page.field("nlmsg_len", &hex, format_args!("{len}, expected {} to {available}", NlMsgHdr::SIZE))?;
        }
        page.field("nlmsg_type", &Hex::default().number(kind, 2), Kind(kind))?;
        page.field("nlmsg_flags", &Hex::default().number(flags, 2), Flags { kind, flags })?;
        page.field("nlmsg_seq", &Hex::default().number(seq, 4), seq)?;
        page.field("nlmsg_pid", &Hex::default().number(pid, 4), pid)
    })
}

/// The body of a message of a netfilter subsystem: `struct nfgenmsg` and attributes. Of others, bytes.
fn netfilter(page: &mut Page<'_, '_>, header: &NlMsgHdr, body: &[u8]) -> fmt::Result {
    let (Some(NfGenMsg { family, version, res_id }), NFNL_MSG_BATCH_BEGIN..) = (read(body), header.kind) else {
        return raw(page, "body", body);
    };
    page.title("nfgenmsg")?;
    page.indented(|page| {
        let name = Named { value: family.into(), names: Family::NAMES, bits: false };
        page.field("nfgen_family", &Hex::default().bytes(&[family]), name)?;
        page.field("version", &Hex::default().bytes(&[version]), version)?;
        page.field("res_id", &Hex::default().bytes(&res_id.to_be_bytes()), res_id)
    })?;
    let schema = Message::of(header.kind).and_then(|message| match header.flags & NLM_F_REQUEST {
        0 => message.received,
        _ => message.request_with(header.flags),
    });
    tree::attributes(page, schema, body.get(NfGenMsg::SIZE..).unwrap_or_default())
}

/// `struct nlmsgerr`: an error, the request that it answers or its header, and what the kernel says to it.
fn error(page: &mut Page<'_, '_>, flags: u16, body: &[u8]) -> fmt::Result {
    let Some(NlMsgErr { error, request }) = read(body) else { return raw(page, "truncated nlmsgerr", body) };
    let copied = match flags & NLM_F_CAPPED {
        0 => usize::try_from(request.len).unwrap_or(usize::MAX).saturating_sub(NlMsgHdr::SIZE),
        _ => 0,
    };
    let end = align(NlMsgErr::SIZE.saturating_add(copied)).min(body.len());
    page.title("nlmsgerr")?;
    page.indented(|page| {
        let error = Error(error);
        page.field("error", &error.hex(), &error)?;
        // Its length is the request's own, whether or not the rest of it is here.
        nlmsghdr(page, &request, usize::MAX)?;
        match body.get(NlMsgErr::SIZE..end).unwrap_or_default() {
            [] => Ok(()),
            copy => netfilter(page, &request, copy),
        }
    })?;
    ext_ack(page, flags, body.get(end..).unwrap_or_default())
}

/// The end of a dump: an error number, and what the kernel says to it.
fn done(page: &mut Page<'_, '_>, flags: u16, body: &[u8]) -> fmt::Result {
    let Some((number, rest)) = body.split_first_chunk() else { return raw(page, "body", body) };
    let error = Error(i32::from_ne_bytes(*number));
    page.field("error", &error.hex(), &error)?;
    ext_ack(page, flags, rest)
}

fn ext_ack(page: &mut Page<'_, '_>, flags: u16, bytes: &[u8]) -> fmt::Result {
    let schema: Option<&'static Schema> = (flags & NLM_F_ACK_TLVS != 0).then_some(ExtAck::SCHEMA);
    if schema.is_none() { raw(page, "trailing bytes", bytes) } else { tree::attributes(page, schema, bytes) }
}

/// Bytes of which nothing is known.
fn raw(page: &mut Page<'_, '_>, name: &str, bytes: &[u8]) -> fmt::Result {
    if bytes.is_empty() { Ok(()) } else { page.field(name, &Hex::default().bytes(bytes), "") }
}

fn read<T: Layout>(bytes: &[u8]) -> Option<T> {
    T::read(bytes).ok()
}

/// `nlmsg_type`
struct Kind(u16);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [subsystem, number] = self.0.to_be_bytes();
        match names::code(self.0.into(), CONTROL, "").or_else(|| Some(Message::of(self.0)?.kernel)) {
            Some(name) => f.write_str(name),
            None => write!(f, "subsystem {subsystem}, message {number}"),
        }
    }
}

/// `nlmsg_flags`, whose upper half means different things in different messages.
struct Flags {
    kind: u16,
    flags: u16,
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more: &[Name] = match self.kind {
            NLMSG_ERROR | NLMSG_DONE => ACK_FLAGS,
            kind => Message::of(kind).map_or(&[], |message| message.verb.flags()),
        };
        names::write_bits(f, self.flags.into(), FLAGS.iter().chain(more), "", " | ")
    }
}

/// An error number, negated.
struct Error(i32);

impl Error {
    fn hex(&self) -> Hex<'static> {
        Hex::default().number(self.0.cast_unsigned(), size_of::<i32>())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        self.0.checked_neg().and_then(errno::name).map_or(Ok(()), |name| write!(f, ", {name}"))
    }
}
