//! Flows as a kernel sent them, from `tests/captures`.

use std::fs;
use std::path::Path;

use conntrack::codec::Layout;
use conntrack::header::{HEADERS, NlMsgHdr};

/// More than a processor's caches of branches remember, fewer than its caches of data hold.
pub(crate) const FLOWS: usize = 4096;

/// `IPCTNL_MSG_CT_NEW` of `NFNL_SUBSYS_CTNETLINK`: what a dump consists of.
const FLOW: u16 = 0x0100;

/// The attributes of [`FLOWS`] flows: TCP, UDP and ICMP of both families, in no order.
pub(crate) fn flows() -> Vec<Vec<u8>> {
    let captured: Vec<_> =
        ["dump-tcp", "dump-udp", "dump-icmp", "dump-tcp-closed"].iter().flat_map(|name| load(name)).collect();
    let mut random = 1_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        captured[usize::try_from(random >> 33).unwrap_or(0) % captured.len()].clone()
    };
    (0..FLOWS).map(|_| next()).collect()
}

/// The attributes of each flow of one capture.
fn load(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures").join(name).with_extension("hex");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let message = |paragraph: &str| -> Vec<u8> {
        let lines = paragraph.lines().filter(|line| !line.starts_with('#'));
        lines.flat_map(str::split_whitespace).map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    };
    let messages = text.split("\n\n").map(message);
    let is_flow = |message: &Vec<u8>| NlMsgHdr::read(message).is_ok_and(|header| header.kind == FLOW);
    messages.filter(is_flow).map(|message| message[HEADERS..].to_vec()).collect()
}
