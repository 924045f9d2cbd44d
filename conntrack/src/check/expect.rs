//! Expectations.

use conntrack_spec::{ExpectKey, ExpectMaster, ExpectTuples, ExpectUpdate, Family, NewExpect};

use super::policy::check_timeout;
use super::{Check, UsageError, check_key, check_no_zone, check_zoneless, family_of, same_family};

impl Check for ExpectTuples {
    fn check(&self) -> Result<Family, UsageError> {
        let family = check_zoneless("the expected tuple", &self.tuple)?;
        same_family("the mask", family, check_zoneless("the mask", &self.mask)?)?;
        same_family("the master", family, check_zoneless("the master", &self.master)?)?;
        let (tuple, mask) = (self.tuple.protocol(), self.mask.protocol());
        if tuple == mask { Ok(family) } else { Err(UsageError::MaskProtocol { tuple, mask }) }
    }
}

impl Check for NewExpect {
    fn check(&self) -> Result<Family, UsageError> {
        let family = self.tuples.check()?;
        if let (Some(class @ 1..), None) = (self.class, self.helper.as_ref()) {
            return Err(UsageError::ClassWithoutHelper(class));
        }
        if let Some(nat) = &self.nat {
            same_family("the translation", family, check_zoneless("the translation", &nat.tuple)?)?;
        }
        Ok(family)
    }
}

impl Check for ExpectUpdate {
    fn check(&self) -> Result<Family, UsageError> {
        check_timeout(self.timeout)?;
        self.tuples.check()
    }
}

impl Check for ExpectKey {
    fn check(&self) -> Result<Family, UsageError> {
        let what = "the expected tuple";
        check_no_zone(what, &self.tuple)?;
        check_key(what, &self.tuple, self.id.is_some())
    }
}

impl Check for ExpectMaster {
    fn check(&self) -> Result<Family, UsageError> {
        // It may be as a kernel reported it: see `check_key`.
        check_no_zone("the master", &self.tuple)?;
        family_of("the master", &self.tuple)
    }
}
