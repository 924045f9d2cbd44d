//! Every captured message, damaged in every way there is: always a value or a typed error, by both of the decoder's
//! paths alike, and soon.
//!
//! Everything is tried in an optimised build: `cargo test --release -p conntrack-tests --test corruption`. Without
//! optimisation, of the captures' many bytes only some are replaced by all values, the same ones in every run. Each
//! test prints how many cases it tried; `--nocapture` shows it.
//!
//! The captures are those of a little-endian machine, and netlink's headers are in host byte order.
#![cfg(target_endian = "little")]

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::{Duration, Instant};

use conntrack::codec::{Attribute, Decode, Layout, NlAttr, Schema, Wire};
use conntrack::header::{HEADERS, NlMsgErr, NlMsgHdr};
use conntrack::message::Message as Kind;
use conntrack::netlink::{Answer, Exchange, Messages, NLM_F_REQUEST, NLMSG_ERROR, ProtocolError};
use conntrack::uapi::CTA_TIMEOUT_DATA;
use conntrack::{Flow, TimeoutPolicy, dissect, dissect_message};
use conntrack_tests::captures::{self, Message};
use conntrack_tests::damage::split;
use conntrack_tests::types::{self, TYPES, Type};
use conntrack_tests::{dissection, generate};

/// Of so many positions, one is tried with all values.
const STRIDE: usize = if cfg!(debug_assertions) { 211 } else { 1 };
/// Of so many positions, one is tried with the values that lengths and types break at.
const EDGES: usize = if cfg!(debug_assertions) { 5 } else { 1 };
/// Nothing that is as long as a message takes longer, not even on a busy machine.
const BOUND: Duration = Duration::from_secs(10);

/// The structs that a captured message can be, and its attributes. The same bytes are tried once, whichever capture
/// they are from.
fn subjects() -> Vec<(&'static Type, Vec<u8>)> {
    let mut subjects = BTreeMap::new();
    for message in captures::all().into_iter().flat_map(|capture| capture.messages) {
        let Some(kind) = Kind::of(message.kind) else { continue };
        let schema = if message.flags & NLM_F_REQUEST == 0 { kind.received } else { kind.request_with(message.flags) };
        let Some(schema) = schema else { continue };
        for of in TYPES.iter().filter(|of| schema.name.split(" or ").any(|name| name == of.schema.name)) {
            subjects.insert((of.schema.name, message.attributes().to_vec()), of);
        }
    }
    subjects.into_iter().map(|((_, attributes), of)| (of, attributes)).collect()
}

/// Counts cases and the time that each takes.
struct Cases {
    what: &'static str,
    tried: u64,
    slowest: Duration,
    started: Instant,
}

impl Cases {
    fn new(what: &'static str) -> Self {
        Self { what, tried: 0, slowest: Duration::ZERO, started: Instant::now() }
    }

    fn check(&mut self, of: &Type, attributes: &[u8]) {
        let started = Instant::now();
        of.check(attributes);
        self.tried += 1;
        self.slowest = self.slowest.max(started.elapsed());
    }

    /// Says how many there were.
    fn finish(self, note: impl Display) {
        let Self { what, tried, slowest, started } = self;
        println!("{what}: {tried} cases in {:.1?}, the slowest took {slowest:?}{note}", started.elapsed());
        assert!(tried > 0, "{what}: nothing was tried");
        assert!(slowest < BOUND, "{what}: {slowest:?}");
    }
}

#[test]
fn every_message_type_is_among_those_that_are_tried() {
    for message in conntrack::message::MESSAGES {
        for schema in [message.single, message.dump, message.received].into_iter().flatten() {
            for name in schema.name.split(" or ") {
                assert!(TYPES.iter().any(|of| of.schema.name == name), "{name} of {}", message.kernel);
            }
        }
    }
    let captured = subjects();
    assert!(captured.len() > 80, "{}", captured.len());
    for of in ["Flow", "NewFlow", "FlowUpdate", "FlowKey", "FlowFilter"] {
        assert!(captured.iter().any(|(known, _)| known.schema.name == of), "no {of} was captured");
    }
}

