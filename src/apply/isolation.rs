//! The namespaces that a session has of its own besides mounts: looked up and made in the caller's namespaces, taken
//! up in the new ones.

use super::applied::ShownPath;
use super::attributes::like_covered;
use super::covers::PROC;
use super::travel::travel;
use crate::error::{Error, Result};
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::walk::{self};
use crate::kernel::init::{self, Known, Membership};
use crate::kernel::mount::attribute;
use crate::kernel::mount::filesystem;
use crate::kernel::mount::mount_table;
use crate::kernel::mount::{self, Extent, Preparation};
use crate::kernel::namespace::guard::NamespaceGuard;
use crate::kernel::namespace::kind::{Kind, OtherNamespace};
use crate::kernel::namespace::network;
use crate::kernel::process::Process;
use crate::path::ViewPath;
use crate::plan::{Isolation, Network, Plan, Processes};
use crate::policy::value::Attributes;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use std::path::Path;

/// The path where message queues are seen.
const MESSAGE_QUEUES: &str = "/dev/mqueue";

/// The namespaces of a plan besides its mount namespace, as far as they can be had before that.
pub(super) struct OtherNamespaces<'p> {
    isolation: &'p Isolation,
    /// The network namespace that the plan names.
    network: Option<(OtherNamespace, ShownPath)>,
    processes: Option<ProcessTable>,
    /// The first process of the session's own PID namespace, and that this process needs it.
    init: Option<(Process, Known)>,
    membership: Option<Membership>,
}

/// Another /proc than the present one, with what is mounted beneath that: in a container this is what keeps its
/// users from parts of it.
struct ProcessTable {
    mount: OwnedFd,
    beneath: Vec<Beneath>,
}

/// A mount beneath /proc, and the place in the new one where it goes.
struct Beneath {
    path: String,
    mount: OwnedFd,
    at: OwnedFd,
}

impl<'p> OtherNamespaces<'p> {
    /// Looks up what the plan names, and makes what can be made in the caller's namespaces.
    pub(super) fn prepare(plan: &'p Plan) -> Result<Self> {
        let isolation = &plan.isolation;
        let named_network = isolation.network.as_ref().and_then(|wanted| {
            let found = match &wanted.value {
                Network::Named(name) => named(name),
                Network::None | Network::Shared => return None,
            };
            Some(found.map_err(|error| error.at(&wanted.location)))
        });
        let mut namespaces = Self {
            isolation,
            network: named_network.transpose()?,
            processes: None,
            init: None,
            membership: None,
        };
        if let Some(wanted) = &isolation.processes {
            let prepared = namespaces.prepare_processes(&wanted.value, plan);
            prepared.map_err(|error| error.at(&wanted.location))?;
        }
        Ok(namespaces)
    }

    fn prepare_processes(&mut self, wanted: &Processes, plan: &Plan) -> Result<()> {
        let mount = match wanted {
            Processes::Shared => return Ok(()),
            Processes::Hidden => filesystem::hiding_proc(attribute::NO_EXEC, PROC)?,
            Processes::Own => {
                let (init, membership) = init::start()?;
                self.init = Some((init.process, init.known));
                self.membership = Some(membership);
                init.proc
            }
        };
        self.processes = Some(ProcessTable::make(mount, plan)?);
        Ok(())
    }

    /// The kinds of namespaces that are made new.
    pub(super) fn new_kinds(&self) -> Vec<Kind> {
        let Isolation {
            ipc,
            hostname,
            network,
            ..
        } = self.isolation;
        let is_new = |kind: &Kind| match kind {
            Kind::Ipc => ipc.is_some(),
            Kind::Uts => hostname.is_some(),
            Kind::Net => network.is_some() && self.network.is_none(),
        };
        Kind::ALL.into_iter().filter(is_new).collect()
    }

    /// Enters the network that the plan names, and gives the new namespaces what they lack: the host name, the
    /// loopback device.
    pub(super) fn enter(&self, guard: &mut NamespaceGuard) -> Result<()> {
        let Isolation {
            hostname, network, ..
        } = self.isolation;
        if let Some(wanted) = hostname {
            let set = network::set_host_name(&wanted.value);
            set.map_err(|error| error.at(&wanted.location))?;
        }
        if let Some(wanted) = network {
            let up = match &self.network {
                Some((named, _)) => guard.join(named),
                None => network::bring_loopback_up(),
            };
            up.map_err(|error| error.at(&wanted.location))?;
        }
        Ok(())
    }

    /// Attaches what shows the new namespaces, in them.
    pub(super) fn attach(&self) -> Result<()> {
        if let (Some(processes), Some(wanted)) = (&self.processes, &self.isolation.processes) {
            let attached = processes.attach();
            attached.map_err(|error| error.at(&wanted.location))?;
        }
        if let Some(wanted) = &self.isolation.ipc {
            cover_message_queues().map_err(|error| error.at(&wanted.location))?;
        }
        Ok(())
    }

