//! The messages: their numbers, and which attributes they have.

use std::marker::PhantomData;

use crate::codec::{Choice, Decode, Entry, Name, Schema};
use crate::netlink::{DELETE_FLAGS, GET_FLAGS, NEW_FLAGS, NLM_F_DUMP};
use crate::uapi::{
    IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_GET_CTRZERO, IPCTNL_MSG_CT_GET_DYING,
    IPCTNL_MSG_CT_GET_STATS, IPCTNL_MSG_CT_GET_STATS_CPU, IPCTNL_MSG_CT_GET_UNCONFIRMED, IPCTNL_MSG_CT_NEW,
    IPCTNL_MSG_EXP_DELETE, IPCTNL_MSG_EXP_GET, IPCTNL_MSG_EXP_GET_STATS_CPU, IPCTNL_MSG_EXP_NEW,
    IPCTNL_MSG_TIMEOUT_DEFAULT_GET, IPCTNL_MSG_TIMEOUT_DEFAULT_SET, IPCTNL_MSG_TIMEOUT_DELETE, IPCTNL_MSG_TIMEOUT_GET,
    IPCTNL_MSG_TIMEOUT_NEW, NFNL_MSG_CTHELPER_DEL, NFNL_MSG_CTHELPER_GET, NFNL_MSG_CTHELPER_NEW, NFNL_SUBSYS_CTHELPER,
    NFNL_SUBSYS_CTNETLINK, NFNL_SUBSYS_CTNETLINK_EXP, NFNL_SUBSYS_CTNETLINK_TIMEOUT,
};
use crate::{
    CpuStats, DefaultTimeouts, DefaultTimeoutsKey, Expect, ExpectHelper, ExpectKey, ExpectMaster, ExpectStats,
    ExpectUpdate, Flow, FlowFilter, FlowKey, FlowUpdate, GlobalStats, Mismatch, NewExpect, NewFlow, NoAttributes,
    PolicyKey, TimeoutPolicy, UserHelper, UserHelperKey,
};

/// A message of a netfilter subsystem, by its number.
///
/// The kernel does not answer every request under its own number: [`answer`](Self::answer) tells under which, and
/// [`received`](Self::received) what a message from the kernel with this number has, whatever it answers.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// The kernel's name, such as `IPCTNL_MSG_CT_NEW`.
    pub kernel: &'static str,
    /// `NFNL_SUBSYS_*`: the high byte of `nlmsg_type`.
    pub subsystem: u8,
    /// The low byte of `nlmsg_type`.
    pub number: u8,
    /// What it asks for.
    pub verb: Verb,
    /// The attributes of the request in either of its two forms, with `NLM_F_DUMP` and without; `None` if it has none.
    pub request: Option<&'static Schema>,
    /// The attributes of a request without `NLM_F_DUMP`; `None` if the kernel answers to a dump only.
    pub single: Option<&'static Schema>,
    /// The attributes of a request with `NLM_F_DUMP`; `None` if the kernel has no such dump.
    pub dump: Option<&'static Schema>,
    /// The attributes of what the kernel sends under this number, answers and events; `None` if it sends nothing.
    pub received: Option<&'static Schema>,
    /// The `nlmsg_type` of the answers; `None` if the answer is an acknowledgement only.
    pub answer: Option<u16>,
}

/// What a message asks for, which decides what the flags from `0x100` on mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// To create or change something; from the kernel: what there is.
    New,
    /// To tell.
    Get,
    /// To delete; from the kernel: what is gone.
    Delete,
}

impl Verb {
    /// The names of the flags.
    #[must_use]
    pub const fn flags(self) -> &'static [Name] {
        match self {
            Self::New => NEW_FLAGS,
            Self::Get => GET_FLAGS,
            Self::Delete => DELETE_FLAGS,
        }
    }
}

