//! Commands that somebody runs as somebody else in their session, by sudo(8) or su(1): they get the target's view with
//! the caller's directories in it.

use super::clock::now;
use super::create::write;
use super::ledger::NamespaceRecord;
use super::namespace::SessionNamespace;
use super::origin::{Caller, Origin};
use super::runtime::Runtime;
use crate::apply::SessionGuard;
use crate::error::{Error, Result};
use crate::kernel::fs::working_directory::WorkingDirectory;
use crate::kernel::mount::Travel;
use crate::kernel::mount::callers_directories::{Attached, CallersDirectories, Host};
use crate::kernel::mount::volume::Opening;
use crate::kernel::namespace::guard::{AtOrigin, NamespaceGuard};
use crate::kernel::namespace::{Identity, Namespace, Root, check_capabilities};
use crate::login::Login;
use crate::path::ViewPath;
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
        let clone = |_: &NamespaceGuard| CallersDirectories::clone_here(&host, attached);
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
        session: SessionNamespace,
        login: &Login,
        directory: &WorkingDirectory,
    ) -> Result<SessionNamespace> {
        if session.session_guard.is_none() {
            return self.show_on_host(session, login, directory);
        }
        // The target is the caller, whose other logins share the very session.
        if session.namespace == self.caller.record.namespace {
            return Ok(session);
        }
        self.show_in_view(session, directory)
    }

    fn show_in_view(
        mut self,
        mut session: SessionNamespace,
        directory: &WorkingDirectory,
    ) -> Result<SessionNamespace> {
        let (namespace, root) = match self.enter_copy(&mut session, directory) {
            Ok(entered) => entered,
            Err(error) => {
                session.roll_back();
                return Err(error);
            }
        };
        let record = session.record.take().map(|record| NamespaceRecord {
            root,
            // Those of a namespace that was copied are closed with that.
            volumes: match record.namespace == namespace {
                true => record.volumes,
                false => Vec::new(),
            },
            ..record
        });
        Ok(self.note(session, record, namespace))
    }

    fn enter_copy(
        &mut self,
        session: &mut SessionNamespace,
        directory: &WorkingDirectory,
    ) -> Result<(Identity, Root)> {
        let has_own_root = session.has_own_root();
        let Some(session_guard) = &mut session.session_guard else {
            return Ok((session.namespace, Root::own()?));
        };
        if session.joined || session.pinned.is_some() {
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
        mut session: SessionNamespace,
        login: &Login,
        directory: &WorkingDirectory,
    ) -> Result<SessionNamespace> {
        let origin = Runtime::open().and_then(|runtime| Origin::of(runtime, None))?;
        let guard = self.directories.enter_hosts_view(&self.host)?;
        let namespaces = guard.present()?;
        directory.restore()?;
        let record = NamespaceRecord {
            namespace: namespaces.mount.identity(),
            user: login.user.clone(),
            uid: login.uid,
            home: login.home.clone(),
            pin: None,
            unpinned: None,
            vault: None,
            origin: origin.place.namespace,
            origin_root: origin.place.root,
            root: Root::own()?,
            companions: Vec::new(),
            isolation: BTreeMap::new(),
            init: None,
            plan: None,
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
            runtime_directory: None,
            made: now(),
            unused_since: None,
        };
        session.runtime = Some(origin.runtime);
        session.process = origin.process;
        session.session_guard = Some(SessionGuard {
            opening: Opening::default(),
            membership: None,
            namespaces,
            guard,
        });
        let namespace = record.namespace;
        Ok(self.note(session, Some(record), namespace))
    }

    /// Writes the record of the command's namespace, without which nobody finds back to the host from there.
    fn note(
        mut self,
        mut session: SessionNamespace,
        record: Option<NamespaceRecord>,
        namespace: Identity,
    ) -> SessionNamespace {
        let paths: Vec<ViewPath> = self.directories.paths().map(ViewPath::walked).collect();
        let caller = &self.caller.record;
        // In a command of a command, they are still those of the first one's caller.
        let user = caller.caller.as_ref().unwrap_or(&caller.user).clone();
        if let (Some(record), Some(runtime)) = (record, &session.runtime) {
            let record = NamespaceRecord {
                namespace,
                pin: None,
                unpinned: None,
                vault: None,
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
            session.record = Some(record);
        }
        session.namespace = namespace;
        session.joined = false;
        session.caller = Some(user);
        session.notes.extend(self.directories.take_remarks());
        session.paths = with(session.paths, &paths);
        session
    }
}

/// The paths, and those of `more` that are not among them.
fn with(mut paths: Vec<ViewPath>, more: &[ViewPath]) -> Vec<ViewPath> {
    for path in more {
        if !paths.contains(path) {
            paths.push(path.clone());
        }
    }
    paths
}
