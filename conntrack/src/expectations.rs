//! Expectations: flows that other flows announce.

use conntrack_spec::{
    Decode, Expect, ExpectHelper, ExpectKey, ExpectMaster, ExpectUpdate, HelperName, NewExpect, ProjectionOf,
};

use crate::connection::{Conntrack, found};
use crate::dump::Dump;
use crate::error::Error;
use crate::request::expect as request;

/// # Expectations
///
/// A flow with a helper, its *master*, announces another one before it comes: an FTP control connection the one for the
/// data. Helpers in the kernel do so by themselves. A program does it here, for the flows of any helper:
///
/// ```no_run
/// use conntrack::{Conntrack, ExpectKey, ExpectUpdate, NewExpect, NewFlow, Seconds, Tuple};
///
/// let ct = Conntrack::open()?;
/// let (client, server) = ("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:21".parse().unwrap());
/// ct.create(&NewFlow::tcp(client, server).help("ftp".parse::<conntrack::HelperName>().unwrap()))?;
///
/// // The server may connect to port 5000 of the client, from whichever port.
/// let data = Tuple::tcp("10.0.0.2:0".parse().unwrap(), "10.0.0.1:5000".parse().unwrap());
/// let expect = NewExpect::from_any_port(data, Tuple::tcp(client, server));
/// ct.create_expectation(&expect)?;
/// ct.update_expectation_timeout(&ExpectUpdate::new(expect.tuples, Seconds(20)))?;
/// for expect in ct.expectations()? {
///     println!("{}", expect?);
/// }
/// ct.delete_expectation(&ExpectKey::new(data))?;
/// # Ok::<(), conntrack::Error>(())
/// ```
impl Conntrack {
    /// All expectations, of both families, as they arrive (`IPCTNL_MSG_EXP_GET`).
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn expectations(&self) -> Result<Dump<Expect>, Error> {
        self.expectations_as()
    }

    /// All expectations, each decoded into a struct of your own, which pays only for what it holds.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn expectations_as<T: Decode>(&self) -> Result<Dump<T>, Error> {
        const { ProjectionOf::<T, Expect>::CHECKED };
        self.all(&request::dump())
    }

    /// Dumps the expectations of the flow at a tuple; none, if the flow has no helper. The id of a
    /// [`FlowKey`](crate::FlowKey) is not compared: the kernel takes none here.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if there is no such flow; the key makes no sense, or the kernel refuses.
    pub fn expectations_of(&self, master: impl Into<ExpectMaster>) -> Result<Dump<Expect>, Error> {
        self.all(&request::dump_of(&master.into())?)
    }

    /// Gets the expectation of a tuple: its own, or that of a packet which it expects. `None` if there is none, or if the
    /// key has an id and the expectation has another one: the kernel compares it.
    ///
    /// # Errors
    /// [`Error::Usage`] if the key is invalid; nothing was sent then. `EPERM` without `CAP_NET_ADMIN`.
    pub fn get_expectation(&self, key: &ExpectKey) -> Result<Option<Expect>, Error> {
        self.one(&request::get(key)?)
    }

    /// Creates an expectation (`IPCTNL_MSG_EXP_NEW` with `NLM_F_CREATE | NLM_F_EXCL`).
    ///
    /// If the master has as many of the class as its helper allows, the oldest of them is deleted.
    ///
    /// # Errors
    /// * [`Error::is_exists`] if one is there that expects its tuple: the same, or a wider one.
    /// * [`Error::is_not_found`] if there is no such master in the zone.
    /// * `EOPNOTSUPP` if the master has no helper.
    /// * `EBUSY` if it overlaps one that is there, such as a narrower one.
    /// * `EINVAL` if the helper has no such class, or the kernel no such function or flag.
    /// * `EMFILE` if the network namespace has as many as it may (`nf_conntrack_expect_max`).
    /// * [`UsageError::ClassWithoutHelper`](crate::UsageError::ClassWithoutHelper) for a class other than 0 without its
    ///   helper's name: give both to [`NewExpect::class`]. Nothing was sent.
    pub fn create_expectation(&self, expect: &NewExpect) -> Result<(), Error> {
        self.execute(&request::create(expect)?)
    }

    /// Sets how long an expectation goes on living (`IPCTNL_MSG_EXP_NEW`). Nothing else of it can be changed.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if there is none, or no such master; the tuples make no sense, the time is too long, or the
    /// kernel refuses.
    pub fn update_expectation_timeout(&self, update: &ExpectUpdate) -> Result<(), Error> {
        self.execute(&request::update(update)?)
    }

    /// Deletes the expectation of a tuple (`IPCTNL_MSG_EXP_DELETE`). `false` if there is none, or if the key has an id and
    /// the expectation has another one: the kernel compares it.
    ///
    /// # Errors
    /// [`Error::Usage`] if the key is invalid; nothing was sent then. `EPERM` without `CAP_NET_ADMIN`.
    pub fn delete_expectation(&self, key: &ExpectKey) -> Result<bool, Error> {
        found(self.execute(&request::delete(key)?))
    }

    /// Deletes the expectations of all flows with a helper. The kernel does not say whether there were any.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn delete_expectations_of_helper(&self, helper: &HelperName) -> Result<(), Error> {
        self.execute(&request::delete_of_helper(&ExpectHelper { name: helper.clone() }))
    }

    /// Deletes every expectation of the namespace.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn flush_expectations(&self) -> Result<(), Error> {
        self.execute(&request::flush())
    }
}
