//! Names for labels.

use std::collections::BTreeMap;

/// Names for labels, which only an administrator can know: conntrack(8) and iptables(8) read them from
/// `/etc/xtables/connlabel.conf`, nft(8) from `connlabel.conf` in its directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelNames(BTreeMap<u8, String>);

impl LabelNames {
    /// No names.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The names in the text of a `connlabel.conf`: a number and a name on each line, which may have blanks inside.
    ///
    /// Of two names for a label the first counts. Other lines, such as comments, and numbers above 127 are skipped.
    #[must_use]
    pub fn from_conf(text: &str) -> Self {
        let mut names = Self::new();
        for line in text.lines() {
            let Some((bit, name)) = line.trim().split_once(char::is_whitespace) else { continue };
            if let Ok(bit @ 0..128) = bit.parse() {
                names.0.entry(bit).or_insert_with(|| name.trim().to_owned());
            }
        }
        names
    }

    /// Names label `bit`, instead of what it was named.
    pub fn insert(&mut self, bit: u8, name: impl Into<String>) {
        self.0.insert(bit, name.into());
    }

    /// The name of label `bit`.
    #[must_use]
    pub fn get(&self, bit: u8) -> Option<&str> {
        self.0.get(&bit).map(String::as_str)
    }
}

impl<S: Into<String>> FromIterator<(u8, S)> for LabelNames {
    fn from_iter<I: IntoIterator<Item = (u8, S)>>(names: I) -> Self {
        Self(names.into_iter().map(|(bit, name)| (bit, name.into())).collect())
    }
}
