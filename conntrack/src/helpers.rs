//! Helpers in user space.

use conntrack_spec::{UserHelper, UserHelperKey};

use crate::connection::{Conntrack, found};
use crate::error::Error;
use crate::request::helper as request;

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

    /// Deletes a helper (`NFNL_MSG_CTHELPER_DEL`). False if there is none.
    ///
    /// # Errors
    /// `EBUSY` if a rule uses it.
    pub fn delete_helper(&self, key: &UserHelperKey) -> Result<bool, Error> {
        found(self.execute(&request::delete(key)))
    }

    /// Deletes every helper in user space that no rule uses. False if there are none.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn delete_all_helpers(&self) -> Result<bool, Error> {
        found(self.execute(&request::delete_all()))
    }
}
