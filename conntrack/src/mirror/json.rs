//! Changes for `serde`: what they are about, and a field `change` that says what it is.

use conntrack_spec::{Expect, Flow};
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::{Change, Removal};
use crate::events::Origin;

/// A change, its parts owned or borrowed.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
enum Shape<F, E> {
    Inserted {
        flow: F,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    },
    Changed {
        before: F,
        after: F,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    },
    Removed {
        flow: F,
        how: Removal,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    },
    Ended {
        flow: F,
        origin: Origin,
    },
    ExpectationInserted {
        expectation: E,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    },
    ExpectationRemoved {
        expectation: E,
        how: Removal,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    },
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape: Shape<&Flow, &Expect> = match self {
            Self::Inserted { flow, origin } => Shape::Inserted { flow, origin: *origin },
            Self::Changed { before, after, origin } => Shape::Changed { before, after, origin: *origin },
            Self::Removed { flow, how, origin } => Shape::Removed { flow, how: *how, origin: *origin },
            Self::Ended { flow, origin } => Shape::Ended { flow, origin: *origin },
            Self::ExpectationInserted { expectation, origin } => {
                Shape::ExpectationInserted { expectation, origin: *origin }
            }
            Self::ExpectationRemoved { expectation, how, origin } => {
                Shape::ExpectationRemoved { expectation, how: *how, origin: *origin }
            }
        };
        shape.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Shape::<Box<Flow>, Box<Expect>>::deserialize(deserializer)? {
            Shape::Inserted { flow, origin } => Self::Inserted { flow, origin },
            Shape::Changed { before, after, origin } => Self::Changed { before, after, origin },
            Shape::Removed { flow, how, origin } => Self::Removed { flow, how, origin },
            Shape::Ended { flow, origin } => Self::Ended { flow, origin },
            Shape::ExpectationInserted { expectation, origin } => Self::ExpectationInserted { expectation, origin },
            Shape::ExpectationRemoved { expectation, how, origin } => {
                Self::ExpectationRemoved { expectation, how, origin }
            }
        })
    }
}