impl Message {
    /// Its `nlmsg_type`.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        kind(self.subsystem, self.number)
    }

    /// The message with this `nlmsg_type`.
    #[must_use]
    pub const fn of(kind: u16) -> Option<&'static Self> {
        match index(kind) {
            Some(index) => Some(&MESSAGES[index]),
            None => None,
        }
    }

    /// The attributes of a request with these flags (`NLM_F_*`).
    #[must_use]
    pub fn request_with(&self, flags: u16) -> Option<&'static Schema> {
        let is_dump = self.verb == Verb::Get && flags & NLM_F_DUMP != 0;
        if is_dump { self.dump.or(self.single) } else { self.single.or(self.dump) }
    }

    /// The attributes of the answers; `None` if the answer is an acknowledgement only.
    #[must_use]
    pub fn reply(&self) -> Option<&'static Schema> {
        Self::of(self.answer?)?.received
    }
}

/// The `nlmsg_type` of a subsystem's message.
#[must_use]
pub const fn kind(subsystem: u8, number: u8) -> u16 {
    u16::from_be_bytes([subsystem, number])
}

/// A request whose flags, or whose attributes themselves, decide which of several declarations it is.
macro_rules! one_of {
    ($name:literal: $($type:ty),*) => {
        Some(&Schema {
            name: $name,
            doc: "",
            entries: &[$(Entry::Flatten {
                field: stringify!($type),
                schema: <$type as Decode>::SCHEMA,
                required: false,
            }),*],
            choice: Some(Choice::LastInRun),
            keeps_undeclared: false,
        })
    };
}

/// One line of [`MESSAGES`].
macro_rules! message {
    ($subsystem:ident, $number:ident, $verb:ident, $request:expr => $single:expr, $dump:expr; $received:expr, $answer:expr) => {
        Message {
            kernel: stringify!($number),
            subsystem: $subsystem,
            number: $number,
            verb: Verb::$verb,
            request: $request,
            single: $single,
            dump: $dump,
            received: $received,
            answer: $answer,
        }
    };
}

const FLOW_KEY: Option<&Schema> = Some(FlowKey::SCHEMA);
const FLOW_FILTER: Option<&Schema> = Some(FlowFilter::SCHEMA);
/// One flow, or all that a filter selects. Of a deletion, the kernel tells the two apart by their attributes.
const ONE_OR_MANY: Option<&Schema> = one_of!("FlowKey or FlowFilter": FlowKey, FlowFilter);
/// The update first, whose helper has more attributes than that of a new flow.
const CREATE_OR_CHANGE: Option<&Schema> = one_of!("NewFlow or FlowUpdate": FlowUpdate, NewFlow);
const FLOW: Option<&Schema> = Some(Flow::SCHEMA);
const FLOWS: Option<u16> = Some(kind(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW));
const STATS_CPU: Option<u16> = Some(kind(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS_CPU));
const STATS: Option<u16> = Some(kind(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS));

const EXPECT: Option<&Schema> = Some(Expect::SCHEMA);
const EXPECT_NEW: Option<&Schema> = one_of!("NewExpect or ExpectUpdate": NewExpect, ExpectUpdate);
const EXPECT_KEY: Option<&Schema> = Some(ExpectKey::SCHEMA);
const EXPECT_MASTER: Option<&Schema> = Some(ExpectMaster::SCHEMA);
const EXPECT_GET: Option<&Schema> = one_of!("ExpectKey or ExpectMaster": ExpectKey, ExpectMaster);
const EXPECT_DELETE: Option<&Schema> = one_of!("ExpectKey or ExpectHelper": ExpectKey, ExpectHelper);
const EXPECTS: Option<u16> = Some(kind(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_NEW));
/// The kernel answers with the wrong subsystem.
const EXPECT_STATS: Option<u16> = Some(kind(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_EXP_GET_STATS_CPU));

const POLICY: Option<&Schema> = Some(TimeoutPolicy::SCHEMA);
const POLICY_KEY: Option<&Schema> = Some(PolicyKey::SCHEMA);
const POLICIES: Option<u16> = Some(kind(NFNL_SUBSYS_CTNETLINK_TIMEOUT, IPCTNL_MSG_TIMEOUT_NEW));
const DEFAULTS: Option<&Schema> = Some(DefaultTimeouts::SCHEMA);
const DEFAULTS_KEY: Option<&Schema> = Some(DefaultTimeoutsKey::SCHEMA);
/// The kernel answers with the number of the message that sets them.
const DEFAULTS_ANSWER: Option<u16> = Some(kind(NFNL_SUBSYS_CTNETLINK_TIMEOUT, IPCTNL_MSG_TIMEOUT_DEFAULT_SET));

