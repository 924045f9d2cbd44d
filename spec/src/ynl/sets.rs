//! Which declarations share an attribute set.

use crate::codec::{Entry, Schema, SchemaAttribute, Wire};

/// The attributes that one C enum numbers, as far as they are declared.
#[derive(Debug)]
pub(super) struct Set {
    /// The struct that names it.
    pub(super) first: &'static Schema,
    /// Each attribute once, by its number.
    pub(super) attributes: Vec<&'static SchemaAttribute>,
}

/// Every set of a subsystem, in the order in which messages reach them.
#[derive(Debug, Default)]
pub(super) struct Sets {
    sets: Vec<Set>,
}

impl Sets {
    /// Adds the attributes of `schema` and of all that it nests.
    pub(super) fn add(&mut self, schema: &'static Schema) {
        let attributes: Vec<_> = schema.attributes().collect();
        // The first struct with attributes of its own names the set; a choice that was made for a table of messages has no
        // documentation and is named for its first alternative.
        let named = named(schema);
        let shares = |set: &Set| attributes.iter().any(|attribute| set.declares(attribute.kernel));
        let (mut same, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.sets).into_iter().partition(shares);
        self.sets = others;
        let mut set = if same.is_empty() { Set { first: named, attributes: Vec::new() } } else { same.remove(0) };
        for attribute in same.into_iter().flat_map(|set| set.attributes).chain(attributes.iter().copied()) {
            if !set.declares(attribute.kernel) {
                set.attributes.push(attribute);
            }
        }
        set.attributes.sort_by_key(|attribute| attribute.number);
        self.sets.push(set);
        for attribute in attributes {
            match attribute.wire {
                Wire::Nest(nest) => self.add(nest),
                Wire::Selected { among, .. } => among.iter().for_each(|(_, nest)| self.add(nest)),
                _ => {}
            }
        }
    }

    pub(super) fn add_all(&mut self, schemas: impl IntoIterator<Item = &'static Schema>) {
        schemas.into_iter().for_each(|schema| self.add(schema));
    }

    /// The set of a struct that was added.
    pub(super) fn of(&self, schema: &'static Schema) -> Option<&Set> {
        let first = schema.attributes().next()?;
        self.sets.iter().find(|set| set.declares(first.kernel))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Set> {
        self.sets.iter().filter(|set| !set.attributes.is_empty())
    }
}

impl Set {
    fn declares(&self, kernel: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute.kernel == kernel)
    }
}

/// The declaration that a person wrote.
fn named(schema: &'static Schema) -> &'static Schema {
    match schema.entries.first() {
        Some(Entry::Flatten { schema: first, .. }) if schema.doc.is_empty() => named(first),
        _ => schema,
    }
}
