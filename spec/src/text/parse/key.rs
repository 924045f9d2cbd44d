//! What names a flow.

use std::str::FromStr;

use super::tuple::{TupleWords, U16};
use super::{TextError, Words};
use crate::{FlowId, FlowKey, KeyTuple, Tuple};

impl FromStr for FlowKey {
    type Err = TextError;

    /// Reads what is printed: a [tuple](Tuple), of the reply direction after the word `reply`; then the zone and the id,
    /// if there are any.
    ///
    /// ```
    /// use conntrack_spec::{FlowKey, Tuple};
    ///
    /// let key: FlowKey = "udp src=10.0.0.1 dst=10.0.0.2 sport=5353 dport=53 zone=7".parse()?;
    /// assert_eq!(key, FlowKey::new(Tuple::udp("10.0.0.1:5353".parse()?, "10.0.0.2:53".parse()?)).in_zone(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, TextError> {
        let mut words = Words::new(text);
        let after_reply = {
            let mut words = words.clone();
            words.next().is_some_and(|word| word.name.is_empty() && word.value == "reply").then_some(words)
        };
        let is_reply = after_reply.is_some();
        if let Some(rest) = after_reply {
            words = rest;
        }
        let mut tuple = TupleWords::start(&mut words)?;
        let (mut own_zone, mut zone, mut id) = (None, None, None);
        for word in words.by_ref() {
            match word.name {
                "zone" => word.set(&mut zone, word.parse(U16)?)?,
                "zone-orig" if !is_reply => word.set(&mut own_zone, word.parse(U16)?)?,
                "zone-reply" if is_reply => word.set(&mut own_zone, word.parse(U16)?)?,
                "id" if !tuple.wants_id() => {
                    word.set(&mut id, FlowId(word.parse::<u32>("a number of 32 bits")?.to_be_bytes()))?;
                }
                _ => tuple.take(word)?,
            }
        }
        let tuple = Tuple { zone: own_zone, ..tuple.finish(&words)? };
        Ok(Self { tuple: if is_reply { KeyTuple::Reply(tuple) } else { KeyTuple::Orig(tuple) }, zone, id })
    }
}
