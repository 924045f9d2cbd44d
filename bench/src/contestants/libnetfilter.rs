//! `libnetfilter_conntrack`, whose callback gets each flow decoded.

#![allow(unsafe_code, reason = "a library in C")]

use std::ffi::{c_int, c_uint, c_void};
use std::hint::black_box;
use std::io;
use std::net::IpAddr;
use std::ptr::{self, NonNull};

use super::Contestant;
use crate::Outcome;
use crate::sums::{Direction, Sums};

pub(super) const CALLBACK: Contestant =
    Contestant { id: "libnetfilter_conntrack", name: "libnetfilter_conntrack (C), callback", run, check };

/// `NFNL_SUBSYS_CTNETLINK`
const CTNETLINK: u8 = 1;
/// `NFCT_Q_DUMP`
const DUMP: c_int = 5;
/// `NFCT_T_ALL`
const ALL_TYPES: c_int = 7;
/// `NFCT_CB_CONTINUE`
const CONTINUE: c_int = 1;

/// `struct nfct_handle`
#[repr(C)]
struct Handle([u8; 0]);
/// `struct nf_conntrack`
#[repr(C)]
struct Flow([u8; 0]);

type Callback = unsafe extern "C" fn(kind: c_int, flow: *const Flow, data: *mut c_void) -> c_int;

// Linked by the build script.
unsafe extern "C" {
    fn nfct_open(subsystem: u8, groups: c_uint) -> *mut Handle;
    fn nfct_close(handle: *mut Handle) -> c_int;
    fn nfct_callback_register(handle: *mut Handle, types: c_int, callback: Callback, data: *mut c_void) -> c_int;
    fn nfct_query(handle: *mut Handle, query: c_int, data: *const c_void) -> c_int;
    fn nfct_attr_is_set(flow: *const Flow, attribute: c_int) -> c_int;
    fn nfct_get_attr(flow: *const Flow, attribute: c_int) -> *const c_void;
}

/// A handle that is closed when it is dropped.
struct Open(NonNull<Handle>);

impl Open {
    fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers; the result is ours until it is closed.
        let handle = unsafe { nfct_open(CTNETLINK, 0) };
        NonNull::new(handle).map(Self).ok_or_else(io::Error::last_os_error)
    }

    /// Calls `callback` with each flow and `data`.
    fn dump<T>(&self, callback: Callback, data: &mut T) -> io::Result<()> {
        let family: u32 = 0;
        // SAFETY: the handle is open; `data` is what `callback` takes it for and outlives the query; `family` is the
        // `uint32_t` that a dump wants.
        let result = unsafe {
            nfct_callback_register(self.0.as_ptr(), ALL_TYPES, callback, ptr::from_mut(data).cast());
            nfct_query(self.0.as_ptr(), DUMP, (&raw const family).cast())
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and used no more.
        unsafe { nfct_close(self.0.as_ptr()) };
    }
}

fn run() -> Outcome<u64> {
    unsafe extern "C" fn count(_: c_int, flow: *const Flow, data: *mut c_void) -> c_int {
        black_box(flow);
        // SAFETY: `data` is the counter below, which nobody else uses meanwhile.
        unsafe { *data.cast::<u64>() += 1 };
        CONTINUE
    }
    let mut flows = 0_u64;
    Open::new()?.dump(count, &mut flows)?;
    Ok(flows)
}

fn check() -> Outcome<Sums> {
    unsafe extern "C" fn add(_: c_int, flow: *const Flow, data: *mut c_void) -> c_int {
        // SAFETY: `data` are the sums below, which nobody else uses meanwhile; `flow` is valid during the call.
        let (sums, found) = unsafe { (&mut *data.cast::<Sums>(), Found(&*flow)) };
        found.add_to(sums);
        CONTINUE
    }
    let mut sums = Sums::default();
    Open::new()?.dump(add, &mut sums)?;
    Ok(sums)
}

/// A flow during a callback.
struct Found<'a>(&'a Flow);

impl Found<'_> {
    /// The `N` bytes of attribute `attribute` of `enum nf_conntrack_attr`, which must have that many.
    fn get<const N: usize>(&self, attribute: c_int) -> Option<[u8; N]> {
        let flow = ptr::from_ref(self.0);
        // SAFETY: the flow is valid; an attribute that is set has a value of as many bytes as the callers ask for.
        unsafe {
            if nfct_attr_is_set(flow, attribute) <= 0 {
                return None;
            }
            let value = nfct_get_attr(flow, attribute).cast::<[u8; N]>();
            (!value.is_null()).then(|| value.read_unaligned())
        }
    }

    fn address(&self, v4: c_int, v6: c_int) -> Option<IpAddr> {
        self.get::<4>(v4).map(IpAddr::from).or_else(|| self.get::<16>(v6).map(IpAddr::from))
    }

    /// The attributes of one direction follow those of the other.
    fn direction(&self, reply: c_int) -> Option<Direction> {
        let [protocol] = self.get(17 + reply)?;
        let port = |attribute| self.get(attribute).map(u16::from_be_bytes).filter(|_| matches!(protocol, 6 | 17));
        Some(Direction {
            src: self.address(2 * reply, 4 + 2 * reply)?,
            dst: self.address(1 + 2 * reply, 5 + 2 * reply)?,
            protocol,
            ports: port(8 + 2 * reply).zip(port(9 + 2 * reply)),
        })
    }

    fn add_to(&self, sums: &mut Sums) {
        sums.add_flow();
        if let (Some(orig), Some(reply)) = (self.direction(0), self.direction(1)) {
            sums.add_tuples(orig, reply);
        }
        // ATTR_ICMP_TYPE, ATTR_ICMP_CODE, ATTR_ICMP_ID
        if let (Some([kind]), Some([code]), Some(id)) = (self.get(12), self.get(13), self.get(14)) {
            sums.add_icmp(u16::from_be_bytes(id), kind, code);
        }
        // ATTR_STATUS, ATTR_MARK, ATTR_TCP_STATE
        self.get(32).into_iter().for_each(|status| sums.add_status(u32::from_ne_bytes(status)));
        self.get(25).into_iter().for_each(|mark| sums.add_mark(u32::from_ne_bytes(mark)));
        self.get(19).into_iter().for_each(|[state]| sums.add_state(state));
    }
}
