//! Instances: where they are, that they are what they should be, and new ones.

use super::{Build, Held, SessionDirectory};
use crate::error::{Error, Result};
use crate::kernel::fs::directory::{self, Draft, Form, Publication};
use crate::kernel::fs::label;
use crate::kernel::fs::walk::{self, Place, Trust, identity};
use crate::plan::{Instance, Lifetime, Parent, Step, View};
use crate::store::layout::{HIDDEN_FILE, HIDDEN_FILE_MODE, LAYER_MODE, STORE_MODES_FOR_OTHERS};
use rustix::fd::OwnedFd;
use rustix::fs::FileType;
use rustix::io::Errno;
use std::rc::Rc;

/// The opened `settings.store`.
pub(super) struct Store {
    root: Rc<OwnedFd>,
    /// Its path without links.
    pub(super) path: String,
    /// The directory in it that was opened last: several instances usually share one.
    recent: Option<(String, Rc<OwnedFd>)>,
}

impl<'p> Build<'p> {
    /// Opens the instance of a step, verified; a missing one is made without a name.
    pub(super) fn open_instance(
        &mut self,
        step: &'p Step,
        covered: &Place,
        form: Form,
    ) -> Result<OwnedFd> {
        let View::Instance { instance, .. } = &step.view else {
            return Err(Error::new("open", &step.path, "it has no instance"));
        };
        let path = instance.directory.as_str();
        check_covered(instance, covered)?;
        let (parent, name, replaceable) = self.instance_parent(instance, form)?;
        self.check_instance(step, covered, replaceable)?;
        let opened = match find_instance(&parent, name, instance)? {
            Some(found) => {
                directory::verify(&found, form, self.uid, replaceable, path)?;
                found
            }
            None => {
                self.check_programs(instance, covered, replaceable)?;
                let (draft, made) = self.draft_instance(instance, &parent, covered, form)?;
                self.undo.push_instance(draft, instance);
                made
            }
        };
        self.note_instance(&opened, path)?;
        Ok(opened)
    }

    /// Opens the directory of a layer, root's alone; a missing one is made without a name. Tells whether it was.
    pub(super) fn open_layer(
        &mut self,
        layer: &'p Instance,
        covered: &Place,
    ) -> Result<(OwnedFd, bool)> {
        let path = layer.directory.as_str();
        let form = self.possible(Form {
            mode: LAYER_MODE,
            uid: 0,
            gid: 0,
        });
        let (parent, name, replaceable) = self.instance_parent(layer, form)?;
        if replaceable {
            let reason = "it is in a directory of the user's, who could exchange it";
            return Err(Error::new("use the layer", path, reason));
        }
        let (opened, is_new) = match find_instance(&parent, name, layer)? {
            Some(found) => {
                check_layer(&found, form, path)?;
                let opened = directory::open_directory(&found, ".");
                let opened = opened.map_err(|errno| Error::from_errno("open", path, errno))?;
                (opened, false)
            }
            None => {
                self.check_programs(layer, covered, replaceable)?;
                let (mut draft, made) = self.draft_instance(layer, &parent, covered, form)?;
                draft.expect_content();
                self.undo.push_instance(draft, layer);
                (made, true)
            }
        };
        self.note_instance(&opened, path)?;
        Ok((opened, is_new))
    }

    fn note_instance(&mut self, opened: &OwnedFd, path: &str) -> Result<()> {
        let status =
            rustix::fs::fstat(opened).map_err(|errno| Error::from_errno("examine", path, errno))?;
        self.instances.push(Held {
            path: path.to_owned(),
            identity: identity(&status),
            // Its owner may change it as they like.
            form: (status.st_uid != self.uid).then(|| Form::of(&status)),
        });
        Ok(())
    }

    fn draft_instance(
        &mut self,
        instance: &'p Instance,
        parent: &Rc<OwnedFd>,
        covered: &Place,
        form: Form,
    ) -> Result<(Draft, OwnedFd)> {
        let path = instance.directory.as_str();
        let made = Draft::directory(parent, form, path);
        let (draft, made) = self.note_vanished(made)?;
        match instance.labelling.own() {
            Some(own) => label::give(&made, &own.context, path)?,
            None => self.label_like(&made, covered, path)?,
        }
        if instance.lifetime == Lifetime::Session {
            let status = rustix::fs::fstat(&made)
                .map_err(|errno| Error::from_errno("examine", path, errno))?;
            self.session_directories.push(SessionDirectory {
                path: path.to_owned(),
                view: covered.path.clone(),
                identity: identity(&status),
                enclosed: instance.directory.is_within(&self.plan.store),
            });
        }
        Ok((draft, made))
    }