#[test]
fn every_truncation() {
    let mut cases = Cases::new("truncations");
    for (of, attributes) in subjects() {
        for end in 0..attributes.len() {
            cases.check(of, &attributes[..end]);
        }
    }
    cases.finish("");
}

#[test]
fn every_value_of_every_byte() {
    let mut cases = Cases::new("bytes replaced");
    let mut positions = 0;
    for (of, mut attributes) in subjects() {
        for at in 0..attributes.len() {
            positions += 1;
            let was = attributes[at];
            let near = [was.wrapping_sub(1), was.wrapping_add(1), was ^ 0x80];
            let edges = [0, 3, 4, 5, 0x40, 0x80, 0xff].into_iter().chain(near);
            let values: Vec<u8> = match positions {
                n if n % STRIDE == 0 => (0..=u8::MAX).collect(),
                n if n % EDGES == 0 => edges.collect(),
                _ => Vec::new(),
            };
            for value in values.into_iter().filter(|value| *value != was) {
                attributes[at] = value;
                cases.check(of, &attributes);
            }
            attributes[at] = was;
        }
    }
    cases.finish(format_args!("; {positions} positions, all values at one of {STRIDE}"));
}

/// All that become of `attributes` by exchanging two attributes of one nest, whichever nest that is.
fn swaps(schema: &'static Schema, attributes: &[u8], tried: &mut dyn FnMut(Vec<u8>)) {
    let parts = split(attributes);
    for left in 0..parts.len() {
        for right in left + 1..parts.len() {
            let mut swapped = parts.clone();
            swapped.swap(left, right);
            tried(swapped.concat());
        }
    }
    for (at, part) in parts.iter().enumerate() {
        let (_, attribute) = Attribute::split(part).unwrap();
        let Some(inner) =
            schema.attribute(attribute.number()).and_then(|declared| declared.wire.nest(schema.selected(attributes)))
        else {
            continue;
        };
        swaps(inner, attribute.payload(), &mut |inside| {
            let mut whole: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
            whole[at].splice(4..4 + attribute.payload().len(), inside);
            tried(whole.concat());
        });
    }
}

#[test]
fn every_swap_of_two_attributes() {
    let mut cases = Cases::new("swaps");
    for (of, attributes) in subjects() {
        swaps(of.schema, &attributes, &mut |swapped| {
            assert_eq!(swapped.len(), attributes.len());
            cases.check(of, &swapped);
            assert!(of.is_same(&swapped, &attributes), "{of:?}: the order changes the meaning of {swapped:02x?}");
        });
    }
    cases.finish("");
}

/// Where in `attributes` the headers are, at each level.
fn headers(schema: &'static Schema, attributes: &[u8], offset: usize, found: &mut Vec<usize>) {
    let mut at = 0;
    for part in split(attributes) {
        found.push(offset + at);
        let (_, attribute) = Attribute::split(part).unwrap();
        let declared = schema.attribute(attribute.number());
        if let Some(inner) = declared.and_then(|declared| declared.wire.nest(schema.selected(attributes))) {
            headers(inner, attribute.payload(), offset + at + 4, found);
        }
        at += part.len();
    }
}

#[test]
fn every_length_that_cannot_be() {
    let mut cases = Cases::new("lengths");
    for (of, attributes) in subjects() {
        let mut at = Vec::new();
        headers(of.schema, &attributes, 0, &mut at);
        for at in at {
            let left = u16::try_from(attributes.len() - at).unwrap();
            let was = NlAttr::read(&attributes[at..]).unwrap().len;
            let edges = [4, 5, 7, 8, was - 1, was + 1, left - 1, left, left + 1, 0x7fff, 0x8000, 0xfffe, 0xffff];
            for length in (0..4).chain(edges) {
                let mut damaged = attributes.clone();
                generate::patch(&mut damaged[at..], |header| header.len = length);
                cases.check(of, &damaged);
            }
        }
    }
    cases.finish("");
}

