//! The store: the directory that holds instances, opened when a plan needs it, and the directories in it.

use super::account::{Owner, Ownership};
use super::context::Context;
use super::forms::form_of_root;
use super::store_entry::StoreEntry;
use super::undo::Undo;
use crate::error::{Error, Result};
use crate::kernel::fs::directory::{self, Draft, Publication};
use crate::kernel::fs::walk;
use crate::store::layout::{self, HIDDEN_FILE, HIDDEN_FILE_MODE, STORE_MODES_FOR_OTHERS};
use rustix::fd::OwnedFd;
use rustix::fs::FileType;
use std::rc::Rc;

/// The store of a plan (`settings.store`).
pub(super) struct Store {
    opened: Option<OpenedStore>,
    /// A directory of the store vanished under this login's hands.
    is_overtaken: bool,
    /// The owner of the instances that are named by the user's id, where that is known.
    owner: Option<Owner>,
}

struct OpenedStore {
    root: Rc<OwnedFd>,
    /// Its path without links.
    path: String,
    /// The directory in it that was opened last: several instances usually share one.
    recent: Option<(String, Rc<OwnedFd>)>,
}

impl Store {
    /// A store that is opened when it is needed. `owner` is shown no instances that another account has left by the
    /// same id.
    pub(super) fn new(owner: Option<Owner>) -> Self {
        Self {
            opened: None,
            is_overtaken: false,
            owner,
        }
    }

    /// Its path without links, if it was opened.
    pub(super) fn path(&self) -> Option<&str> {
        self.opened.as_ref().map(|opened| opened.path.as_str())
    }

    /// Whether something failed because another login took back a directory that it had made for itself.
    pub(super) fn is_overtaken(&self) -> bool {
        self.is_overtaken
    }

    /// Notes whether a directory of the store was removed by another login: what is missing in a directory that is open
    /// is missing because of that.
    pub(super) fn note_vanished<T>(&mut self, result: Result<T>) -> Result<T> {
        self.is_overtaken |= result.as_ref().is_err_and(Error::is_missing);
        result
    }

    /// Opens the directory `below` the store, or makes it for root alone.
    pub(super) fn directory(
        &mut self,
        below: &str,
        context: &Context<'_>,
        undo: &mut Undo<'_>,
    ) -> Result<Rc<OwnedFd>> {
        let root = self.root(context, undo)?;
        let recent = self.opened.as_ref().and_then(|store| store.recent.as_ref());
        if let Some((_, directory)) = recent.filter(|(path, _)| path == below) {
            return Ok(Rc::clone(directory));
        }
        let mut found = root;
        let mut path = context.plan.store.to_string();
        let of_user = layout::Owner::User(context.uid()).path(&context.plan.store);
        for name in below.split('/') {
            path = format!("{path}/{name}");
            let entry = StoreEntry {
                parent: &found,
                name,
                path: &path,
            };
            found = match path == of_user {
                true => self.directory_of_user(entry, undo)?,
                false => self.private_directory(entry, undo)?,
            };
        }
        if let Some(store) = &mut self.opened {
            store.recent = Some((below.to_owned(), Rc::clone(&found)));
        }
        Ok(found)
    }

    fn root(&mut self, context: &Context<'_>, undo: &mut Undo<'_>) -> Result<Rc<OwnedFd>> {
        if let Some(store) = &self.opened {
            return Ok(Rc::clone(&store.root));
        }
        let opened = self.open(context, undo)?;
        let root = Rc::clone(&opened.root);
        self.opened = Some(opened);
        Ok(root)
    }

