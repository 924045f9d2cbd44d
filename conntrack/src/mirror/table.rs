//! The flows of a mirror, by their places and their ids.

use std::collections::{BTreeSet, HashMap};

use conntrack_spec::{Flow, FlowId, FlowKey, KeyTuple, Tuple, zone_among};

use super::moment::Moment;
use crate::events::Origin;

/// What is unique among the flows of a namespace: a tuple and the zone it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    tuple: Tuple,
    zone: u16,
}

impl Place {
    /// `zone` is that of both directions; the tuple can have one of its own.
    fn new(tuple: &Tuple, zone: Option<u16>) -> Self {
        let zone = zone_among([zone, tuple.zone]);
        Self { tuple: Tuple { zone: None, ..*tuple }, zone }
    }

    pub(super) fn of_orig(flow: &Flow) -> Self {
        Self::new(&flow.orig, flow.zone)
    }

    pub(super) fn of_reply(flow: &Flow) -> Self {
        Self::new(&flow.reply, flow.zone)
    }

    /// What a request calls the flow here.
    pub(super) fn key(&self) -> FlowKey {
        FlowKey { tuple: KeyTuple::Orig(self.tuple), zone: Some(self.zone).filter(|zone| *zone != 0), id: None }
    }
}

impl From<&FlowKey> for Place {
    fn from(key: &FlowKey) -> Self {
        Self::new(key.tuple.tuple(), key.zone)
    }
}

/// A flow of the mirror, and how it is known.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) flow: Flow,
    pub(super) known: Knowledge,
}

/// How a flow is known.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    /// The number of the `NEW` event that brought the flow; 0 if a look did.
    pub(super) born: u64,
    /// The last event that was applied to the flow; 0 if none was.
    pub(super) event: Moment,
    /// The last look at the kernel's table that was applied to the flow.
    pub(super) look: Option<Moment>,
    /// The number of the last look that found the flow.
    pub(super) seen: u64,
    /// Events about the flow that were not applied, because they may be older than the look.
    pub(super) doubt: Option<Box<Doubt>>,
}

impl Knowledge {
    /// Returns whether an event taken at `now` may be older than what is known, or may follow one that was not applied.
    pub(super) fn is_uncertain(&self, now: Moment, capacity: u64) -> bool {
        self.doubt.is_some() || self.look.is_some_and(|look| look.may_be_behind(now, capacity))
    }

    /// Notes a `NEW` or `UPDATE` event that may be older than what is known.
    pub(super) fn doubt_state(&mut self, now: Moment) {
        let doubt = self.doubt.get_or_insert_default();
        (doubt.last, doubt.is_end) = (now.events, false);
    }

    /// Keeps a `DESTROY` event that may be older than what is known, and returns the one that was kept before.
    pub(super) fn doubt_end(&mut self, now: Moment, event: Flow, origin: Origin) -> Option<(Flow, Origin)> {
        let doubt = self.doubt.get_or_insert_default();
        (doubt.last, doubt.is_end) = (now.events, true);
        doubt.end.replace((event, origin))
    }
}

/// Events that may be older than what is known, and so were not applied. A look that is newer than the last of them
/// resolves the doubt.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// The number of the last of these events.
    pub(super) last: u64,
    /// The last `DESTROY` event among them that fits the flow.
    pub(super) end: Option<(Flow, Origin)>,
    /// Whether the last of these events is that `DESTROY` event.
    pub(super) is_end: bool,
}

/// Flows, found by either direction and by id. There is one flow at an original place.
///
/// All of a flow takes about 700 bytes.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_orig: HashMap<Place, u32>,
    /// While a removal is not known yet, several flows can claim a reply place; then the latest one has it.
    by_reply: HashMap<Place, u32>,
    /// The other claimants, the latest last: one of them has the place when the flow that has it is removed.
    displaced: HashMap<Place, Vec<u32>>,
    /// Ids are hashes of 32 bits: of a million flows, about a hundred share theirs with another.
    by_id: BTreeSet<(FlowId, u32)>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.by_orig.len()
    }

    pub(super) fn at(&self, orig: &Place) -> Option<&Entry> {
        self.slot(*self.by_orig.get(orig)?)
    }

    pub(super) fn at_mut(&mut self, orig: &Place) -> Option<&mut Entry> {
        let slot = *self.by_orig.get(orig)?;
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// The flow that has this place in either direction.
    pub(super) fn find(&self, place: &Place) -> Option<&Flow> {
        let by_reply = || self.slot(*self.by_reply.get(place)?);
        self.at(place).or_else(by_reply).map(|entry| &entry.flow)
    }

    pub(super) fn with_id(&self, id: FlowId) -> impl Iterator<Item = &Flow> {
        let slots = self.by_id.range((id, 0)..=(id, u32::MAX));
        slots.filter_map(|(_, slot)| self.slot(*slot)).map(|entry| &entry.flow)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten()
    }

    fn slot(&self, slot: u32) -> Option<&Entry> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Puts a flow in, in the place of what was at its original place.
    pub(super) fn insert(&mut self, entry: Entry) {
        let orig = Place::of_orig(&entry.flow);
        self.remove(&orig);
        let (reply, id) = (Place::of_reply(&entry.flow), entry.flow.id);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len().saturating_sub(1)).unwrap_or(u32::MAX)
        });
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(entry);
            self.by_orig.insert(orig, slot);
            if let Some(other) = self.by_reply.insert(reply, slot) {
                self.displaced.entry(reply).or_default().push(other);
            }
            self.by_id.insert((id, slot));
        }
    }

    /// Takes a reply place from a flow, and gives it to the flow that had it before, if that is still there.
    fn release_reply(&mut self, reply: Place, slot: u32) {
        let mut others = self.displaced.remove(&reply).unwrap_or_default();
        if self.by_reply.get(&reply) != Some(&slot) {
            others.retain(|other| *other != slot);
        } else if let Some(other) = others.pop() {
            self.by_reply.insert(reply, other);
        } else {
            self.by_reply.remove(&reply);
        }
        if !others.is_empty() {
            self.displaced.insert(reply, others);
        }
    }

    pub(super) fn remove(&mut self, orig: &Place) -> Option<Entry> {
        let slot = self.by_orig.remove(orig)?;
        let entry = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        self.by_id.remove(&(entry.flow.id, slot));
        let reply = Place::of_reply(&entry.flow);
        self.release_reply(reply, slot);
        Some(entry)
    }
}
