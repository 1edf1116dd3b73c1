//! Instances: where they are, that they are what they should be, and new ones, which get their names last.

use super::account::Owner;
use super::applied::{Applied, ShownPath};
use super::believed;
use super::context::Context;
use super::covers::Covered;
use super::forms::form_of_root;
use super::replaceable::{ReplaceableBy, check_programs};
use super::session_directory::SessionDirectory;
use super::session_view::SessionView;
use super::store::Store;
use super::undo::Undo;
use crate::error::{Error, Result};
use crate::kernel::fs::directory::{self, Draft, ExpectedInstance, Form, Publication};
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::label;
use crate::kernel::fs::walk::{self, Place, Trust};
use crate::path::ViewPath;
use crate::plan::{Instance, Lifetime, Parent};
use crate::store::layout::LAYER_MODE;
use rustix::fd::OwnedFd;
use rustix::fs::Stat;
use rustix::io::Errno;
use std::rc::Rc;

/// The instances of a plan. The order of the fields is the order in which they are undone.
pub(super) struct Instances<'p> {
    undo: Undo<'p>,
    store: Store,
    /// The instances that appear in the session.
    shown: Vec<ShownPath>,
    /// The instances that end with the session.
    session_directories: Vec<SessionDirectory>,
}

/// An instance to be opened or made.
pub(super) struct Request<'r, 'p> {
    pub(super) instance: &'p Instance,
    pub(super) covered: &'r Covered<'r, 'p>,
    pub(super) form: Form,
}

/// The place of an instance.
struct Location<'p> {
    parent: Rc<OwnedFd>,
    name: &'p str,
    replaceable_by: ReplaceableBy,
}

/// The directory of a layer, opened.
pub(super) struct OpenedLayer {
    pub(super) directory: OwnedFd,
    /// Whether it was made for this login.
    pub(super) is_new: bool,
}

impl<'p> Instances<'p> {
    /// None as yet. `owner` is the account whose they are, if it is known.
    pub(super) fn new(owner: Option<Owner>) -> Self {
        Self {
            undo: Undo::default(),
            store: Store::new(owner),
            shown: Vec::new(),
            session_directories: Vec::new(),
        }
    }

    /// The path of the store without links, if it was opened.
    pub(super) fn store_path(&self) -> Option<&str> {
        self.store.path()
    }

    /// Whether a step failed because another login took back a directory that it had made for itself.
    pub(super) fn is_overtaken(&self) -> bool {
        self.store.is_overtaken()
    }

    /// Opens the instance of a step, verified; a missing one is made without a name.
    pub(super) fn open_instance(
        &mut self,
        request: &Request<'_, 'p>,
        view: SessionView<'_, 'p>,
    ) -> Result<OwnedFd> {
        let Request {
            instance,
            covered,
            form,
        } = *request;
        let (path, context) = (instance.directory.as_str(), view.context);
        check_covered(instance, covered.place)?;
        let location = self.locate(request, context)?;
        believed::check_instance(covered, location.replaceable_by, context)?;
        let (opened, status) = match find_instance(&location, instance)? {
            Some(found) => {
                let expected = ExpectedInstance {
                    form,
                    user: context.uid(),
                    is_replaceable: location.replaceable_by == ReplaceableBy::User,
                };
                let status = expected.verify(&found, path)?;
                (found, status)
            }
            None => {
                check_programs(instance, covered.place, location.replaceable_by, view)?;
                let (draft, made) = self.draft(request, &location.parent, context)?;
                self.undo.push_instance(draft, instance);
                let status = examine(&made, path)?;
                (made, status)
            }
        };
        self.note_shown(&status, path, context);
        Ok(opened)
    }