/// As many nests as a datagram can hold beside the attribute that tells what is in them: that is looked for once.
#[test]
fn nests_beside_nests() {
    let mut cases = Cases::new("nests beside nests");
    let nests = generate::bytes(CTA_TIMEOUT_DATA, true, &[]).repeat(65_000);
    for tag in [&[][..], &[5, 0, 3, 0, 6, 0, 0, 0]] {
        let bytes = [tag, &nests].concat();
        cases.check(types::of(TimeoutPolicy::SCHEMA).unwrap(), &bytes);
        let started = Instant::now();
        dissection::check(&dissect(TimeoutPolicy::SCHEMA, &bytes).to_string(), &bytes);
        cases.slowest = cases.slowest.max(started.elapsed());
    }
    cases.finish("");
}

/// Recursion ends where declarations do: this is how deep they go.
#[test]
fn nests_in_nests() {
    let mut cases = Cases::new("nests in nests");
    let deepest = TYPES.iter().map(|of| of.schema.depth()).max().unwrap();
    for of in TYPES {
        let nests = of.schema.attributes().filter(|attribute| matches!(attribute.wire, Wire::Nest(_)));
        for number in nests.map(|attribute| attribute.number).chain([1, 2, 0x3fff]) {
            let mut bytes = Vec::new();
            let mut depth = 0;
            while bytes.len() < 65_000 {
                bytes = generate::bytes(number, true, &bytes);
                depth += 1;
                if depth < 64 || depth % 1024 == 0 || bytes.len() >= 65_000 {
                    cases.check(of, &bytes);
                    let path = of.schema.path_at(&bytes, bytes.len() - 1).unwrap();
                    assert!(path.attributes().len() <= of.schema.depth().max(1), "{of:?}: {path}");
                }
            }
        }
    }
    assert_eq!(deepest, 4, "the bound that is stated in SECURITY.md");
    cases.finish(format_args!("; decoders recurse {deepest} deep at most"));
}

/// What becomes of a datagram on its way to a decoder.
fn receive(datagram: &[u8], header: &NlMsgHdr) {
    let mut exchange = Exchange::new(header.seq, header.pid);
    let mut left = datagram.len();
    for message in Messages::new(datagram) {
        let message = match message {
            Ok(message) => message,
            Err(ProtocolError::MessageLength { claimed, available }) => {
                assert!(claimed < 16 || claimed as usize > available, "{claimed}, {available}");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        left = left.checked_sub(16 + message.body.len()).expect("no more than there is");
        match exchange.take(message) {
            Ok(Answer::Reply(reply)) if reply.attributes().is_ok() => drop(reply.decode::<Flow>()),
            Ok(_) => {}
            Err(error) => assert!(matches!(error, ProtocolError::Body { .. }), "{error}"),
        }
    }
}

#[test]
fn every_value_of_every_byte_of_the_headers() {
    let mut cases = Cases::new("bytes of headers replaced");
    let messages: BTreeMap<_, Message> = captures::all()
        .into_iter()
        .flat_map(|capture| capture.messages)
        .map(|message| ((message.kind, message.flags, message.bytes.len()), message))
        .collect();
    for message in messages.into_values() {
        let header = Messages::new(&message.bytes).next().unwrap().unwrap().header;
        // Those of an error are longer, and the request's header is in them.
        let headers = if message.kind == NLMSG_ERROR { NlMsgHdr::SIZE + NlMsgErr::SIZE } else { HEADERS };
        // Another message behind it.
        let mut datagram = [&*message.bytes, &message.bytes].concat();
        for at in 0..headers.min(message.bytes.len()) {
            let was = datagram[at];
            for value in (0..=u8::MAX).step_by(EDGES) {
                datagram[at] = value;
                let started = Instant::now();
                receive(&datagram, &header);
                cases.tried += 1;
                cases.slowest = cases.slowest.max(started.elapsed());
                if usize::from(value) % (4 * EDGES * EDGES) == 0 {
                    dissection::check(&dissect_message(&datagram).to_string(), &datagram);
                }
            }
            datagram[at] = was;
        }
        for end in 0..datagram.len() {
            receive(&datagram[..end], &header);
            if end % (4 * EDGES) == 0 {
                dissection::check(&dissect_message(&datagram[..end]).to_string(), &datagram[..end]);
            }
            cases.tried += 1;
        }
    }
    cases.finish("");
}
