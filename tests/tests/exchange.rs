//! From a request to the end of its answers, on bytes alone: every way in which a kernel answers.

use conntrack::codec::Layout;
use conntrack::header::{NlMsgErr, NlMsgHdr};
use conntrack::netlink::{
    Answer, BatchExchange, Exchange, Message, Messages, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR, NLM_F_MULTI,
    NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, ProtocolError, Refusal,
};
use conntrack::{Errno, ExtAck, codec};
#[cfg(target_endian = "little")]
use conntrack_tests::captures;
use conntrack_tests::generate::layout;

const SEQ: u32 = 42;
const PORT: u32 = 1234;
/// `IPCTNL_MSG_CT_NEW`
const FLOW: u16 = 0x100;

const ENOENT: i32 = 2;

fn message(kind: u16, flags: u16, body: &[u8]) -> Message<'_> {
    Message {
        header: NlMsgHdr { len: 16 + u32::try_from(body.len()).unwrap(), kind, flags, seq: SEQ, pid: PORT },
        body,
    }
}

/// An error, and the header of the request, whose length is `request`.
fn nlmsgerr(errno: i32, request: u32) -> Vec<u8> {
    layout(&NlMsgErr { error: -errno, request: NlMsgHdr { len: request, ..NlMsgHdr::default() } })
}

