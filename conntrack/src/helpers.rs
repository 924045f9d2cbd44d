//! Helpers in user space.

use conntrack_spec::{UserHelper, UserHelperKey};

use crate::connection::{Conntrack, found};
use crate::error::Error;
use crate::request::helper as request;
use crate::unused::count_deleted;

/// # Helpers in user space
///
/// The kernel needs `CONFIG_NF_CT_NETLINK_HELPER`, else everything here is `EINVAL`. They are the whole system's: this
/// needs `CAP_NET_ADMIN` in the initial user namespace, beside what every operation needs.
impl Conntrack {
    /// All helpers in user space (`NFNL_MSG_CTHELPER_GET`); those in the kernel are not listed.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn helpers(&self) -> Result<Vec<UserHelper>, Error> {
        self.all(&request::dump())?.collect()
    }

    /// A helper in user space, if there is one of this name for these flows.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn helper(&self, key: &UserHelperKey) -> Result<Option<UserHelper>, Error> {
        self.one(&request::get(key))
    }

    /// Creates a helper (`NFNL_MSG_CTHELPER_NEW` with `NLM_F_CREATE | NLM_F_EXCL`).
    ///
    /// # Errors
    /// [`Error::is_exists`] if there is one of this name for these flows, in user space or in the kernel; `EINVAL` or
    /// `ENOMEM` as [`UserHelper`]'s fields say; it has no name, or no classes.
    pub fn create_helper(&self, helper: &UserHelper) -> Result<(), Error> {
        self.execute(&request::create(helper)?)
    }

    /// Creates a helper, or changes the queue, the status and the classes' limits of the one that is there.
    ///
    /// # Errors
    /// `EBUSY` if it is there with other classes or another size of private data; else as
    /// [`create_helper`](Self::create_helper).
    pub fn upsert_helper(&self, helper: &UserHelper) -> Result<(), Error> {
        self.execute(&request::upsert(helper)?)
    }

    /// Deletes a helper (`NFNL_MSG_CTHELPER_DEL`). Returns whether it was there.
    ///
    /// If there are no helpers at all, the kernel reports success for any name (`nfnl_cthelper_del`). So this gets the helper
    /// first. If somebody else deletes it between the two requests, and it was the last one, this returns true as well.
    ///
    /// # Errors
    /// `EBUSY` if a rule or a flow uses it. Newer kernels count no users: they delete it and take it from the flows.
    pub fn delete_helper(&self, key: &UserHelperKey) -> Result<bool, Error> {
        if self.helper(key)?.is_none() {
            return Ok(false);
        }
        found(self.execute(&request::delete(key)))
    }

    /// Deletes every helper in user space, and returns how many that were. Those for which the kernel answers `EBUSY`,
    /// because they are in use, stay.
    ///
    /// It [lists](Self::helpers) the helpers and [deletes](Self::delete_helper) each.
    ///
    /// # Errors
    /// Those of [`helpers`](Self::helpers) and of [`delete_helper`](Self::delete_helper), except `EBUSY`. Some helpers may be
    /// deleted then.
    pub fn delete_all_helpers(&self) -> Result<u64, Error> {
        count_deleted(self.helpers()?.iter().map(|helper| self.delete_helper(&helper.key())))
    }
}
