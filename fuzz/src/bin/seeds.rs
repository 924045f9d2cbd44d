//! Writes what kernels and conntrack(8) really sent as seeds: `seeds DIRECTORY`, in which each target gets its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use conntrack::codec::{Layout, decode};
use conntrack::header::{HEADERS, NlMsgHdr};
use conntrack::message::Message;
use conntrack::{Family, Filter, Flow, L4};
use conntrack_fuzz::{with_lengths, with_type};
use conntrack_tests::captures::{self, Capture};
use conntrack_tests::types::TYPES;

fn main() -> io::Result<()> {
    let Some(directory) = env::args_os().nth(1) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: seeds DIRECTORY"));
    };
    for (target, inputs) in seeds() {
        write(&Path::new(&directory).join(target), &inputs)?;
    }
    Ok(())
}

fn seeds() -> [(&'static str, BTreeSet<Vec<u8>>); 11] {
    let captures = captures::all();
    let messages = || captures.iter().flat_map(|capture| &capture.messages);
    let attributes = || messages().filter_map(|message| Some((message, message.bytes.get(HEADERS..)?)));
    // Of whatever is not captured, what another message looks like is better than nothing.
    let typed: BTreeSet<_> = attributes()
        .flat_map(|(message, attributes)| {
            let own =
                Message::of(message.kind).and_then(|of| if message.flags & 1 == 0 { of.received } else { of.request_with(message.flags) });
            let fits = move |name| own.is_none_or(|own| own.name.contains(name));
            TYPES.iter().filter(move |of| fits(of.schema.name)).filter_map(move |of| with_type(of, attributes))
        })
        .collect();
    let whole = messages().filter_map(|message| TYPES.first().and_then(|of| with_type(of, &message.bytes)));
    let exchanges =
        captures.iter().map(|capture| with_lengths(capture.messages.iter().map(|m| readdressed(&m.bytes, 7))));
    let batches = captures.iter().map(|capture| [vec![4], with_lengths(numbered(capture))].concat());
    let events = captures.iter().flat_map(|capture| {
        let datagrams = capture.messages.iter().map(|message| [&[2, 0], &*message.bytes].concat());
        let input = with_lengths(datagrams);
        (0..4).map(move |filter| [&[filter], &*input].concat())
    });
    [
        ("flow", attributes().map(|(_, attributes)| attributes.to_vec()).collect()),
        ("attributes", typed.clone()),
        ("dissection", typed.iter().cloned().chain(whole).collect()),
        ("path", typed),
        ("framing", captures.iter().map(|c| c.messages.iter().flat_map(|m| m.bytes.clone()).collect()).collect()),
        ("exchange", exchanges.collect()),
        ("batch", batches.collect()),
        ("events", events.collect()),
        ("filter", attributes().flat_map(|(_, attributes)| filtered(attributes)).collect()),
        ("json", attributes().filter_map(|(_, attributes)| json(attributes)).collect()),
        ("text", TEXTS.iter().map(|text| text.as_bytes().to_vec()).collect()),
    ]
}

/// What `struct nlmsghdr` says of sequence number and port, as the targets want it.
fn readdressed(message: &[u8], seq: u32) -> Vec<u8> {
    let mut message = message.to_vec();
    // What is too short for a header stays as it is.
    let _ = NlMsgHdr::edit(&mut message, |header| (header.seq, header.pid) = (seq, 9));
    message
}

fn numbered(capture: &Capture) -> Vec<Vec<u8>> {
    (0..)
        .zip(&capture.messages)
        .map(|(n, message)| readdressed(&message.bytes, (u32::MAX - 4).wrapping_add(n)))
        .collect()
}

/// A flow behind filters that it meets.
fn filtered(attributes: &[u8]) -> Vec<Vec<u8>> {
    let Ok(flow) = decode::<Flow>(attributes) else { return Vec::new() };
    let Flow { orig, reply, .. } = flow;
    let any = Filter::new;
    let mut filters = vec![
        any().family(Family::of(orig.src())).orig_src(orig.src()).reply_dst(reply.dst()),
        any().protocol(orig.protocol()).orig_dst(orig.dst()).reply_src(reply.src()),
        any().mark(flow.mark.unwrap_or(0)).status(flow.status).zone(flow.zone.unwrap_or(0)),
        any().without_status(!flow.status),
    ];
    filters.extend(flow.proto_info.and_then(|info| info.tcp_state()).map(|state| any().tcp_state(state)));
    match orig.proto.l4 {
        Some(L4::Ports { src, dst }) => filters.push(any().orig_src_port(src).orig_dst_port(dst..=u16::MAX)),
        Some(L4::Icmp { id, kind, code } | L4::Icmpv6 { id, kind, code }) => {
            filters.push(any().icmp_id(id).icmp_type(kind).icmp_code(code));
        }
        _ => {}
    }
    filters.iter().map(|filter| [filter.to_string().as_bytes(), b"\n", attributes].concat()).collect()
}

/// A flow as JSON.
fn json(attributes: &[u8]) -> Option<Vec<u8>> {
    serde_json::to_vec(&decode::<Flow>(attributes).ok()?).ok()
}

const TEXTS: &[&str] = &[
    "0 eth0-in\n1\teth0-out\n# comment\n127 last one\n128 none\n",
    "6.18.44-amd64",
    "65535.65535.1",
    "tcp src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2",
    "gre src=::1 dst=fd00::2 srckey=0x1 dstkey=0x2 zone=7",
    "icmp src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=7 zone=3 id=12345",
    "SEEN_REPLY,ASSURED,CONFIRMED,0x10000",
    "family=ipv4 proto=tcp src=10.0.0.0/8 dport=1-1024 mark=7/0xff status=assured,!dying zone=0 state=ESTABLISHED",
    "proto=icmp reply-dst=10.0.0.1 icmp-type=8 icmp-code=0 icmp-id=7",
];

/// One file for each input, named by its content.
fn write(directory: &Path, inputs: &BTreeSet<Vec<u8>>) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for input in inputs {
        let hash = input
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        let path: PathBuf = directory.join(format!("seed-{hash:016x}"));
        fs::write(path, input)?;
    }
    Ok(())
}