    /// The directory that holds an instance, the instance's name in it, and whether the user could replace
    /// what has that name.
    fn instance_parent(
        &mut self,
        instance: &'p Instance,
        form: Form,
    ) -> Result<(Rc<OwnedFd>, &'p str, bool)> {
        let path = instance.directory.as_str();
        let within = path
            .strip_prefix(self.plan.store.as_str())
            .and_then(|rest| rest.strip_prefix('/'));
        let Some((below, name)) = within.and_then(|rest| rest.rsplit_once('/')) else {
            let (parent, name) = match self.walker.open_parent(path, &[]) {
                Err(missing) if missing.is_missing() => {
                    self.make_parent(path, missing)?;
                    self.walker.open_parent(path, &[])?
                }
                found => found?,
            };
            check_parent(instance, &parent, form)?;
            if !matches!(self.trust, Trust::Caller(_)) {
                check_alone(&parent, path)?;
            }
            let replaceable = parent.is_users();
            return Ok((parent.descriptor, name, replaceable));
        };
        Ok((self.store_directory(below)?, name, false))
    }

    /// Makes the missing directory that holds an instance, closed to everybody, with the mode that pam_namespace
    /// gives it and insists on. Only root makes directories there: in the user's own, the user can.
    fn make_parent(&mut self, instance: &str, missing: Error) -> Result<()> {
        let (path, _) = instance.rsplit_once('/').unwrap_or_default();
        let (holder, name) = self.walker.open_parent(path, &[])?;
        if holder.is_users() || matches!(self.trust, Trust::Caller(_)) {
            return Err(missing);
        }
        let form = Form {
            mode: 0,
            uid: 0,
            gid: 0,
        };
        let (mut draft, _) = Draft::directory(&holder.descriptor, form, path)?;
        if draft.publish(name, path)? == Publication::Done {
            self.undo.push(draft);
        }
        Ok(())
    }

    /// The directory `below` the store, made for root alone where it is missing.
    fn store_directory(&mut self, below: &str) -> Result<Rc<OwnedFd>> {
        let root = self.store_root()?;
        let recent = self.store.as_ref().and_then(|store| store.recent.as_ref());
        if let Some((_, directory)) = recent.filter(|(recent, _)| recent == below) {
            return Ok(Rc::clone(directory));
        }
        let found = self.descend(root, below)?;
        if let Some(store) = &mut self.store {
            store.recent = Some((below.to_owned(), Rc::clone(&found)));
        }
        Ok(found)
    }

    fn store_root(&mut self) -> Result<Rc<OwnedFd>> {
        if let Some(store) = &self.store {
            return Ok(Rc::clone(&store.root));
        }
        let store = self.open_store()?;
        let root = Rc::clone(&store.root);
        self.store = Some(store);
        Ok(root)
    }

    fn descend(&mut self, root: Rc<OwnedFd>, below: &str) -> Result<Rc<OwnedFd>> {
        let mut here = root;
        let mut path = self.plan.store.to_string();
        for name in below.split('/') {
            path = format!("{path}/{name}");
            here = match self.is_users_own(&path) {
                true => self.users_directory(&here, name, &path)?,
                false => self.private_directory(&here, name, &path)?,
            };
        }
        Ok(here)
    }

    pub(super) fn private_directory(
        &mut self,
        parent: &Rc<OwnedFd>,
        name: &str,
        path: &str,
    ) -> Result<Rc<OwnedFd>> {
        let found = directory::open_or_make_private(parent, name, path);
        let (found, draft) = self.note_vanished(found)?;
        if let Some(draft) = draft {
            self.undo.push(draft);
        }
        Ok(Rc::new(found))
    }

    /// What is missing in a directory that is open is missing because that directory was removed.
    pub(super) fn note_vanished<T>(&mut self, result: Result<T>) -> Result<T> {
        self.overtaken |= result.as_ref().is_err_and(Error::is_missing);
        result
    }