    /// The `/proc` of the session's own, if it has one.
    pub(super) fn proc(&self) -> Option<&OwnedFd> {
        self.processes.as_ref().map(|table| &table.mount)
    }

    /// Lets the children of this process be born in the PID namespace of the session's own.
    pub(super) fn enter_processes(&self) -> Result<()> {
        match &self.membership {
            Some(membership) => membership.enter(),
            None => Ok(()),
        }
    }

    /// The first process of the session's own PID namespace, and that this process needs it.
    pub(super) fn take_init(&mut self) -> (Option<(Process, Known)>, Option<Membership>) {
        (self.init, self.membership.take())
    }

    /// Lists the paths where something is attached.
    pub(super) fn points(&self) -> impl Iterator<Item = ViewPath> {
        let of_processes = self.processes.iter().flat_map(|table| {
            let beneath = table
                .beneath
                .iter()
                .map(|beneath| ViewPath::walked(&beneath.path));
            std::iter::once(ViewPath::walked(PROC)).chain(beneath)
        });
        let queues = self.isolation.ipc.iter();
        of_processes.chain(queues.map(|_| ViewPath::walked(MESSAGE_QUEUES)))
    }

    /// Lists what of the host appears in the session: the network namespace that the plan names.
    pub(super) fn sources(&self) -> impl Iterator<Item = ShownPath> {
        self.network.iter().map(|(_, shown)| shown.clone())
    }
}

fn named(name: &str) -> Result<(OtherNamespace, ShownPath)> {
    let found = network::named(name)?;
    let path = format!("{}/{name}", network::NAMED);
    let status =
        rustix::fs::fstat(&found).map_err(|errno| Error::from_errno("examine", &path, errno))?;
    let shown = ShownPath {
        path: ViewPath::walked(&path),
        identity: FileIdentity::of(&status),
        form: None,
    };
    Ok((found, shown))
}

impl ProcessTable {
    /// Prepares a detached procfs.
    fn make(mount: OwnedFd, plan: &Plan) -> Result<Self> {
        let covered = mount::attributes_of(mount::reopen(PROC)?, PROC)?;
        let safe = attribute::NO_SUID | attribute::NO_DEV | attribute::NO_EXEC;
        let change = like_covered(&Attributes::default(), covered).set(safe);
        mount::prepare(&mount, Preparation::of_private_mount(change), PROC)?;
        let points = points_beneath_proc()?;
        Ok(Self {
            beneath: points
                .into_iter()
                .map(|path| Beneath::copy(path, &mount, plan))
                .collect::<Result<_>>()?,
            mount,
        })
    }

    fn attach(&self) -> Result<()> {
        mount::attach(&self.mount, mount::reopen(PROC)?, PROC)?;
        self.beneath
            .iter()
            .try_for_each(|beneath| mount::attach(&beneath.mount, &beneath.at, &beneath.path))
    }
}

impl Beneath {
    fn copy(path: String, proc: &OwnedFd, plan: &Plan) -> Result<Self> {
        let below = path.trim_start_matches(PROC).trim_start_matches('/');
        let at = walk::open_below(proc, below, OFlags::PATH, Mode::empty())
            .map_err(|errno| Error::from_errno("open", &path, errno))?;
        let mount = mount::clone_tree(mount::reopen(&path)?, Extent::Tree, &path)?;
        let preparation = Preparation::of_travel(Extent::Tree, travel(plan.propagation));
        mount::prepare(&mount, preparation, &path)?;
        Ok(Self { path, mount, at })
    }
}

/// The mount points beneath /proc, without those beneath one another.
fn points_beneath_proc() -> Result<Vec<String>> {
    let table = format!("{PROC}/thread-self/mountinfo");
    let mounts = mount_table::read(&table)
        .map_err(|errno| Error::from_errno("read", "the mounts beneath /proc", errno))?;
    let all = mounts.iter().filter_map(|mount| mount.place().to_str());
    let mut points: Vec<&str> = all.filter(|point| point.starts_with("/proc/")).collect();
    points.sort_unstable();
    let mut paths: Vec<String> = Vec::new();
    for point in points {
        if !paths
            .iter()
            .any(|outer| Path::new(point).starts_with(outer))
        {
            paths.push(point.to_owned());
        }
    }
    Ok(paths)
}

/// A file system of message queues shows those of the IPC namespace that it was made in.
fn cover_message_queues() -> Result<()> {
    let place = match mount::reopen(MESSAGE_QUEUES) {
        Err(absent) if absent.is_missing() || absent.is_loop() => return Ok(()),
        found => found?,
    };
    if !filesystem::is_of_message_queues(&place, MESSAGE_QUEUES)? {
        return Ok(());
    }
    let covered = mount::attributes_of(&place, MESSAGE_QUEUES)?;
    let attributes = like_covered(&Attributes::default(), covered).bits();
    let queues = filesystem::message_queues(attributes, MESSAGE_QUEUES)?;
    mount::attach(&queues, &place, MESSAGE_QUEUES)
}
