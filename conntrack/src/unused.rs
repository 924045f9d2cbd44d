//! Deletions of many things, of which some are in use.

use crate::error::{Errno, Error};

/// Counts the deletions that found something. What is in use (`EBUSY`) stays and does not count; another error ends it.
pub(crate) fn count_deleted(deletions: impl IntoIterator<Item = Result<bool, Error>>) -> Result<u64, Error> {
    let mut deleted = 0;
    for deletion in deletions {
        match deletion {
            Ok(found) => deleted += u64::from(found),
            Err(error) if error.errno() == Some(Errno::BUSY) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(deleted)
}
