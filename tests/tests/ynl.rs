//! The exported YNL specifications say what the declarations say: they are written as YAML, parsed again, and compared.

use std::collections::BTreeSet;

use conntrack::codec::{ByteOrder, Schema, SchemaAttribute, Wire};
use conntrack::message::{MESSAGES, Message};
use conntrack::ynl::Specification;
use serde_json::Value;

/// A specification that went through YAML.
struct Parsed(Value);

impl Parsed {
    fn all() -> Vec<(u8, Self)> {
        let parse = |specification: Specification<'_>| {
            let text = serde_norway::to_string(&specification).unwrap();
            (specification.messages[0].subsystem, Self(serde_norway::from_str(&text).unwrap()))
        };
        Specification::all().map(parse).collect()
    }

    /// The element of a list with this name.
    fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
        let found: Vec<_> = list.as_array().unwrap().iter().filter(|element| element["name"] == name).collect();
        assert_eq!(found.len(), 1, "{name} is there {} times", found.len());
        found[0]
    }

    fn set(&self, name: &Value) -> &Value {
        Self::named(&self.0["attribute-sets"], name.as_str().unwrap())
    }

    /// The attribute with the kernel's name.
    fn attribute<'a>(set: &'a Value, kernel: &str) -> &'a Value {
        let name = |attribute: &Value| c_name(&set["name-prefix"], &attribute["name"]);
        let found: Vec<_> =
            set["attributes"].as_array().unwrap().iter().filter(|attribute| name(attribute) == kernel).collect();
        assert_eq!(found.len(), 1, "{kernel} is in {} {} times", set["name"], found.len());
        found[0]
    }

    /// Compares a declaration and what it nests with a set. How many attributes that were.
    fn compare(&self, schema: &'static Schema, set: &Value) -> usize {
        let mut compared = 0;
        for declared in schema.attributes() {
            let attribute = Self::attribute(set, declared.kernel);
            assert_eq!(attribute["value"], declared.number, "{}", declared.kernel);
            assert_eq!(attribute["multi-attr"].as_bool().unwrap_or(false), declared.repeated, "{}", declared.kernel);
            for (at, number) in (declared.number..=declared.last.unwrap_or(declared.number)).enumerate() {
                let list = set["attributes"].as_array().unwrap();
                assert!(list.iter().any(|other| other["value"] == number), "element {at} of {}", declared.kernel);
            }
            compared += 1 + self.compare_payload(declared, attribute, set);
        }
        compared
    }

    fn compare_payload(&self, declared: &SchemaAttribute, attribute: &Value, set: &Value) -> usize {
        let kind = attribute["type"].as_str().unwrap();
        match declared.wire {
            Wire::Nest(nested) => {
                assert_eq!(kind, "nest", "{}", declared.kernel);
                if nested.attributes().next().is_none() {
                    return 0;
                }
                return self.compare(nested, self.set(&attribute["nested-attributes"]));
            }
            Wire::Selected { by, among } => {
                assert_eq!(kind, "sub-message");
                let selector = Self::named(&set["attributes"], attribute["selector"].as_str().unwrap());
                assert_eq!(selector["value"], by);
                let message = Self::named(&self.0["sub-messages"], attribute["sub-message"].as_str().unwrap());
                let formats = message["formats"].as_array().unwrap();
                assert_eq!(formats.len(), among.len());
                let names = Self::named(&self.0["definitions"], selector["enum"].as_str().unwrap());
                return among
                    .iter()
                    .map(|(value, nested)| {
                        let entries = names["entries"].as_array().unwrap();
                        let entry = entries.iter().find(|entry| entry["value"] == *value);
                        let word = entry.map_or(Value::from(value.to_string()), |entry| entry["name"].clone());
                        let format = formats.iter().find(|format| format["value"] == word).unwrap();
                        self.compare(nested, self.set(&format["attribute-set"]))
                    })
                    .sum();
            }
            _ => {}
        }
        let (expected, big) = scalar(&declared.wire);
        assert_eq!(kind, expected, "{}", declared.kernel);
        let order = attribute["byte-order"].as_str();
        assert_eq!(order, big.then_some("big-endian"), "{}", declared.kernel);
        if let Wire::Named { names, bits, prefix, .. } = declared.wire
            && !names.is_empty()
        {
            let definition = Self::named(&self.0["definitions"], attribute["enum"].as_str().unwrap());
            assert_eq!(definition["type"], if bits { "flags" } else { "enum" });
            assert_eq!(attribute["enum-as-flags"].as_bool().unwrap_or(false), bits);
            let entries = definition["entries"].as_array().unwrap();
            let read: BTreeSet<(String, u64)> = entries
                .iter()
                .map(|entry| {
                    let value = entry["value"].as_u64().unwrap();
                    let value = if bits { 1 << value } else { value };
                    (entry["name"].as_str().unwrap().to_uppercase().replace('-', "_"), value)
                })
                .collect();
            let single = names.iter().filter(|name| !bits || name.value.is_power_of_two());
            let word = |kernel: &str| kernel.strip_prefix(prefix).unwrap_or(kernel).to_uppercase();
            let declared: BTreeSet<_> = single.map(|name| (word(name.kernel), name.value)).collect();
            assert_eq!(read, declared);
        }
        0
    }

    fn compare_message(&self, message: &'static Message) -> usize {
        let operations = &self.0["operations"];
        let list = operations["list"].as_array().unwrap();
        let found: Vec<_> =
            list.iter().filter(|it| c_name(&operations["name-prefix"], &it["name"]) == message.kernel).collect();
        assert_eq!(found.len(), 1, "{}", message.kernel);
        let operation = found[0];
        let mut compared = 0;
        for (form, request) in [("do", message.single), ("dump", message.dump)] {
            let exchange = &operation[form];
            let Some(request) = request else {
                assert!(exchange.is_null(), "{} has no {form}", message.kernel);
                continue;
            };
            assert_eq!(exchange["request"]["value"], message.kind());
            if request.attributes().next().is_some() {
                compared += self.compare(request, self.set(&operation["attribute-set"]));
            }
            match (message.answer, message.reply()) {
                (Some(kind), Some(reply)) => {
                    assert_eq!(exchange["reply"]["value"], kind);
                    compared += self.compare(reply, self.set(&operation["attribute-set"]));
                }
                _ => assert!(exchange["reply"].is_null()),
            }
        }
        compared
    }
}

