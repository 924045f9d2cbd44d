//! Decoding and dumping allocate nothing, a batch a few times for each send.

#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use conntrack::codec::{self, Schema, Stream};
use conntrack::sandbox;
use conntrack::{BulkReport, Command, Conntrack, Decode, Flow, FlowId, NewFlow};
use conntrack_tests::captures;
use conntrack_tests::generate::bytes;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, which counts what each thread asks of it.
struct Counting;

// SAFETY: the system's allocator does all there is to do; the counter needs no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The allocations that `work` makes on this thread.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[derive(Debug, Decode)]
#[allow(dead_code, reason = "decoding them is what is tested")]
struct Marked {
    #[nla(CTA_MARK)]
    mark: Option<u32>,
    #[nla(CTA_ID)]
    id: FlowId,
}

#[test]
fn they_are_counted() {
    assert_eq!(allocations(|| drop(Box::new(1))), 1);
}

#[test]
fn decoding_a_flow_allocates_nothing() {
    let flows = captures::flows();
    assert!(flows.len() > 50, "the captures are there");
    for (name, message) in &flows {
        let attributes = message.attributes();
        assert_eq!(allocations(|| drop(codec::decode::<Flow>(attributes))), 0, "{name}");
        assert_eq!(allocations(|| drop(codec::decode::<Marked>(attributes))), 0, "{name}");
    }
}

/// As no kernel sends it: the last attribute of each nest first.
fn reversed(schema: &Schema, attributes: &[u8]) -> Vec<u8> {
    let (mut stream, mut parts) = (Stream::new(attributes), Vec::new());
    while let Some(attribute) = stream.next_attribute().unwrap() {
        let inner = schema.attribute(attribute.number()).and_then(|declared| declared.wire.nest(None));
        let payload = inner.map_or(attribute.payload().to_vec(), |inner| reversed(inner, attribute.payload()));
        parts.push(bytes(attribute.number(), attribute.is_nested(), &payload));
    }
    parts.reverse();
    parts.concat()
}

#[test]
fn no_order_makes_decoding_allocate() {
    for (name, message) in &captures::flows() {
        let attributes = reversed(Flow::SCHEMA, message.attributes());
        assert_eq!(codec::decode::<Flow>(&attributes), codec::decode(message.attributes()), "{name}");
        assert_eq!(allocations(|| drop(codec::decode::<Flow>(&attributes))), 0, "{name}");
    }
}

/// Many datagrams' worth.
const FLOWS: u16 = 3000;

/// The first flow is behind whatever a dump allocates to start.
fn count_from_the_second_on<T: Decode>(ct: &Conntrack) -> Result<u64, sandbox::Failure> {
    let mut dump = ct.dump_as::<T>()?;
    dump.next().ok_or("the table is empty")??;
    let mut flows = 1;
    let count = allocations(|| flows += dump.by_ref().take(usize::from(FLOWS) - 1).flatten().count());
    assert_eq!(flows, usize::from(FLOWS));
    Ok(count)
}

fn flow(port: u16) -> NewFlow {
    match port % 2 {
        0 => NewFlow::tcp(([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 443).into()),
        _ => NewFlow::udp(([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 53).into()),
    }
}

/// Runs `body` where it may create flows.
fn in_sandbox(body: impl FnOnce() -> Result<(), sandbox::Failure> + Send) {
    sandbox::run(|_| body()).unwrap();
}

/// It allocates a few times for each send, whether flows are found or not.
#[test]
fn a_batch_allocates_nothing_for_a_command() {
    in_sandbox(|| {
        let ct = Conntrack::open()?;
        let creations: Vec<_> = (0..FLOWS).map(flow).map(Command::Create).collect();
        let deletions: Vec<_> = (0..FLOWS).map(|port| Command::Delete(flow(port).orig.into())).collect();
        for (commands, done) in [(&creations, FLOWS), (&deletions, FLOWS), (&deletions, 0)] {
            let mut report = BulkReport::default();
            let count = allocations(|| report = ct.batch(commands).run().unwrap());
            assert_eq!((report.done, report.failed), (done.into(), 0));
            assert!(count < u64::from(FLOWS) / 20, "{count} allocations for {FLOWS} commands");
        }
        Ok(())
    });
}

#[test]
fn a_dump_allocates_nothing_for_a_flow() {
    in_sandbox(|| {
        let ct = Conntrack::open()?;
        ct.batch((0..FLOWS).map(flow).map(Command::Create)).run()?.into_result()?;
        assert_eq!(count_from_the_second_on::<Flow>(&ct)?, 0);
        assert_eq!(count_from_the_second_on::<Marked>(&ct)?, 0);
        Ok(())
    });
}
