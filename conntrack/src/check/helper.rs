//! Helpers in user space.

use conntrack_spec::UserHelper;

use super::UsageError;
use super::policy::check_timeout;

pub(crate) fn check_helper(helper: &UserHelper) -> Result<(), UsageError> {
    /// `NF_CT_MAX_EXPECT_CLASSES` (`include/net/netfilter/nf_conntrack_expect.h`)
    const MOST_CLASSES: usize = 4;

    if helper.name.is_empty() {
        return Err(UsageError::NoName);
    }
    let (given, said) = (helper.policy.classes.len(), helper.policy.count);
    if !(1..=MOST_CLASSES).contains(&given) || u32::try_from(given) != Ok(said) {
        return Err(UsageError::Classes { given, said });
    }
    helper.policy.classes.iter().try_for_each(|class| check_timeout(class.timeout))
}
