//! Expectations: flows that other flows announce.

use conntrack_spec::{
    Decode, Expect, ExpectHelper, ExpectKey, ExpectMaster, ExpectTuples, ExpectUpdate, FlowKey, HelperName, NewExpect,
    ProjectionOf, Tuple,
};

use crate::connection::{Conntrack, found, not_found};
use crate::dump::Dump;
use crate::error::Error;
use crate::request::expect as request;

/// What an update of an expectation has to be compared with.
#[derive(Debug, Decode)]
struct Found {
    #[nla(CTA_EXPECT_MASTER)]
    master: Tuple,
    #[nla(CTA_EXPECT_TUPLE)]
    tuple: Tuple,
    #[nla(CTA_EXPECT_MASK)]
    mask: Tuple,
}

const _: () = ProjectionOf::<Found, Expect>::CHECKED;

/// The tuple of a flow that its expectations are reported with.
#[derive(Debug, Decode)]
struct Original {
    #[nla(CTA_TUPLE_ORIG)]
    tuple: Tuple,
}

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

    /// Dumps the expectations of the flow at a tuple; none, if the flow has no helper.
    ///
    /// Of a [`FlowKey`](crate::FlowKey), the id is not compared: the kernel takes none here. A zone in its tuple is used as
    /// one of both directions: name the flow by the direction that is in the zone.
    ///
    /// # Errors
    /// * [`Error::is_not_found`] if there is no such flow.
    /// * [`Error::Usage`] if the tuple mixes families; nothing was sent then.
    /// * `EINVAL` if the tuple lacks what its protocol has. `EPERM` without `CAP_NET_ADMIN`.
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
    /// The kernel changes any expectation of the zone that a packet with the update's tuple meets, and compares neither the
    /// mask nor the master. So this gets the expectation first, and changes nothing if its tuple, the source in its mask
    /// or its master is another one. An expectation that takes its place between these two requests is changed. A master
    /// that is named by its reply tuple takes a third request.
    ///
    /// # Errors
    /// * [`Error::is_not_found`] if there is no expectation with these tuples in the zone. Nothing was changed.
    /// * [`Error::Usage`] if the tuples are invalid or the timeout is too long; nothing was sent then.
    /// * `EPERM` without `CAP_NET_ADMIN`.
    pub fn update_expectation_timeout(&self, update: &ExpectUpdate) -> Result<(), Error> {
        let request = request::update(update)?;
        if self.is_expected(&update.tuples)? {
            self.execute(&request)
        } else {
            Err(not_found(&request, "no expectation in the zone has this tuple, mask and master"))
        }
    }

    /// Whether there is an expectation with exactly these tuples.
    fn is_expected(&self, tuples: &ExpectTuples) -> Result<bool, Error> {
        let &ExpectTuples { tuple, mask, master, zone } = tuples;
        let Some(found) = self.one::<Found>(&request::get(&ExpectKey { zone, ..ExpectKey::new(tuple) })?)? else {
            return Ok(false);
        };
        // Of the destination, the kernel reports all bits of a mask, whatever it was given.
        if found.tuple != tuple || found.mask.source() != mask.source() {
            return Ok(false);
        }
        if found.master == master {
            return Ok(true);
        }
        // The kernel reports the original tuple of a master, which it finds by either.
        let flow = self.get_as::<Original>(&FlowKey { zone, ..FlowKey::new(master) })?;
        Ok(flow.is_some_and(|flow| Tuple { zone: None, ..flow.tuple } == found.master))
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