    /// The store is everybody's, so the user has no part in the way to it, unlike with a rule's own store.
    fn open_store(&mut self) -> Result<Store> {
        let path = self.plan.store.as_str();
        let walker = self.walker.trusting(self.trust.of_root());
        let place = match walker.open(path, &[]) {
            Err(missing) if missing.is_missing() => {
                let (parent, name) = walker.open_parent(path, &[])?;
                self.private_directory(&parent.descriptor, name, path)?;
                walker.open(path, &[])?
            }
            found => found?,
        };
        directory::check_private(&place.status, STORE_MODES_FOR_OTHERS, path)?;
        Ok(Store {
            root: place.descriptor,
            path: place.path,
            recent: None,
        })
    }

    /// The file that covers hidden files.
    pub(super) fn hidden_file(&mut self) -> Result<OwnedFd> {
        let root = self.store_root()?;
        let path = format!("{}/{HIDDEN_FILE}", self.plan.store);
        match open_hidden(&root, &path) {
            Err(missing) if missing.is_missing() => {
                let form = Form {
                    mode: HIDDEN_FILE_MODE,
                    uid: 0,
                    gid: 0,
                };
                let mut draft = Draft::file(&root, form, &path)?;
                if draft.publish(HIDDEN_FILE, &path)? == Publication::Done {
                    self.undo.push(draft);
                }
                let made = open_hidden(&root, &path);
                self.note_vanished(made)
            }
            found => found,
        }
    }
}

/// What an instance's own label and name were made of must hold of the directory that is covered in fact.
fn check_covered(instance: &Instance, covered: &Place) -> Result<()> {
    let Some(own) = instance.labelling.own() else {
        return Ok(());
    };
    let found = label::of(covered, &covered.path)?;
    if found.as_ref() == Some(&own.covered) {
        return Ok(());
    }
    let found = found.unwrap_or_else(|| "none".to_owned());
    let reason = format!(
        "its SELinux label is {found}, and was {} a moment before",
        own.covered
    );
    Err(Error::new("cover", &covered.path, reason))
}

/// A place that is an instance; a session's must not be there. It is not opened for reading: SELinux policies let login
/// programs find polyinstantiated directories, and not list them.
fn find_instance(parent: &Rc<OwnedFd>, name: &str, instance: &Instance) -> Result<Option<OwnedFd>> {
    let path = instance.directory.as_str();
    match walk::find_directory(parent, name) {
        Ok(_) if instance.lifetime == Lifetime::Session => Err(Error::new(
            "create",
            path,
            "a session's directory must be new",
        )),
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::NOTDIR | Errno::LOOP) => Err(Error::new("use", path, "it is not a directory")),
        Err(errno) => Err(Error::from_errno("open", path, errno)),
    }
}

/// What is in a layer shows as the kernel has left it, so nobody else may have had a hand in it.
fn check_layer(directory: &OwnedFd, form: Form, path: &str) -> Result<()> {
    let status =
        rustix::fs::fstat(directory).map_err(|errno| Error::from_errno("examine", path, errno))?;
    if status.st_uid == form.uid && status.st_mode & 0o077 == 0 {
        return Ok(());
    }
    let found = Form::of(&status);
    let reason = format!(
        "it belongs to uid {} with mode {:04o}; it must be root's alone (0700)",
        found.uid, found.mode
    );
    Err(Error::new("use the layer", path, reason))
}

/// An instance often has the mode of `/tmp`: what keeps others out of it is the directory that holds it.
fn check_parent(instance: &Instance, parent: &Place, form: Form) -> Result<()> {
    let mode = parent.status.st_mode & 0o7777;
    let closed = form.mode & 0o077 == 0 || mode & 0o011 == 0;
    if closed || instance.parent == Parent::Any {
        return Ok(());
    }
    let reason = format!(
        "its mode {:04o} lets others in, and so does {} with {mode:04o}; make that 0700, or give the rule \
         `parent = \"any\"`",
        form.mode, parent.path
    );
    Err(Error::new("use", &instance.directory, reason))
}

/// Where others may make entries, one of them could make somebody's instance before that user's first login, and
/// a sticky bit would keep it there.
fn check_alone(parent: &Place, path: &str) -> Result<()> {
    if !parent.is_shared() || parent.is_users() {
        return Ok(());
    }
    let mode = parent.status.st_mode & 0o7777;
    let reason = format!(
        "{} with mode {mode:04o} lets others make what has its name; root alone may write there",
        parent.path
    );
    Err(Error::new("use", path, reason))
}

fn open_hidden(store: &Rc<OwnedFd>, path: &str) -> Result<OwnedFd> {
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
