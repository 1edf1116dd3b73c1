//! Network namespaces: those that ip-netns(8) names, and the loopback device of a new one.

use crate::error::{Error, Result};
use crate::kernel::fs::walk::{Trust, Walker, open_below};
use crate::kernel::namespace::kind::{Kind, OtherNamespace};
use crate::kernel::sys;
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// The directory where ip-netns(8) binds network namespaces to names.
pub const NAMED: &str = "/run/netns";

/// The network namespace of that name.
///
/// # Errors
///
/// There is none of that name ([`Error::is_missing`]), others than root could have put it there, or what has
/// the name is no network namespace of this user namespace.
pub fn named(name: &str) -> Result<OtherNamespace> {
    let path = format!("{NAMED}/{name}");
    let failed = |errno| Error::from_errno("open", &path, errno);
    // The directory is missing as well until the first name is given.
    let directory = Walker::new(Trust::Root)?.open_parent(&path, &[]);
    let (directory, name) = directory.map_err(|error| match error.is_missing() {
        true => failed(Errno::NOENT),
        false => error,
    })?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let file = open_below(&directory, name, flags, Mode::empty()).map_err(failed)?;
    let refused = |reason| Error::new("use", &path, reason);
    let found = OtherNamespace::from_file(Kind::Net, file).ok_or_else(|| {
        refused("it is no network namespace; `ip netns` lists those that have a name")
    })?;
    if !found.is_of_own_user_namespace() {
        return Err(refused("it is the network of another user namespace"));
    }
    Ok(found)
}

/// Brings the loopback device of the calling thread's network namespace up.
///
/// # Errors
///
/// CAP_NET_ADMIN is missing, or no socket can be made.
pub(crate) fn bring_loopback_up() -> Result<()> {
    let failed = |errno| Error::from_errno("bring up", "the loopback device", errno);
    // Any socket will do, and there is always this family.
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None);
    sys::bring_loopback_up(socket.map_err(failed)?.as_fd()).map_err(failed)
}

/// Gives the calling thread's UTS namespace a host name.
///
/// # Errors
///
/// sethostname(2) failed.
pub(crate) fn set_host_name(name: &str) -> Result<()> {
    rustix::system::sethostname(name.as_bytes())
        .map_err(|errno| Error::from_errno("set", format_args!("the host name {name}"), errno))
}