    /// Opens the directory of a layer, root's alone; a missing one is made without a name.
    pub(super) fn open_layer(
        &mut self,
        layer: &'p Instance,
        covered: &Covered<'_, 'p>,
        view: SessionView<'_, 'p>,
    ) -> Result<OpenedLayer> {
        let (path, context) = (layer.directory.as_str(), view.context);
        let request = Request {
            instance: layer,
            covered,
            form: context.permitted_form(form_of_root(LAYER_MODE)),
        };
        let location = self.locate(&request, context)?;
        if location.replaceable_by == ReplaceableBy::User {
            let reason = "it is in a directory of the user's, who could exchange it";
            return Err(Error::new("use the layer", path, reason));
        }
        let opened = match find_instance(&location, layer)? {
            Some(found) => {
                check_layer(&found, request.form, path)?;
                let readable = directory::open_directory(&found, ".");
                OpenedLayer {
                    directory: readable.map_err(|errno| Error::from_errno("open", path, errno))?,
                    is_new: false,
                }
            }
            None => {
                check_programs(layer, covered.place, location.replaceable_by, view)?;
                let (mut draft, made) = self.draft(&request, &location.parent, context)?;
                draft.expect_content();
                self.undo.push_instance(draft, layer);
                OpenedLayer {
                    directory: made,
                    is_new: true,
                }
            }
        };
        self.note_shown(&examine(&opened.directory, path)?, path, context);
        Ok(opened)
    }

    fn note_shown(&mut self, status: &Stat, path: &str, context: &Context<'_>) {
        self.shown.push(ShownPath {
            path: ViewPath::walked(path),
            identity: FileIdentity::of(status),
            // Its owner may change it as they like.
            form: (status.st_uid != context.uid()).then(|| Form::of(status)),
        });
    }

    /// Makes an instance without a name, with its form and label.
    fn draft(
        &mut self,
        request: &Request<'_, 'p>,
        parent: &Rc<OwnedFd>,
        context: &Context<'_>,
    ) -> Result<(Draft, OwnedFd)> {
        let (instance, covered) = (request.instance, request.covered.place);
        let path = instance.directory.as_str();
        let drafted = Draft::directory(parent, request.form, path);
        let (draft, made) = self.store.note_vanished(drafted)?;
        match instance.labelling.own() {
            Some(own) => label::give(&made, &own.context, path)?,
            None => context.label_like(&made, covered, path)?,
        }
        if instance.lifetime == Lifetime::Session {
            let status = examine(&made, path)?;
            self.session_directories.push(SessionDirectory {
                path: instance.directory.clone(),
                view: covered.path.clone(),
                identity: FileIdentity::of(&status),
                enclosed: instance.directory.is_within(&context.plan.store),
            });
        }
        Ok((draft, made))
    }

    /// Opens the directory that holds an instance, or makes it where it is missing.
    fn locate(&mut self, request: &Request<'_, 'p>, context: &Context<'_>) -> Result<Location<'p>> {
        let path = request.instance.directory.as_str();
        let within = path
            .strip_prefix(context.plan.store.as_str())
            .and_then(|rest| rest.strip_prefix('/'));
        match within.and_then(|rest| rest.rsplit_once('/')) {
            Some((below, name)) => Ok(Location {
                parent: self.store.directory(below, context, &mut self.undo)?,
                name,
                replaceable_by: ReplaceableBy::RootAlone,
            }),
            None => self.locate_elsewhere(request, context),
        }
    }

    /// Opens or makes the directory that holds an instance of a store of its rule's own.
    fn locate_elsewhere(
        &mut self,
        request: &Request<'_, 'p>,
        context: &Context<'_>,
    ) -> Result<Location<'p>> {
        let path = request.instance.directory.as_str();
        let (parent, name) = match context.walker.open_parent(path, &[]) {
            Err(missing) if missing.is_missing() => {
                self.make_parent(path, missing, context)?;
                context.walker.open_parent(path, &[])?
            }
            found => found?,
        };
        check_parent(request.instance, &parent, request.form)?;
        if !matches!(context.trust, Trust::Caller(_)) {
            check_alone(&parent, path)?;
        }
        Ok(Location {
            replaceable_by: ReplaceableBy::of_entries_in(&parent),
            parent: parent.descriptor,
            name,
        })
    }