/// The C name of something with a prefix.
fn c_name(prefix: &Value, name: &Value) -> String {
    format!("{}{}", prefix.as_str().unwrap(), name.as_str().unwrap()).to_uppercase().replace('-', "_")
}

/// The type of a payload, and whether it has an order that is spelled.
fn scalar(wire: &Wire) -> (String, bool) {
    let big = |size: usize, order: ByteOrder| size > 1 && order == ByteOrder::Big;
    match *wire {
        Wire::Unsigned { size, order } => (format!("u{}", 8 * size), big(size, order)),
        Wire::Signed { size, order } => (format!("s{}", 8 * size), big(size, order)),
        Wire::Named { of, .. } => scalar(of),
        Wire::Ipv4 => ("u32".to_owned(), true),
        Wire::Text { .. } => ("string".to_owned(), false),
        Wire::Padding => ("pad".to_owned(), false),
        _ => ("binary".to_owned(), false),
    }
}

#[test]
fn what_is_exported_is_what_is_declared() {
    let parsed = Parsed::all();
    let mut compared = 0;
    for message in MESSAGES {
        let (_, specification) = parsed.iter().find(|(subsystem, _)| *subsystem == message.subsystem).unwrap();
        compared += specification.compare_message(message);
    }
    println!("{compared} attributes compared");
    assert!(compared > 500, "{compared}");
}

#[test]
fn every_reference_is_defined_and_every_number_is_there_once() {
    for (_, Parsed(specification)) in Parsed::all() {
        let list = |key: &str| specification[key].as_array().cloned().unwrap_or_default();
        let names = |key: &str| -> BTreeSet<String> {
            let names: Vec<_> = list(key).iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect();
            let distinct: BTreeSet<_> = names.iter().cloned().collect();
            assert_eq!(names.len(), distinct.len(), "{key}: {names:?}");
            distinct
        };
        let (sets, definitions) = (names("attribute-sets"), names("definitions"));
        for set in list("attribute-sets") {
            let mut numbers = BTreeSet::new();
            for attribute in set["attributes"].as_array().unwrap() {
                assert!(
                    numbers.insert(attribute["value"].as_u64()),
                    "{} has {} twice",
                    set["name"],
                    attribute["value"]
                );
                let defined = |key: &str, among: &BTreeSet<String>| {
                    attribute[key].as_str().is_none_or(|name| among.contains(name))
                };
                assert!(defined("nested-attributes", &sets) && defined("enum", &definitions), "{attribute}");
            }
        }
    }
}

/// What the kernel's own file has wrong, `conntrack.yaml` of Linux 6.18.
#[test]
fn what_the_kernels_file_has_wrong_is_right_here() {
    let (_, conntrack) = Parsed::all().into_iter().next().unwrap();
    let sets = conntrack.0["attribute-sets"].as_array().unwrap();
    let attribute = |kernel: &str| {
        let has = |set: &&Value| {
            let attributes = set["attributes"].as_array().unwrap();
            attributes.iter().any(|attribute| c_name(&set["name-prefix"], &attribute["name"]) == kernel)
        };
        Parsed::attribute(sets.iter().find(has).unwrap(), kernel)
    };
    assert_eq!(attribute("CTA_TIMESTAMP")["type"], "nest");
    let numbers =
        ["CTA_NAT_PROTO", "CTA_NAT_V6_MINIP", "CTA_NAT_V6_MAXIP"].map(|name| attribute(name)["value"].as_u64());
    assert_eq!(numbers, [Some(3), Some(4), Some(5)]);
    let filter = conntrack.set(&attribute("CTA_FILTER")["nested-attributes"]);
    for flags in filter["attributes"].as_array().unwrap() {
        assert_eq!((&flags["type"], flags["byte-order"].is_null()), (&Value::from("u32"), true));
    }
    assert_eq!(attribute("CTA_ID")["type"], "binary");
}
