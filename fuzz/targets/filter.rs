//! A filter and the program that it is for the kernel: over the events of any flow, one says what the other does.
//!
//! The filter is the words up to the end of the line; behind it are the flow's attributes.
#![no_main]

use conntrack::codec::{decode, encode};
use conntrack::uapi::{IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK};
use conntrack::{Family, Filter, Flow};
use conntrack_tests::bpf::{check, run};
use conntrack_tests::generate::message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let (words, attributes) = input.split_at(end);
    let Some(Ok(filter)) = str::from_utf8(words).ok().map(str::parse::<Filter>) else { return };
    let Ok(program) = filter.compile() else { return };
    check(program.instructions()).unwrap_or_else(|error| panic!("{error}\n{program}"));
    let attributes = &attributes[1..];
    let verdict = |family, attributes: &[u8]| {
        [IPCTNL_MSG_CT_NEW, IPCTNL_MSG_CT_DELETE].map(|number| {
            let kind = u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, number]);
            let run = run(program.instructions(), &message(kind, 0, family, attributes));
            assert!(matches!(run.kept, 0 | u32::MAX), "it cuts messages off after {} bytes\n{program}", run.kept);
            run.is_accepted()
        })
    };
    // Whatever the bytes, it ends.
    verdict(Family::IPV4, attributes);
    let Ok(flow) = decode::<Flow>(attributes) else { return };
    let family = Family::of(flow.orig.src());
    // No flow has addresses of both.
    if family == Family::of(flow.reply.src()) {
        // As a kernel sends it: nothing twice, and nothing unknown.
        let attributes = encode(&flow).unwrap_or_else(|error| panic!("{error}, encoding {flow:?}"));
        assert_eq!(verdict(family, &attributes), [filter.matches(&flow); 2], "{filter}: {flow:?}\n{program}");
    }
});
