//! One request, and whatever may come for it.
#![no_main]

use conntrack::netlink::{Answer, Exchange, Messages, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR};
use conntrack_fuzz::datagrams;
use libfuzzer_sys::fuzz_target;

const SEQ: u32 = 7;
const PORT: u32 = 9;

fuzz_target!(|input: &[u8]| {
    let mut exchange = Exchange::new(SEQ, PORT);
    let mut interrupted = false;
    for message in datagrams(input).flat_map(Messages::new).map_while(Result::ok) {
        let header = message.header;
        let is_ours = (header.seq, header.pid) == (SEQ, PORT);
        interrupted |= is_ours && header.flags & NLM_F_DUMP_INTR != 0;
        let ends = match exchange.take(message) {
            Ok(Answer::Unrelated) => false,
            Ok(Answer::Reply(reply)) => {
                assert!(is_ours && header.kind >= 16 && reply == message, "{message:?}");
                false
            }
            Ok(Answer::Done) => {
                assert!(is_ours && matches!(header.kind, NLMSG_DONE | NLMSG_ERROR), "{message:?}");
                true
            }
            Ok(Answer::Refused(refusal)) => {
                assert!(is_ours && header.kind < 16 && refusal.errno > 0, "{message:?}");
                true
            }
            Err(_) => {
                assert!(is_ours && header.kind == NLMSG_ERROR && message.body.len() < 20, "{message:?}");
                true
            }
        };
        assert_eq!(exchange.is_interrupted(), interrupted);
        if ends {
            return;
        }
    }
});
