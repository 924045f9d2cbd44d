//! Changes for `serde`: what they are about, and a field `change` that says what it is.

use conntrack_spec::Flow;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::{Change, Removal};

/// A change, its flows owned or borrowed.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
enum Shape<F> {
    Inserted { flow: F },
    Changed { before: F, after: F },
    Removed { flow: F, how: Removal },
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape: Shape<&Flow> = match self {
            Self::Inserted(flow) => Shape::Inserted { flow },
            Self::Changed { before, after } => Shape::Changed { before, after },
            Self::Removed { flow, how } => Shape::Removed { flow, how: *how },
        };
        shape.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Shape::<Box<Flow>>::deserialize(deserializer)? {
            Shape::Inserted { flow } => Self::Inserted(flow),
            Shape::Changed { before, after } => Self::Changed { before, after },
            Shape::Removed { flow, how } => Self::Removed { flow, how },
        })
    }
}