fn take(message: Message<'_>) -> Result<Answer<'_>, ProtocolError> {
    Exchange::new(SEQ, PORT).take(message)
}

#[track_caller]
fn refused(message: Message<'_>) -> Refusal {
    match take(message) {
        Ok(Answer::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reply_is_one_whatever_its_flags() {
    // Single replies are marked as one of several, though no end follows.
    for flags in [0, NLM_F_MULTI] {
        assert!(matches!(take(message(FLOW, flags, &[0; 4])), Ok(Answer::Reply(_))));
    }
}

#[test]
fn an_acknowledgement_is_the_end() {
    let body = nlmsgerr(0, 20);
    assert!(matches!(take(message(NLMSG_ERROR, NLM_F_CAPPED, &body)), Ok(Answer::Done)));
    // One that says something, as for trailing garbage, is one all the same.
    assert!(matches!(take(message(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, &body)), Ok(Answer::Done)));
}

#[test]
fn an_error_is_the_end_and_may_come_instead_of_a_dumps() {
    let refusal = refused(message(NLMSG_ERROR, 0, &nlmsgerr(ENOENT, 20)));
    assert_eq!(refusal, Refusal { errno: ENOENT, details: ExtAck::default() });
}

#[test]
fn an_error_says_more_behind_the_request_whole_or_cut() {
    let details =
        ExtAck { message: Some("no such thing".into()), offset: Some(codec::Native(20)), ..ExtAck::default() };
    let attributes = codec::encode(&details).unwrap();
    for (flags, request) in [(NLM_F_CAPPED, 0), (0, 33)] {
        let mut body = nlmsgerr(ENOENT, 16 + request);
        // A request's payload is padded before the attributes.
        body.resize(codec::align(20 + request as usize), 0xee);
        body.extend(&attributes);
        assert_eq!(refused(message(NLMSG_ERROR, flags | NLM_F_ACK_TLVS, &body)).details, details);
        // Without the flag there are no attributes, whatever the bytes look like.
        assert_eq!(refused(message(NLMSG_ERROR, flags, &body)).details, ExtAck::default());
    }
}

#[test]
fn details_that_cannot_be_read_do_not_hide_the_error() {
    let mut body = nlmsgerr(ENOENT, 16);
    body.extend([0xff, 0xff, 1, 0]);
    assert_eq!(refused(message(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, &body)).errno, ENOENT);
}

#[test]
fn the_end_of_a_dump_has_a_result() {
    assert!(matches!(take(message(NLMSG_DONE, NLM_F_MULTI, &0i32.to_ne_bytes())), Ok(Answer::Done)));
    assert!(matches!(take(message(NLMSG_DONE, NLM_F_MULTI, &[])), Ok(Answer::Done)));
    assert_eq!(refused(message(NLMSG_DONE, NLM_F_MULTI, &(-ENOENT).to_ne_bytes())).errno, ENOENT);
}

#[test]
fn an_interruption_is_remembered() {
    let mut exchange = Exchange::new(SEQ, PORT);
    let _ = exchange.take(message(FLOW, NLM_F_MULTI, &[0; 4]));
    assert!(!exchange.is_interrupted());
    let _ = exchange.take(message(FLOW, NLM_F_MULTI | NLM_F_DUMP_INTR, &[0; 4]));
    let _ = exchange.take(message(NLMSG_DONE, NLM_F_MULTI, &[0; 4]));
    assert!(exchange.is_interrupted());
}

#[test]
fn an_overrun_is_a_refusal() {
    assert_eq!(Errno(refused(message(NLMSG_OVERRUN, 0, &[])).errno), Errno::NOBUFS);
}

#[test]
fn what_answers_another_request_is_none_of_ours() {
    let body = nlmsgerr(ENOENT, 16);
    for (seq, port) in [(SEQ + 1, PORT), (SEQ - 1, PORT), (0, PORT), (SEQ, PORT + 1), (SEQ, 0)] {
        for kind in [FLOW, NLMSG_ERROR, NLMSG_DONE] {
            let mut other = message(kind, 0, &body);
            (other.header.seq, other.header.pid) = (seq, port);
            assert!(matches!(take(other), Ok(Answer::Unrelated)));
        }
    }
    assert!(matches!(take(message(NLMSG_NOOP, 0, &[])), Ok(Answer::Unrelated)));
    assert!(matches!(take(message(15, 0, &[])), Ok(Answer::Unrelated)));
}

#[test]
fn a_short_error_is_an_error() {
    for length in 0..20 {
        let error = take(message(NLMSG_ERROR, 0, &[0; 20][..length])).unwrap_err();
        assert_eq!(error, ProtocolError::Body { found: length, expected: 20 });
    }
}

// The captures are those of a little-endian machine.
#[test]
#[cfg(target_endian = "little")]
fn messages_end_at_the_first_that_is_none() {
    let whole = captures::load("ack").messages.remove(0).bytes;
    let datagram = [&whole[..], &whole, &[16, 0, 0, 0], &[0; 8]].concat();
    let messages: Vec<_> = Messages::new(&datagram).collect();
    assert_eq!(messages.len(), 3);
    assert!(messages[0].is_ok() && messages[1].is_ok());
    assert_eq!(messages[2], Err(ProtocolError::MessageLength { claimed: 0, available: 12 }));

    for claimed in [0, 1, 15, 17, u32::MAX] {
        let mut one = whole[..16].to_vec();
        NlMsgHdr::edit(&mut one, |header| header.len = claimed).unwrap();
        let expected = ProtocolError::MessageLength { claimed, available: 16 };
        assert_eq!(Messages::new(&one).next(), Some(Err(expected)));
    }
}

#[test]
#[cfg(target_endian = "little")]
fn every_capture_is_a_run_of_messages() {
    for capture in captures::all() {
        let datagram: Vec<u8> = capture.messages.iter().flat_map(|message| message.bytes.clone()).collect();
        let found = Messages::new(&datagram).map(|message| message.unwrap().body.len()).sum::<usize>();
        assert_eq!(found + 16 * capture.messages.len(), datagram.len(), "{}", capture.name);
    }
}

mod batch {
    use super::*;

    const EPERM: i32 = 1;

    fn answer(seq: u32, errno: i32) -> (NlMsgHdr, Vec<u8>) {
        let body = nlmsgerr(errno, 16);
        (NlMsgHdr { len: 36, kind: NLMSG_ERROR, flags: NLM_F_CAPPED, seq, pid: PORT }, body)
    }

    /// What becomes of four requests, numbered from `SEQ`, by these answers.
    fn after(answers: &[(u32, i32)]) -> BatchExchange {
        let mut exchange = BatchExchange::new(SEQ, 4, PORT);
        for (seq, errno) in answers {
            let (header, body) = answer(*seq, *errno);
            exchange.take(Message { header, body: &body }).unwrap();
        }
        exchange
    }

    fn errnos(exchange: BatchExchange) -> Vec<i32> {
        exchange.finish().into_iter().map(|refusal| refusal.map_or(0, |refusal| refusal.errno)).collect()
    }

    #[test]
    fn silence_up_to_the_last_is_success() {
        let exchange = after(&[(SEQ + 3, 0)]);
        assert!(exchange.is_done());
        assert_eq!(errnos(exchange), [0; 4]);
    }

    #[test]
    fn errors_find_their_places() {
        let exchange = after(&[(SEQ + 1, ENOENT)]);
        assert!(!exchange.is_done() && !exchange.may_be_all());
        assert_eq!(errnos(exchange), [0, ENOENT], "those behind it are not known");
        let exchange = after(&[(SEQ + 1, ENOENT), (SEQ + 3, ENOENT)]);
        assert!(exchange.is_done());
        assert_eq!(errnos(exchange), [0, ENOENT, 0, ENOENT]);
    }

    #[test]
    fn one_eperm_may_be_for_all() {
        let mut exchange = after(&[(SEQ, EPERM)]);
        assert!(exchange.may_be_all() && !exchange.is_done());
        exchange.refuse_all();
        assert!(exchange.is_done());
        assert_eq!(errnos(exchange), [EPERM; 4]);
    }

    #[test]
    fn one_eperm_may_be_the_first_ones_own() {
        let exchange = after(&[(SEQ, EPERM), (SEQ + 3, 0)]);
        assert!(exchange.is_done() && !exchange.may_be_all());
        assert_eq!(errnos(exchange), [EPERM, 0, 0, 0]);
    }

    #[test]
    fn answers_to_others_change_nothing() {
        let exchange = after(&[(SEQ - 1, ENOENT), (SEQ + 4, 0), (0, ENOENT)]);
        assert!(!exchange.is_done());
        assert_eq!(errnos(exchange), []);
    }

    /// An answer to a request says that those before it were executed, with data as well as without.
    #[test]
    fn data_tells_as_much_as_an_acknowledgement() {
        let mut exchange = after(&[(SEQ, ENOENT)]);
        let header = NlMsgHdr { len: 20, kind: FLOW, flags: NLM_F_MULTI, seq: SEQ + 2, pid: PORT };
        assert_eq!(exchange.take(Message { header, body: &[0; 4] }), Ok(Some(2)));
        assert!(!exchange.is_done());
        assert_eq!(errnos(exchange), [ENOENT, 0, 0]);
    }

    #[test]
    fn silence_is_no_success_once_answers_were_lost() {
        let lossy = |before: &[(u32, i32)], after_loss: &[(u32, i32)]| {
            let mut exchange = after(before);
            exchange.note_losses();
            for (seq, errno) in after_loss {
                let (header, body) = answer(*seq, *errno);
                exchange.take(Message { header, body: &body }).unwrap();
            }
            errnos(exchange)
        };
        assert_eq!(lossy(&[], &[(SEQ + 1, ENOENT), (SEQ + 3, 0)]), []);
        assert_eq!(lossy(&[], &[(SEQ, ENOENT), (SEQ + 1, ENOENT), (SEQ + 3, 0)]), [ENOENT; 2]);
        assert_eq!(lossy(&[(SEQ + 1, ENOENT)], &[(SEQ + 2, ENOENT), (SEQ + 3, 0)]), [0, ENOENT, ENOENT, 0]);
        assert_eq!(lossy(&[(SEQ + 1, ENOENT)], &[(SEQ + 3, 0)]), [0, ENOENT]);
    }

    #[test]
    fn nothing_is_done_at_once() {
        assert!(BatchExchange::new(SEQ, 0, PORT).is_done());
    }
}
