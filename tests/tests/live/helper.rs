//! Helpers in user space, where the kernel has them.

use conntrack::sandbox::Sandbox;
use conntrack::{
    Conntrack, Errno, Family, HelperClass, HelperName, HelperStatus, HelperTuple, Protocol, Seconds, UserHelper,
    UserHelperKey,
};

use crate::{Outcome, cases, holds, same};

cases! {
    creates_lists_changes_and_deletes unless missing,
}

fn missing(_: &Sandbox) -> Option<&'static str> {
    match Conntrack::open().ok()?.helpers().err()?.errno()? {
        Errno::INVAL => Some("this kernel was built without CONFIG_NF_CT_NETLINK_HELPER"),
        Errno::PERM => Some("helpers are the whole system's: this needs CAP_NET_ADMIN in the initial user namespace"),
        _ => None,
    }
}

fn name(name: &str) -> HelperName {
    name.parse().expect("short enough")
}

fn creates_lists_changes_and_deletes(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    // They are not the sandbox's, but the system's: what is there already stays, and what this makes goes.
    let before = ct.helpers()?;
    let tuple = HelperTuple::new(Family::IPV4, Protocol::UDP);
    let classes =
        vec![HelperClass::new(name("first"), 3, Seconds(30)), HelperClass::new(name("second"), 255, Seconds(0))];
    let helper = UserHelper { private_data: 8, ..UserHelper::new(name("conntrack-tests"), tuple, 7, classes) };
    if before.is_empty() {
        // The kernel says that it deleted something.
        holds!(!ct.delete_helper(&helper.key())?, "there are none");
        same!(ct.delete_all_helpers()?, 0, "there are none");
    }
    let result = (|| {
        ct.create_helper(&helper)?;
        same!(ct.helper(&helper.key())?.as_ref(), Some(&helper));
        same!(ct.helpers()?.len(), before.len() + 1);
        holds!(ct.create_helper(&helper).is_err_and(|error| error.is_exists()));

        let mut changed = helper.clone();
        changed.queue = 9;
        changed.status = Some(HelperStatus::DISABLED);
        changed.policy.classes[0].timeout = Seconds(60);
        ct.upsert_helper(&changed)?;
        same!(ct.helper(&helper.key())?.as_ref(), Some(&changed));
        changed.private_data = 16;
        same!(ct.upsert_helper(&changed).err().and_then(|error| error.errno()), Some(Errno::BUSY));

        let other = UserHelperKey { tuple: HelperTuple::new(Family::IPV6, Protocol::UDP), ..helper.key() };
        same!(ct.helper(&other)?, None);
        holds!(!ct.delete_helper(&other)?, "of another family");
        Ok(())
    })();
    let deleted = if before.is_empty() { ct.delete_all_helpers()? == 1 } else { ct.delete_helper(&helper.key())? };
    result.and_then(|()| {
        holds!(deleted);
        holds!(!ct.delete_helper(&helper.key())?, "deleted before");
        same!(ct.helpers()?, before);
        Ok(())
    })
}
