//! What is promised of the code as a whole: which types threads can share, and where `unsafe` is.

use std::fs;
use std::path::{Path, PathBuf};

use conntrack::events::Inbox;
use conntrack::netlink::{BatchExchange, Channel, Exchange};
use conntrack::{
    Batch, Builder, BulkError, BulkReport, Command, Conntrack, Dump, Error, Event, Events, EventsBuilder, Expect,
    Filter, Flow, Mirror, MirrorBuilder, NewFlow, ParallelDump, TimeoutPolicy,
};

const fn send<T: Send>() {}
const fn sync<T: Sync>() {}
const fn unpin<T: Unpin>() {}

/// A connection is shared, everything else is handed over: a dump or a listener is read by one thread at a time, which
/// `&mut self` says, so that they may be shared as well.
const _: () = {
    send::<Conntrack>();
    sync::<Conntrack>();
    send::<Dump>();
    sync::<Dump>();
    send::<Events>();
    sync::<Events>();
    send::<Mirror>();
    sync::<Mirror>();
    send::<ParallelDump>();
    send::<Batch<'static, std::vec::IntoIter<Command>>>();
    send::<Channel>();
    sync::<Channel>();
    send::<Builder>();
    send::<EventsBuilder>();
    send::<MirrorBuilder>();
    // Plain values.
    send::<Flow>();
    sync::<Flow>();
    send::<NewFlow>();
    sync::<NewFlow>();
    send::<Expect>();
    sync::<Expect>();
    send::<TimeoutPolicy>();
    sync::<TimeoutPolicy>();
    send::<Filter>();
    sync::<Filter>();
    send::<Event>();
    sync::<Event>();
    send::<Inbox>();
    sync::<Inbox>();
    send::<Exchange>();
    send::<BatchExchange>();
    // Errors travel with `?` out of every thread and every task.
    send::<Error>();
    sync::<Error>();
    unpin::<Error>();
    send::<BulkError>();
    sync::<BulkError>();
    send::<BulkReport>();
    // A dump that decodes into what cannot be shared can itself be handed over: it holds none of it.
    send::<Dump<std::rc::Rc<()>>>();
};

/// Every Rust file below `directory`.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let (directories, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let below = directories.iter().flat_map(|directory| sources(directory));
    files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")).chain(below).collect()
}

/// The words of the code on a line, without those in comments and texts.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or_default();
    code.split('"').step_by(2).flat_map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '_'))
}

#[test]
fn unsafe_is_only_in_sys() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut inside, mut files) = (0, 0);
    for sources_of in ["conntrack-derive/src", "spec/src", "conntrack/src", "conntrack/examples", "tests/src"] {
        for path in sources(&root.join(sources_of)) {
            let text = fs::read_to_string(&path).unwrap();
            let blocks = text.lines().filter(|line| words(line).any(|word| word == "unsafe")).count();
            let relative = path.strip_prefix(&root).unwrap();
            if relative == Path::new("conntrack/src/sys.rs") || relative.starts_with("conntrack/src/sys") {
                inside += blocks;
                let reasons = text.matches("// SAFETY:").count() + text.matches("# Safety").count();
                assert!(reasons >= blocks, "{}: {blocks} times unsafe, {reasons} reasons", relative.display());
            } else {
                assert_eq!(blocks, 0, "unsafe in {}", relative.display());
                assert!(!text.contains("allow(unsafe_code"), "{}", relative.display());
            }
            files += 1;
        }
    }
    println!("{files} files; unsafe stands {inside} times in conntrack/src/sys, and nowhere else");
    assert!(inside > 0 && files > 80);
}
