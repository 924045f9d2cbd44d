//! Every struct that is the attributes of a message, and what holds for it over whatever bytes.

use std::fmt::Debug;

use conntrack::codec::{Decode, Encode, Mode, Schema, decode, decode_with, encode};

use crate::paths;

/// A struct, without its type.
#[derive(Clone, Copy)]
pub struct Type {
    /// Its declaration.
    pub schema: &'static Schema,
    check: fn(&[u8]),
    same: fn(&[u8], &[u8]) -> bool,
}

impl Debug for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.schema.name)
    }
}

impl Type {
    /// What holds over whatever bytes: see [`check`].
    pub fn check(&self, attributes: &[u8]) {
        (self.check)(attributes);
    }

    /// Whether both decode to the same value, or both are refused.
    #[must_use]
    pub fn is_same(&self, left: &[u8], right: &[u8]) -> bool {
        (self.same)(left, right)
    }
}

/// Hands every struct that is the attributes of a message to another macro: `name: Type;`, the name one for a test. A
/// test compares this list with the table of messages.
#[macro_export]
macro_rules! every_message {
    ($macro:ident) => {
        $macro! {
            flow: conntrack::Flow;
            new_flow: conntrack::NewFlow;
            flow_update: conntrack::FlowUpdate;
            flow_key: conntrack::FlowKey;
            flow_filter: conntrack::FlowFilter;
            changes: conntrack::Changes;
            expect: conntrack::Expect;
            new_expect: conntrack::NewExpect;
            expect_update: conntrack::ExpectUpdate;
            expect_key: conntrack::ExpectKey;
            expect_master: conntrack::ExpectMaster;
            expect_helper: conntrack::ExpectHelper;
            global_stats: conntrack::GlobalStats;
            cpu_stats: conntrack::CpuStats;
            expect_stats: conntrack::ExpectStats;
            timeout_policy: conntrack::TimeoutPolicy;
            policy_key: conntrack::PolicyKey;
            default_timeouts: conntrack::DefaultTimeouts;
            default_timeouts_key: conntrack::DefaultTimeoutsKey;
            user_helper: conntrack::UserHelper;
            user_helper_key: conntrack::UserHelperKey;
            no_attributes: conntrack::NoAttributes;
            ext_ack: conntrack::ExtAck;
        }
    };
}

macro_rules! types {
    ($($name:ident: $type:ty;)*) => {
        &[$(Type {
            schema: <$type as Decode>::SCHEMA,
            check: check::<$type>,
            same: |left, right| decode::<$type>(left).ok() == decode(right).ok(),
        }),*]
    };
}

/// All of them.
pub const TYPES: &[Type] = every_message!(types);

/// The struct that `schema` declares.
#[must_use]
pub fn of(schema: &Schema) -> Option<&'static Type> {
    TYPES.iter().find(|known| known.schema.name == schema.name)
}

/// The decoder's two paths agree, the strict mode accepts nothing else than the lenient one, and what was decoded is
/// encoded to something that says the same, of which nothing is undeclared.
///
/// # Panics
/// One of these does not hold.
pub fn check<T: Decode + Encode + PartialEq + Debug>(attributes: &[u8]) {
    paths::check::<T>(attributes);
    let Ok(value) = decode::<T>(attributes) else { return };
    let bytes = encode(&value).unwrap_or_else(|error| panic!("{error}, encoding {value:?}, which was decoded"));
    for mode in [Mode::Lenient, Mode::Strict] {
        let again = decode_with::<T>(&bytes, mode);
        assert_eq!(again.as_ref(), Ok(&value), "decoded again, {mode:?}, over {bytes:02x?}, from {attributes:02x?}");
    }
    assert_eq!(encode(&value).as_ref(), Ok(&bytes), "encoded again");
}
