//! Commands that somebody runs as somebody else in their session, by sudo(8) or su(1): they get the target's view with
//! the caller's directories in it.

use super::{Admission, Origin, now, write};
use crate::apply::SessionGuard;
use crate::error::{Error, Result};
use crate::kernel::callers_directories::{Attached, CallersDirectories, Host};
use crate::kernel::mount::Travel;
use crate::kernel::namespace::{Identity, Namespace, Root, check_capabilities};
use crate::kernel::namespace_guard::AtOrigin;
use crate::kernel::volume::Opening;
use crate::kernel::working_directory::WorkingDirectory;
use crate::login::Login;
use crate::session::origin::Caller;
use crate::session::{NamespaceRecord, Runtime};
use std::collections::BTreeMap;

/// A command that is called in a session, and clones of that session's directories.
#[derive(Debug)]
pub struct Command<'c> {
    caller: &'c Caller,
    host: Host,
    directories: CallersDirectories,
}

impl<'c> Command<'c> {
    /// Clones the directories of the caller's session, which the thread has left for where that came from.
    ///
    /// # Errors
    ///
    /// It may not do that, the session cannot be entered again, or one of them cannot be cloned.
    pub fn of(caller: &'c Caller) -> Result<Self> {
        check_capabilities()?;
        let host = Host::read()?;
        let record = &caller.record;
        let attached = Attached {
            all: &record.attached,
            inherited: &record.inherited,
        };
        let clone = || CallersDirectories::clone_here(&host, attached);
        // What is attached in a namespace can be cloned from inside it alone (open_tree(2)).
        let here = Namespace::own()?;
        let directories = match caller.guard.work(&here, record.root, clone)? {
            AtOrigin::Done(cloned) => cloned?,
            AtOrigin::NotLeft(error) => return Err(error),
            AtOrigin::Elsewhere => {
                let reason = "its root directory is not that of its namespace";
                return Err(Error::new("enter", "the caller's session", reason));
            }
        };
        Ok(Self {
            caller,
            host,
            directories,
        })
    }

    /// Shows them in the view that the target was admitted to, or in the host's where that is none. Where other logins
    /// of the target share the view, the command gets a copy of it.
    ///
    /// # Errors
    ///
    /// There is no namespace to be had, one of the directories has no place in the view, or the working directory
    /// cannot be kept. The thread is then where it was before it was admitted.
    pub fn show_in(
        self,
        admission: Admission,
        login: &Login,
        directory: &WorkingDirectory,
    ) -> Result<Admission> {
        if admission.session_guard.is_none() {
            return self.show_on_host(admission, login, directory);
        }
        // The target is the caller, whose other logins share the very session.
        if admission.namespace == self.caller.record.namespace {
            return Ok(admission);
        }
        self.show_in_view(admission, directory)
    }

    fn show_in_view(
        mut self,
        mut admission: Admission,
        directory: &WorkingDirectory,
    ) -> Result<Admission> {
        let (namespace, root) = match self.enter_copy(&mut admission, directory) {
            Ok(entered) => entered,
            Err(error) => {
                admission.roll_back();
                return Err(error);
            }
        };
        let record = admission.record.take().map(|record| NamespaceRecord {
            root,
            // Those of a namespace that was copied are closed with that.
            volumes: match record.namespace == namespace {
                true => record.volumes,
                false => Vec::new(),
            },
            ..record
        });
        Ok(self.note(admission, record, namespace))
    }

    fn enter_copy(
        &mut self,
        admission: &mut Admission,
        directory: &WorkingDirectory,
    ) -> Result<(Identity, Root)> {
        let has_own_root = admission.has_own_root();
        let Some(session_guard) = &mut admission.session_guard else {
            return Ok((admission.namespace, Root::own()?));
        };
        if admission.joined || admission.pinned.is_some() {
            self.directories
                .attach_in_copy(&self.host, &session_guard.guard, Travel::FromHost)?;
            session_guard.namespaces.mount = Namespace::own()?;
        } else {
            self.directories.attach_here()?;
        }
        match has_own_root {
            true => directory.restore_within_new_root()?,
            false => directory.restore()?,
        }
        Ok((session_guard.namespaces.mount.identity(), Root::own()?))
    }

