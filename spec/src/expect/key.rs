//! `enum ctattr_expect`, as a request names expectations.

use conntrack_derive::{Decode, Encode};

use crate::{Expect, ExpectId, Flow, FlowKey, HelperName, Tuple, zone_among};

/// Names one expectation: what get and delete need. There is no key without a tuple: a delete without one would be a
/// flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ExpectKey {
    /// The expectation's tuple, or that of any packet that it expects.
    #[nla(CTA_EXPECT_TUPLE)]
    pub tuple: Tuple,
    /// The master's zone, if it is not 0. The kernel does not report it.
    #[nla(CTA_EXPECT_ZONE)]
    pub zone: Option<u16>,
    /// The expectation's id: a later expectation of the tuple is not meant, unless it has [the same id](ExpectId).
    #[nla(CTA_EXPECT_ID)]
    pub id: Option<ExpectId>,
}

/// Names all expectations of one flow.
///
/// Only a dump takes it: in a get the kernel would look for an expectation whose own tuple this is, and a delete would
/// flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ExpectMaster {
    /// Either of the flow's tuples.
    #[nla(CTA_EXPECT_MASTER)]
    pub tuple: Tuple,
    /// The flow's zone, if it is not 0.
    #[nla(CTA_EXPECT_ZONE)]
    pub zone: Option<u16>,
}

/// Names all expectations of the flows that have one helper.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ExpectHelper {
    /// The helper.
    #[nla(CTA_EXPECT_HELP_NAME)]
    pub name: HelperName,
}

impl ExpectKey {
    /// The expectation of `tuple`, in the default zone.
    #[must_use]
    pub fn new(tuple: Tuple) -> Self {
        Self { tuple, zone: None, id: None }
    }

    /// The same in `zone`.
    #[must_use]
    pub fn in_zone(mut self, zone: u16) -> Self {
        self.zone = Some(zone);
        self
    }

    /// The same, if it is expectation `id`.
    #[must_use]
    pub fn with_id(mut self, id: ExpectId) -> Self {
        self.id = Some(id);
        self
    }
}

impl From<Tuple> for ExpectKey {
    fn from(tuple: Tuple) -> Self {
        Self::new(tuple)
    }
}

impl Expect {
    /// Names exactly this expectation, by its id, if it is in the default zone. Else add the master's
    /// [zone](ExpectKey::in_zone), which the kernel does not report.
    #[must_use]
    pub fn key(&self) -> ExpectKey {
        ExpectKey::new(self.tuple).with_id(self.id)
    }
}

impl From<Tuple> for ExpectMaster {
    /// In the default zone.
    fn from(tuple: Tuple) -> Self {
        Self { tuple, zone: None }
    }
}

impl From<&FlowKey> for ExpectMaster {
    /// Names the flow at the key's tuple. The kernel takes no id here, so the key's is not compared.
    ///
    /// The kernel takes no zone in the tuple, so it is put beside it. There it applies to both directions: the flow is found
    /// by the direction that is in the zone. A key by the other direction, with the zone of the one that it is not of, finds
    /// no flow or another one. [`Flow::key`] never makes such a key.
    fn from(key: &FlowKey) -> Self {
        let tuple = *key.tuple.tuple();
        let zone = Some(zone_among([key.zone, tuple.zone])).filter(|zone| *zone != 0);
        Self { tuple: Tuple { zone: None, ..tuple }, zone }
    }
}

impl From<&Flow> for ExpectMaster {
    fn from(flow: &Flow) -> Self {
        Self::from(&flow.key())
    }
}