    /// Makes the missing directory that holds an instance, closed to everybody, with the mode that pam_namespace
    /// gives it and insists on. Only root makes directories there: in the user's own, the user can.
    fn make_parent(&mut self, instance: &str, missing: Error, context: &Context<'_>) -> Result<()> {
        let (path, _) = instance.rsplit_once('/').unwrap_or_default();
        let (holder, name) = context.walker.open_parent(path, &[])?;
        if holder.is_users() || matches!(context.trust, Trust::Caller(_)) {
            return Err(missing);
        }
        let (mut draft, _) = Draft::directory(&holder.descriptor, form_of_root(0), path)?;
        if draft.publish(name, path)? == Publication::Done {
            self.undo.push(draft);
        }
        Ok(())
    }

    /// Opens the file that covers hidden files, which is in the store.
    pub(super) fn open_hidden_file(&mut self, context: &Context<'_>) -> Result<OwnedFd> {
        self.store.hidden_file(context, &mut self.undo)
    }

    /// Lets what was made in an instance end with that, if it is a new one.
    pub(super) fn settle_within(&mut self, draft: Draft, instance: &'p Instance) {
        self.undo.push_within(draft, instance);
    }

    /// Lists the instances that have no names yet.
    pub(super) fn unnamed(&mut self) -> impl Iterator<Item = (&mut Draft, &'p Instance)> {
        self.undo.new_instances()
    }

    /// Whether it is one that was made for this login, and has its name.
    pub(super) fn have_published(&self, instance: &Instance) -> bool {
        self.undo.has_published(instance)
    }

    /// Takes their names from the new ones again.
    pub(super) fn withdraw(&mut self) {
        self.undo.withdraw();
    }

    /// Gives the new instances their names; not all of them where another login was first with one.
    ///
    /// What has to be removed then is removed when they are dropped, and that has to be after the way
    /// back: in the new namespace something is mounted in it. That includes an instance that got its name
    /// before the renaming of a later one failed, which takes an I/O error or a full file system.
    pub(super) fn publish(&mut self) -> Result<Publication> {
        while let Some((draft, instance)) = self.undo.next_instance() {
            let path = instance.directory.as_str();
            let name = path.rsplit('/').next().unwrap_or(path);
            if draft.publish(name, path)? == Publication::Preceded {
                self.undo.keep_public();
                return Ok(Publication::Preceded);
            }
            self.undo.have_published(instance);
        }
        Ok(Publication::Done)
    }

    /// Lets everything stay that was made, and moves what appears in the session to what the login gets.
    pub(super) fn stay(&mut self, applied: &mut Applied) {
        self.undo.keep_public();
        applied.instances = std::mem::take(&mut self.shown);
        applied.session_directories = std::mem::take(&mut self.session_directories);
    }
}

fn examine(directory: &OwnedFd, path: &str) -> Result<Stat> {
    rustix::fs::fstat(directory).map_err(|errno| Error::from_errno("examine", path, errno))
}

/// Checks that what an instance's own label and name were made of holds of the directory that is covered in fact.
fn check_covered(instance: &Instance, covered: &Place) -> Result<()> {
    let Some(own) = instance.labelling.own() else {
        return Ok(());
    };
    let present = label::of(covered, &covered.path)?;
    if present.as_ref() == Some(&own.covered) {
        return Ok(());
    }
    let found = present.unwrap_or_else(|| "none".to_owned());
    let reason = format!(
        "its SELinux label is {found}, and was {} a moment before",
        own.covered
    );
    Err(Error::new("cover", &covered.path, reason))
}

/// A place that is an instance; a session's must not be there. It is not opened for reading: SELinux policies let login
/// programs find polyinstantiated directories, and not list them.
fn find_instance(location: &Location<'_>, instance: &Instance) -> Result<Option<OwnedFd>> {
    let path = instance.directory.as_str();
    match walk::find_directory(&location.parent, location.name) {
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

/// Checks that nobody but root can have had a hand in a layer: what is in it shows as the kernel has left it.
fn check_layer(directory: &OwnedFd, form: Form, path: &str) -> Result<()> {
    let status = examine(directory, path)?;
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

/// Refuses a directory where others may make entries. One of them could make somebody's instance before that user's
/// first login, and a sticky bit would keep it there.
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