    /// Gives the target, who has no view of their own, the host's with the caller's directories.
    fn show_on_host(
        mut self,
        mut admission: Admission,
        login: &Login,
        directory: &WorkingDirectory,
    ) -> Result<Admission> {
        let origin = Runtime::open().and_then(Origin::of)?;
        let guard = self.directories.enter_hosts_view(&self.host)?;
        let namespaces = guard.present()?;
        directory.restore()?;
        let record = NamespaceRecord {
            namespace: namespaces.mount.identity(),
            user: login.user.clone(),
            uid: login.uid,
            home: login.home.clone(),
            pin: None,
            origin: origin.namespace,
            origin_root: origin.root,
            root: Root::own()?,
            companions: Vec::new(),
            isolation: BTreeMap::new(),
            init: None,
            plan: String::new(),
            paths: Vec::new(),
            attached: Vec::new(),
            inherited: Vec::new(),
            caller: None,
            is_hosts_view: true,
            store: self.caller.record.store.clone(),
            instances: Vec::new(),
            sources: Vec::new(),
            kept: Vec::new(),
            missing: Vec::new(),
            volumes: Vec::new(),
            made: now(),
        };
        admission.runtime = Some(origin.runtime);
        admission.process = origin.process;
        admission.session_guard = Some(SessionGuard {
            opening: Opening::default(),
            membership: None,
            namespaces,
            guard,
        });
        let namespace = record.namespace;
        Ok(self.note(admission, Some(record), namespace))
    }

    /// Writes the record of the command's namespace, without which nobody finds back to the host from there.
    fn note(
        mut self,
        mut admission: Admission,
        record: Option<NamespaceRecord>,
        namespace: Identity,
    ) -> Admission {
        let paths: Vec<String> = self.directories.paths().map(str::to_owned).collect();
        let caller = &self.caller.record;
        // In a command of a command, they are still those of the first one's caller.
        let user = caller.caller.as_ref().unwrap_or(&caller.user).clone();
        if let (Some(record), Some(runtime)) = (record, &admission.runtime) {
            let record = NamespaceRecord {
                namespace,
                pin: None,
                paths: with(record.paths, &paths),
                attached: with(record.attached, &paths),
                inherited: with(record.inherited, &paths),
                // Nobody may remove what it shows.
                instances: [record.instances, caller.instances.clone()].concat(),
                caller: Some(user.clone()),
                made: now(),
                ..record
            };
            write(&record, runtime);
            admission.record = Some(record);
        }
        admission.namespace = namespace;
        admission.joined = false;
        admission.caller = Some(user);
        admission.notes.extend(self.directories.take_notes());
        admission.paths = with(admission.paths, &paths);
        admission
    }
}

/// The paths, and those of `more` that are not among them.
fn with(mut paths: Vec<String>, more: &[String]) -> Vec<String> {
    let new = more.iter().filter(|path| !paths.contains(path));
    let new: Vec<String> = new.cloned().collect();
    paths.extend(new);
    paths
}

impl Admission {
    /// The host's own view, for an account that has no other.
    ///
    /// # Errors
    ///
    /// The kernel does not say which namespace this is.
    pub fn to_hosts_view() -> Result<Self> {
        Ok(Self {
            namespace: Namespace::own()?.identity(),
            joined: false,
            paths: Vec::new(),
            record: None,
            caller: None,
            notes: Vec::new(),
            session_directories: Vec::new(),
            runtime: None,
            process: None,
            leave: None,
            looks_older: false,
            pinned: None,
            ending: None,
            session_guard: None,
        })
    }
}
