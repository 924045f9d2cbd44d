//! Many requests, and whatever may come for them. The first byte says how many.
#![no_main]

use conntrack::Errno;
use conntrack::netlink::{BatchExchange, Messages};
use conntrack_fuzz::datagrams;
use libfuzzer_sys::fuzz_target;

const SEQ: u32 = u32::MAX - 4;
const PORT: u32 = 9;

fuzz_target!(|input: &[u8]| {
    let Some((&count, input)) = input.split_first() else { return };
    let count = usize::from(count % 16);
    let mut exchange = BatchExchange::new(SEQ, count, PORT);
    assert_eq!(exchange.is_done(), count == 0);
    for message in datagrams(input).flat_map(Messages::new).map_while(Result::ok) {
        let was_done = exchange.is_done();
        let _ = exchange.take(message);
        assert!(exchange.is_done() || !was_done, "is done no more: {message:?}");
        assert!(!(exchange.is_done() && exchange.may_be_all()), "{message:?}");
        if exchange.is_done() {
            break;
        }
    }
    let refused_all = exchange.may_be_all();
    if refused_all {
        exchange.refuse_all();
    }
    let is_done = exchange.is_done();
    let answers = exchange.finish();
    // The data of the last request can be there without its acknowledgement.
    assert!(if is_done { answers.len() == count } else { answers.len() <= count }, "{} results", answers.len());
    assert!(answers.iter().flatten().all(|refusal| refusal.errno > 0));
    assert!(!refused_all || answers.iter().all(|refusal| refusal.as_ref().is_some_and(|r| r.errno == Errno::PERM.0)));
});