const HELPER: Option<&Schema> = Some(UserHelper::SCHEMA);
const HELPER_KEY: Option<&Schema> = Some(UserHelperKey::SCHEMA);
const HELPERS: Option<u16> = Some(kind(NFNL_SUBSYS_CTHELPER, NFNL_MSG_CTHELPER_NEW));

/// A request that says everything in its header.
const NOTHING: Option<&Schema> = Some(NoAttributes::SCHEMA);

/// Every message that is declared.
#[rustfmt::skip]
pub const MESSAGES: &[Message] = &[
    message!(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, New, CREATE_OR_CHANGE => CREATE_OR_CHANGE, None; FLOW, None),
    message!(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, Get, ONE_OR_MANY => FLOW_KEY, FLOW_FILTER; None, FLOWS),
    message!(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, Delete, ONE_OR_MANY => ONE_OR_MANY, None; FLOW, None),
    // Received under this number are the statistics of expectations: see below.
    message!(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_CTRZERO, Get, ONE_OR_MANY => FLOW_KEY, FLOW_FILTER; Some(ExpectStats::SCHEMA), FLOWS),
    message!(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS_CPU, Get, NOTHING => None, NOTHING; Some(CpuStats::SCHEMA), STATS_CPU),
    message!(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS, Get, NOTHING => NOTHING, None; Some(GlobalStats::SCHEMA), STATS),
    message!(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_DYING, Get, NOTHING => None, NOTHING; None, FLOWS),
    message!(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_UNCONFIRMED, Get, NOTHING => None, NOTHING; None, FLOWS),
    message!(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_NEW, New, EXPECT_NEW => EXPECT_NEW, None; EXPECT, None),
    message!(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_GET, Get, EXPECT_GET => EXPECT_KEY, EXPECT_MASTER; None, EXPECTS),
    message!(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_DELETE, Delete, EXPECT_DELETE => EXPECT_DELETE, None; EXPECT, None),
    message!(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_GET_STATS_CPU, Get, NOTHING => None, NOTHING; None, EXPECT_STATS),
    message!(NFNL_SUBSYS_CTNETLINK_TIMEOUT, IPCTNL_MSG_TIMEOUT_NEW, New, POLICY => POLICY, None; POLICY, None),
    message!(NFNL_SUBSYS_CTNETLINK_TIMEOUT, IPCTNL_MSG_TIMEOUT_GET, Get, POLICY_KEY => POLICY_KEY, NOTHING; None, POLICIES),
    message!(NFNL_SUBSYS_CTNETLINK_TIMEOUT, IPCTNL_MSG_TIMEOUT_DELETE, Delete, POLICY_KEY => POLICY_KEY, None; None, None),
    message!(NFNL_SUBSYS_CTNETLINK_TIMEOUT, IPCTNL_MSG_TIMEOUT_DEFAULT_SET, New, DEFAULTS => DEFAULTS, None; DEFAULTS, None),
    message!(NFNL_SUBSYS_CTNETLINK_TIMEOUT, IPCTNL_MSG_TIMEOUT_DEFAULT_GET, Get, DEFAULTS_KEY => DEFAULTS_KEY, None; None, DEFAULTS_ANSWER),
    message!(NFNL_SUBSYS_CTHELPER, NFNL_MSG_CTHELPER_NEW, New, HELPER => HELPER, None; HELPER, None),
    message!(NFNL_SUBSYS_CTHELPER, NFNL_MSG_CTHELPER_GET, Get, HELPER_KEY => HELPER_KEY, NOTHING; None, HELPERS),
    message!(NFNL_SUBSYS_CTHELPER, NFNL_MSG_CTHELPER_DEL, Delete, HELPER_KEY => HELPER_KEY, None; None, None),
];

