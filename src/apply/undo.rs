//! The entries that were made for a login. They are removed again when the login fails.

use crate::error::Result;
use crate::kernel::fs::directory::Draft;
use crate::kernel::fs::owner_note::{self, Account};
use crate::plan::{Instance, Lifetime};
use rustix::fd::OwnedFd;
use std::rc::Rc;

/// The entries that were made for this login. The last one is removed first: what lies in a directory before the
/// directory.
#[derive(Default)]
pub(super) struct Undo<'p>(Vec<Provisional<'p>>);

/// An entry that was made for this login.
struct Provisional<'p> {
    draft: Draft,
    reach: Reach<'p>,
    note: Option<Note>,
}

/// The note in a new directory of the store that says whose it is.
pub(super) struct Note {
    pub(super) directory: Rc<OwnedFd>,
    pub(super) path: String,
    pub(super) account: Account,
}

impl Note {
    /// Writes it in the directory.
    pub(super) fn write(&self) -> Result<()> {
        self.account.write(&self.directory, &self.path)
    }

    /// Removes the directory, which has to be empty, with the note in it. Where another login has begun to use it, the
    /// note is there again.
    fn remove_with(self, draft: Draft) {
        let Self {
            directory,
            path,
            account,
        } = self;
        let removed = owner_note::remove_note(&directory, &path);
        drop(draft);
        match removed.and_then(|()| account.write(&directory, &path)) {
            Err(gone) if gone.is_missing() => {}
            result => result.unwrap_or_else(|error| log::warn!("{error}")),
        }
    }
}

/// The logins that may know of an entry that was made for this one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach<'p> {
    /// An entry that has its name: other logins may find it.
    Public,
    /// A new instance: it has no name until everything else has worked; then it gets its own.
    Instance(&'p Instance),
    /// A new instance that has got its name, for which programs are still to be run.
    Named(&'p Instance),
    /// An entry in that new instance.
    Within(&'p Instance),
}

impl<'p> Undo<'p> {
    /// A directory or file in the store that has its name. Another login that needs it makes it again.
    pub(super) fn push(&mut self, draft: Draft) {
        self.push_as(Reach::Public, draft);
    }

    /// A directory in the store that has its name, and a note whose it is.
    pub(super) fn push_noted(&mut self, draft: Draft, note: Note) {
        self.0.push(Provisional {
            draft,
            reach: Reach::Public,
            note: Some(note),
        });
    }

    /// A new instance that has no name yet.
    pub(super) fn push_instance(&mut self, draft: Draft, instance: &'p Instance) {
        self.push_as(Reach::Instance(instance), draft);
    }

    /// A mount point in an instance. In one that was there before it stays: another login may have mounted
    /// something on it by now, which rmdir(2) would take away.
    pub(super) fn push_within(&mut self, draft: Draft, instance: &'p Instance) {
        if self
            .0
            .iter()
            .any(|made| made.reach == Reach::Instance(instance))
        {
            self.push_as(Reach::Within(instance), draft);
        } else {
            draft.keep();
        }
    }

    fn push_as(&mut self, reach: Reach<'p>, draft: Draft) {
        self.0.push(Provisional {
            draft,
            reach,
            note: None,
        });
    }

    /// A new instance that has no name yet. The session's own come last: nobody can be first with those, so
    /// that a login that has to start again has not made them yet.
    pub(super) fn next_instance(&mut self) -> Option<(&mut Draft, &'p Instance)> {
        self.new_instances()
            .min_by_key(|(_, instance)| instance.lifetime == Lifetime::Session)
    }

    /// All of those.
    pub(super) fn new_instances(&mut self) -> impl Iterator<Item = (&mut Draft, &'p Instance)> {
        self.0.iter_mut().filter_map(|made| match made.reach {
            Reach::Instance(instance) => Some((&mut made.draft, instance)),
            Reach::Public | Reach::Named(_) | Reach::Within(_) => None,
        })
    }

    pub(super) fn have_published(&mut self, instance: &'p Instance) {
        for made in &mut self.0 {
            match made.reach {
                Reach::Instance(of) if of == instance => made.reach = Reach::Named(instance),
                Reach::Within(of) if of == instance => made.reach = Reach::Public,
                Reach::Public | Reach::Instance(_) | Reach::Named(_) | Reach::Within(_) => {}
            }
        }
    }

    /// Whether it is one that was made for this login.
    pub(super) fn has_published(&self, instance: &Instance) -> bool {
        let mut all = self.0.iter();
        all.any(|made| matches!(made.reach, Reach::Named(of) if of == instance))
    }

    /// Takes their names from the new instances again, which then go with what was put into them.
    pub(super) fn withdraw(&mut self) {
        let is_named = |made: &&mut Provisional<'_>| matches!(made.reach, Reach::Named(_));
        let named = self.0.iter_mut().filter(is_named);
        named.for_each(|made| made.draft.withdraw());
    }

    /// Lets stay what others may already use.
    pub(super) fn keep_public(&mut self) {
        let all = std::mem::take(&mut self.0);
        for made in all {
            match made.reach {
                Reach::Public | Reach::Named(_) => made.draft.keep(),
                Reach::Instance(_) | Reach::Within(_) => self.0.push(made),
            }
        }
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        while let Some(Provisional { draft, note, .. }) = self.0.pop() {
            match note {
                Some(note) => note.remove_with(draft),
                None => drop(draft),
            }
        }
    }
}