    /// Opens the store, or makes it. It is everybody's, so the user has no part in the way to it, unlike with a rule's own
    /// store.
    fn open(&mut self, context: &Context<'_>, undo: &mut Undo<'_>) -> Result<OpenedStore> {
        let path = context.plan.store.as_str();
        let walker = context.walker_of_root();
        let place = match walker.open(path, &[]) {
            Err(missing) if missing.is_missing() => {
                let (holder, name) = walker.open_parent(path, &[])?;
                let parent = &holder.descriptor;
                self.private_directory(StoreEntry { parent, name, path }, undo)?;
                walker.open(path, &[])?
            }
            found => found?,
        };
        directory::check_private(&place.status, STORE_MODES_FOR_OTHERS, path)?;
        Ok(OpenedStore {
            root: place.descriptor,
            path: place.path,
            recent: None,
        })
    }

    fn private_directory(
        &mut self,
        entry: StoreEntry<'_>,
        undo: &mut Undo<'_>,
    ) -> Result<Rc<OwnedFd>> {
        let (found, draft) = self.open_or_make(entry)?;
        if let Some(draft) = draft {
            undo.push(draft);
        }
        Ok(found)
    }

    /// Opens the directory of all instances of the user's id, or makes it, with the note whose it is.
    fn directory_of_user(
        &mut self,
        entry: StoreEntry<'_>,
        undo: &mut Undo<'_>,
    ) -> Result<Rc<OwnedFd>> {
        let Some(owner) = self.owner.clone() else {
            return self.private_directory(entry, undo);
        };
        let (found, draft) = self.open_or_make(entry)?;
        match draft {
            Some(draft) => {
                let note = owner.note_for(&found, entry.path);
                let written = note.write();
                undo.push_noted(draft, note);
                self.note_vanished(written)?;
            }
            None => self.check_owner(&owner, entry, &found)?,
        }
        Ok(found)
    }

    fn open_or_make(&mut self, entry: StoreEntry<'_>) -> Result<(Rc<OwnedFd>, Option<Draft>)> {
        let StoreEntry { parent, name, path } = entry;
        let opened = directory::open_or_make_private(parent, name, path);
        let (found, draft) = self.note_vanished(opened)?;
        Ok((Rc::new(found), draft))
    }

    /// Checks whose a directory of instances is that was there before. One of another account's is set aside, and the
    /// login starts again.
    fn check_owner(
        &mut self,
        owner: &Owner,
        entry: StoreEntry<'_>,
        directory: &OwnedFd,
    ) -> Result<()> {
        match owner.ownership_of(directory, entry.path)? {
            Ownership::Own => Ok(()),
            Ownership::ToBeNoted => self.note_vanished(owner.renew(directory, entry.path)),
            Ownership::Former(former) => {
                self.is_overtaken = true;
                owner.set_aside(&former, entry, directory)?;
                Err(Error::new("use", entry.path, "it is another account's"))
            }
        }
    }

    /// Opens the file that covers hidden files, or makes it.
    pub(super) fn hidden_file(
        &mut self,
        context: &Context<'_>,
        undo: &mut Undo<'_>,
    ) -> Result<OwnedFd> {
        let root = self.root(context, undo)?;
        let path = format!("{}/{HIDDEN_FILE}", context.plan.store);
        match open_hidden(&root, &path) {
            Err(missing) if missing.is_missing() => {
                let mut draft = Draft::file(&root, form_of_root(HIDDEN_FILE_MODE), &path)?;
                if draft.publish(HIDDEN_FILE, &path)? == Publication::Done {
                    undo.push(draft);
                }
                self.note_vanished(open_hidden(&root, &path))
            }
            found => found,
        }
    }
}

fn open_hidden(store: &OwnedFd, path: &str) -> Result<OwnedFd> {
    let failed = |errno| Error::from_errno("open", path, errno);
    let file = walk::open_entry(store, HIDDEN_FILE).map_err(failed)?;
    let status = rustix::fs::fstat(&file).map_err(failed)?;
    let regular = walk::file_type(&status) == FileType::RegularFile;
    let (mode, owner, size) = (status.st_mode & 0o7777, status.st_uid, status.st_size);
    if regular && (mode, owner, size) == (HIDDEN_FILE_MODE, 0, 0) {
        return Ok(file);
    }
    let reason = "it must be an empty file of root's with mode 0000";
    Err(Error::new("use", path, reason))
}
