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

macro_rules! types {
    ($($name:ident),* $(,)?) => {
        &[$(Type {
            schema: <conntrack::$name as Decode>::SCHEMA,
            check: check::<conntrack::$name>,
            same: |left, right| decode::<conntrack::$name>(left).ok() == decode(right).ok(),
        }),*]
    };
}

/// All of them. A test compares this list with the table of messages.
pub const TYPES: &[Type] = types![
    Flow,
    NewFlow,
    FlowUpdate,
    FlowKey,
    FlowFilter,
    Changes,
    Expect,
    NewExpect,
    ExpectUpdate,
    ExpectKey,
    ExpectMaster,
    ExpectHelper,
    GlobalStats,
    CpuStats,
    ExpectStats,
    TimeoutPolicy,
    PolicyKey,
    DefaultTimeouts,
    DefaultTimeoutsKey,
    UserHelper,
    UserHelperKey,
    NoAttributes,
    ExtAck,
];

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
