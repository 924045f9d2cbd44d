//! Whether the kernel compares marks.

use std::sync::OnceLock;

use conntrack_spec::uapi::{IPCTNL_MSG_CT_GET, NFNL_SUBSYS_CTNETLINK};
use conntrack_spec::{Decode, Encode, Family, NoAttributes};

use crate::connection::Conntrack;
use crate::error::{Errno, Error};
use crate::filter::Filter;
use crate::netlink::{NLM_F_DUMP, Request};
use crate::version::KernelVersion;

/// A filter by a mask without a mark.
#[derive(Debug, Encode, Decode)]
struct MaskAlone {
    #[nla(CTA_MARK_MASK)]
    mask: u32,
}

impl Conntrack {
    /// Whether the kernel compares the mark that `filter` asks for, if it asks for one.
    ///
    /// A kernel that was built without `CONFIG_NF_CONNTRACK_MARK` ignores marks in filters: it would report, and delete,
    /// flows with any. One that has marks refuses a mask alone (`ctnetlink_filter_parse_mark`,
    /// `net/netfilter/nf_conntrack_netlink.c`), since 5.8; before, there is no way to tell without a flow.
    pub(crate) fn compares_mark_of(&self, filter: &Filter) -> Result<bool, Error> {
        /// The answer: one kernel runs, and all connections are to it.
        static COMPARES: OnceLock<bool> = OnceLock::new();

        if !filter.asks_mark() {
            return Ok(true);
        }
        if self.kernel < KernelVersion::DUMP_TUPLE_FILTER {
            return Ok(false);
        }
        if let Some(compares) = COMPARES.get() {
            return Ok(*compares);
        }
        let request = Request::new(
            "asking the kernel whether it compares marks",
            NFNL_SUBSYS_CTNETLINK,
            IPCTNL_MSG_CT_GET,
            &MaskAlone { mask: 1 },
        );
        let request = request.family(Family::IPV4).flags(NLM_F_DUMP);
        let first = self.all::<NoAttributes>(&request).and_then(|mut dump| dump.next().transpose());
        let compares = match first {
            Ok(_) => false,
            Err(error) if error.errno() == Some(Errno::INVAL) => true,
            Err(error) => return Err(error),
        };
        Ok(*COMPARES.get_or_init(|| compares))
    }
}
