//! What `libnetfilter_conntrack` understands of the captured flows, and the bytes that it writes for them, beside ours.
//!
//! It needs python3 and `libnetfilter_conntrack.so.3` (Debian: `python3`, `libnetfilter-conntrack3`), and says so where
//! they are missing; where nothing may be skipped, as in CI, that is a failure.
#![cfg(target_endian = "little")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use conntrack::codec::{Decode, Schema, Stream, decode, encode};
use conntrack::{Flow, NewFlow};
use conntrack_tests::captures;

/// What it writes for each message; `None` if it cannot be had here.
fn rewritten(messages: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/libnetfilter_conntrack.py");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let input = messages.iter().map(|message| hex(message) + "\n").collect::<String>();
    let run = || {
        let mut command = Command::new("python3");
        let mut child = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().expect("piped");
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output()?;
        writer.join().expect("no panic")?;
        Ok::<_, std::io::Error>(output)
    };
    let output = match run() {
        Ok(output) if output.status.success() => output,
        failure => {
            let missing = "python3 and libnetfilter_conntrack.so.3 are needed";
            let denied = std::env::var_os("CONNTRACK_TESTS_SKIP").is_some_and(|value| value == "deny");
            assert!(!denied, "{missing}: {failure:?}");
            eprintln!("SKIPPED: {missing}: {failure:?}");
            return None;
        }
    };
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|line| line.as_bytes().chunks(2).map(byte).collect()).collect())
}

/// The attributes that are no nests, by their path and number.
fn leaves(schema: &'static Schema, attributes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut leaves = BTreeMap::new();
    let mut stream = Stream::new(attributes);
    while let Some(attribute) = stream.next_attribute().unwrap() {
        let declared = schema.attribute(attribute.number()).unwrap_or_else(|| panic!("{}", attribute.number()));
        match declared.wire.nest(schema.selected(attributes)) {
            Some(inner) => {
                let inside = self::leaves(inner, attribute.payload()).into_iter();
                leaves.extend(inside.map(|(path, bytes)| (format!("{}.{path}", declared.kernel), bytes)));
            }
            None => drop(leaves.insert(declared.kernel.to_owned(), attribute.payload().to_vec())),
        }
    }
    leaves
}

/// What it never writes, because it is not for the one who asks to say.
const ONLY_RECEIVED: &[&str] = &["CTA_COUNTERS_", "CTA_TIMESTAMP", "CTA_USE", "CTA_ID", "CTA_SECCTX"];

#[test]
fn it_reads_and_writes_what_we_do() {
    let captured: BTreeSet<_> = captures::flows().into_iter().map(|(name, message)| (name, message.bytes)).collect();
    let (names, messages): (Vec<_>, Vec<_>) = captured.into_iter().unzip();
    let Some(rewritten) = rewritten(&messages) else { return };
    assert_eq!(rewritten.len(), messages.len());
    let (mut compared, mut kinds) = (0, BTreeSet::new());
    for ((name, message), theirs) in names.iter().zip(&messages).zip(&rewritten) {
        let flow: Flow = decode(&message[20..]).unwrap();
        let ours = leaves(Flow::SCHEMA, &encode(&flow).unwrap());
        let theirs = leaves(NewFlow::SCHEMA, theirs);
        assert!(theirs.len() > 8, "{name}.hex: {theirs:02x?}");
        for (path, bytes) in &theirs {
            assert_eq!(ours.get(path), Some(bytes), "{name}.hex: {path}, ours and theirs");
            compared += 1;
            kinds.insert(path.clone());
        }
        for path in ours.keys().filter(|path| !theirs.contains_key(*path)) {
            let is_known = ONLY_RECEIVED.iter().any(|known| path.contains(known));
            assert!(is_known, "{name}.hex: they do not write {path}");
        }
    }
    println!("{compared} attributes of {} flows are the same, {} different ones", messages.len(), kinds.len());
}
