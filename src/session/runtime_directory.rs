//! The user's runtime directory in a namespace that is joined, where that shows no other user's.

use super::ledger::{NamespaceRecord, RuntimeDirectoryRecord};
use crate::error::Result;
use crate::kernel::mount::runtime_directory::{Shown, clone_on_host};
use crate::kernel::namespace::guard::{AtOrigin, NamespaceGuard, leave_for};
use crate::kernel::namespace::{Namespace, Root};

/// What becomes of a namespace whose runtime directory is not the user's any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outdated {
    /// It is not joined: another login may be changing it.
    LeftAlone,
    /// It gets the present one, by a login that has the user's lock alone.
    Renewed,
}

/// Whether the host has the runtime directory of the user no more that the namespace of a record shows alone.
#[must_use]
pub fn is_gone(record: &NamespaceRecord) -> bool {
    Expected::on_host(record).is_some_and(|expected| expected.shown.is_missing())
}

/// Takes the user's runtime directory out of a namespace, that of a record of which [`is_gone`] holds.
///
/// # Errors
///
/// The namespace cannot be entered, or not be changed.
pub fn detach_gone(record: &NamespaceRecord, namespace: &Namespace) -> Result<()> {
    let Some(expected) = Expected::on_host(record) else {
        return Ok(());
    };
    let _away = leave_for(namespace)?;
    expected
        .shown
        .detach_others(expected.uid, expected.record.parent())
}

/// The user's runtime directory as the host has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    uid: u32,
    record: RuntimeDirectoryRecord,
    shown: Shown,
}

impl Expected {
    /// Looks for it in the host's namespace; nothing where the namespace of that record shows what the host shows.
    pub(super) fn on_host(record: &NamespaceRecord) -> Option<Self> {
        let uid = record.uid;
        record.runtime_directory.map(|record| Self {
            uid,
            record,
            shown: Shown::here(uid),
        })
    }

    /// Whether the present namespace shows it.
    pub(super) fn is_here(self) -> bool {
        self.shown.is_here(self.uid)
    }

    /// Attaches the host's in the namespace `here`, which the thread has entered by `guard`, unless that is left alone.
    /// What fails is no failure of the login's: it gets another namespace.
    pub(super) fn renew(
        self,
        outdated: Outdated,
        guard: &NamespaceGuard,
        here: &Namespace,
        root: Root,
    ) -> bool {
        let renewed = match outdated {
            Outdated::LeftAlone => Ok(false),
            Outdated::Renewed => self.try_to_renew(guard, here, root),
        };
        renewed.unwrap_or_else(|error| {
            log::warn!("{error}; {} is not joined", here.identity());
            false
        })
    }

    fn try_to_renew(self, guard: &NamespaceGuard, here: &Namespace, root: Root) -> Result<bool> {
        let clone = |_: &NamespaceGuard| clone_on_host(self.uid, self.record.travel());
        // From inside, the host's cannot be cloned (open_tree(2)).
        let (directory, shown) = match guard.work(here, root, clone)? {
            AtOrigin::Done(cloned) => cloned?,
            AtOrigin::NotLeft(error) => return Err(error),
            AtOrigin::Elsewhere => return Ok(false),
        };
        shown.renew(&directory, self.uid, self.record.parent())?;
        Ok(true)
    }
}
