//! Messages in a datagram: none reaches out of it, none is read twice, and there is an end.
#![no_main]

use conntrack::netlink::Messages;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    let mut at = 0;
    let mut failed = false;
    for message in Messages::new(datagram) {
        assert!(!failed, "goes on behind an error");
        match message {
            Ok(message) => {
                let length = usize::try_from(message.header.len).expect("not on these machines");
                assert_eq!(length, 16 + message.body.len());
                assert_eq!(message.body.as_ptr(), datagram[at + 16..].as_ptr());
                assert_eq!(message.attributes().is_ok(), message.nfgenmsg().is_ok());
                at += conntrack::codec::align(length);
            }
            Err(_) => failed = true,
        }
    }
    assert!(failed || at >= datagram.len(), "stops at {at} of {}", datagram.len());
});
