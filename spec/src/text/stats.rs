//! Statistics, as conntrack(8) prints them.

use std::fmt;

use crate::{CpuStats, PerCpu};

impl fmt::Display for PerCpu<CpuStats> {
    /// The line of `conntrack -S`, with the tabulator in it and the blank at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpu={:<4}\t{}", self.cpu, self.stats)
    }
}

impl fmt::Display for CpuStats {
    /// Each counter that there is, with a blank behind it: `found=0 invalid=0 `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counters = [
            ("searched", self.searched),
            ("found", self.found),
            ("new", self.new),
            ("invalid", self.invalid),
            ("ignore", self.ignore),
            ("delete", self.delete),
            ("delete_list", self.delete_list),
            ("insert", self.insert),
            ("insert_failed", self.insert_failed),
            ("drop", self.drop),
            ("early_drop", self.early_drop),
            ("error", self.error),
            ("search_restart", self.search_restart),
            ("clash_resolve", self.clash_resolve),
            ("chaintoolong", self.chain_too_long),
        ];
        counters
            .iter()
            .filter_map(|(name, counter)| Some((name, (*counter)?)))
            .try_for_each(|(name, counter)| write!(f, "{name}={counter} "))
    }
}