/// The place of a message in [`MESSAGES`].
#[inline]
const fn index(kind: u16) -> Option<usize> {
    const FLOW: Run = Run::of(NFNL_SUBSYS_CTNETLINK);
    const EXPECT: Run = Run::of(NFNL_SUBSYS_CTNETLINK_EXP);
    const TIMEOUT: Run = Run::of(NFNL_SUBSYS_CTNETLINK_TIMEOUT);
    const HELPER: Run = Run::of(NFNL_SUBSYS_CTHELPER);
    const { assert!(FLOW.length + EXPECT.length + TIMEOUT.length + HELPER.length == MESSAGES.len()) };
    let [subsystem, number] = kind.to_be_bytes();
    let run = match subsystem {
        NFNL_SUBSYS_CTNETLINK => FLOW,
        NFNL_SUBSYS_CTNETLINK_EXP => EXPECT,
        NFNL_SUBSYS_CTNETLINK_TIMEOUT => TIMEOUT,
        NFNL_SUBSYS_CTHELPER => HELPER,
        _ => return None,
    };
    let number = number as usize;
    if number < run.length { Some(run.first + number) } else { None }
}

/// The messages of one subsystem: neighbours in [`MESSAGES`], in the order of their numbers.
struct Run {
    first: usize,
    length: usize,
}

impl Run {
    const fn of(subsystem: u8) -> Self {
        let mut first = 0;
        while MESSAGES[first].subsystem != subsystem {
            first += 1;
        }
        let mut length = 0;
        while first + length < MESSAGES.len() && MESSAGES[first + length].subsystem == subsystem {
            assert!(MESSAGES[first + length].number as usize == length, "a number is left out");
            length += 1;
        }
        Self { first, length }
    }
}

/// Tells which messages a struct is a projection of. The compiler compares them, so a lookup costs a few instructions.
/// Every struct fits a message that is not in [`MESSAGES`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Fits<T>(PhantomData<fn() -> T>);

impl<T: Decode> Fits<T> {
    /// A bit for each of [`MESSAGES`].
    const REQUESTS: u64 = bits(T::SCHEMA, true);
    const RECEIVED: u64 = bits(T::SCHEMA, false);

    /// Whether a request of this type can have the attributes of a `T`.
    #[inline]
    #[must_use]
    pub const fn request(kind: u16) -> bool {
        is_set(Self::REQUESTS, kind)
    }

    /// Whether a message of this type from the kernel can be decoded into a `T`.
    #[inline]
    #[must_use]
    pub const fn received(kind: u16) -> bool {
        is_set(Self::RECEIVED, kind)
    }
}

#[inline]
const fn is_set(bits: u64, kind: u16) -> bool {
    match index(kind) {
        Some(index) => bits >> index & 1 != 0,
        None => true,
    }
}

const fn bits(schema: &'static Schema, requests: bool) -> u64 {
    let (mut bits, mut at) = (0, 0);
    while at < MESSAGES.len() {
        let declared = if requests { MESSAGES[at].request } else { MESSAGES[at].received };
        bits |= (mismatch(schema, declared).is_none() as u64) << at;
        at += 1;
    }
    bits
}

const fn mismatch(schema: &'static Schema, declared: Option<&'static Schema>) -> Option<Mismatch> {
    match declared {
        Some(declared) => schema.mismatch(declared),
        None => None,
    }
}

/// Compares `schema` with the attributes of a request, if it is declared here.
///
/// # Errors
/// The first field that [differs](Schema::mismatch).
pub fn check_request(kind: u16, schema: &'static Schema) -> Result<(), Box<Mismatch>> {
    mismatch(schema, Message::of(kind).and_then(|message| message.request))
        .map_or(Ok(()), |mismatch| Err(Box::new(mismatch)))
}

/// Compares `schema` with the attributes of a message from the kernel, if it is declared here.
///
/// # Errors
/// The first field that [differs](Schema::mismatch).
pub fn check_received(kind: u16, schema: &'static Schema) -> Result<(), Box<Mismatch>> {
    mismatch(schema, Message::of(kind).and_then(|message| message.received))
        .map_or(Ok(()), |mismatch| Err(Box::new(mismatch)))
}
