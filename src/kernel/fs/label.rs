//! The labels that SELinux keeps with files: read and set as the extended attributes that they are, which
//! takes no library.

use crate::error::{Error, Result};
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::{Mode, OFlags, XattrFlags};
use rustix::io::Errno;

/// The attribute that holds a label (xattr(7)).
const ATTRIBUTE: &str = "security.selinux";

/// The longest label in bytes: what the kernel takes at once from `/proc/PID/attr` is a page.
const LONGEST: usize = 4096;

/// The directory where the kernel shows SELinux, and the `SELINUX_MAGIC` of linux/magic.h.
const SELINUX: (&str, u32) = ("/sys/fs/selinux", 0xf97c_ff8c);

/// Whether the kernel has SELinux, and this process can see it: containers usually cannot.
#[must_use]
pub fn is_enforceable() -> bool {
    let (path, magic) = SELINUX;
    let found = rustix::fs::statfs(path);
    // On 32-bit machines it is a negative number.
    found.is_ok_and(|found| found.f_type as u32 == magic)
}

/// Lets the next program that this thread becomes have the context that the policy gives it here, whatever
/// pam_selinux(8) has set for those of the session.
///
/// # Errors
///
/// The error number with which it cannot be said, where there is SELinux.
pub(in crate::kernel) fn forget_program_context() -> Result<(), Errno> {
    if !is_enforceable() {
        return Ok(());
    }
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let context = rustix::fs::open("/proc/thread-self/attr/exec", flags, Mode::empty())?;
    rustix::io::write(&context, &[]).map(drop)
}

/// The label of what is open, even if only as a place (`O_PATH`); nothing where its file system keeps none.
///
/// # Errors
///
/// It cannot be read, or is no text; `path` names the file in the message.
pub fn of(file: impl AsFd, path: &str) -> Result<Option<String>> {
    let itself = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    read(&itself, path)
}

/// The label of what is at `path`, wherever links lead.
///
/// # Errors
///
/// As [`of`].
pub fn at(path: &str) -> Result<Option<String>> {
    read(path, path)
}

fn read(place: &str, path: &str) -> Result<Option<String>> {
    let mut label = vec![0_u8; LONGEST];
    match rustix::fs::getxattr(place, ATTRIBUTE, label.as_mut_slice()) {
        Ok(length) => label.truncate(length),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
        Err(errno) => return Err(Error::from_errno("read the label of", path, errno)),
    }
    // The kernel's labels end with a NUL, those that somebody wrote need not.
    while label.last() == Some(&0) {
        label.pop();
    }
    let text = String::from_utf8(label)
        .map_err(|_| Error::new("read the label of", path, "it is no text"))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// Gives what was made the label `label`.
///
/// # Errors
///
/// SELinux does not let this process, or the file system keeps no labels; `path` names the file in the message.
pub fn give(made: impl AsFd, label: &str, path: &str) -> Result<()> {
    match put(made, label, path)? {
        true => Ok(()),
        false => {
            let reason = "its file system keeps no labels of its own";
            Err(Error::new("give", naming(path, label), reason))
        }
    }
}

/// Gives what was made to stand for `covered` the label of that, where file systems keep labels. Without
/// SELinux, labels are what another system left there, and it is no matter if that fails.
///
/// # Errors
///
/// The label cannot be read, or SELinux does not let this process give it; `path` names the file in the message.
pub fn copy(made: impl AsFd, covered: impl AsFd, path: &str) -> Result<()> {
    let copied = of(covered, path).and_then(|label| match label {
        Some(label) => put(made, &label, path).map(drop),
        None => Ok(()),
    });
    copied.or_else(|error| match is_enforceable() {
        true => Err(error),
        false => Ok(()),
    })
}

/// Whether the file system has taken the label. It does not where it keeps none, or where all of its files have
/// the one that its mount names (mount(8), `context=`).
fn put(made: impl AsFd, label: &str, path: &str) -> Result<bool> {
    if of(&made, path)?.is_some_and(|present| present == label) {
        return Ok(true);
    }
    let value = [label.as_bytes(), &[0]].concat();
    match rustix::fs::fsetxattr(made, ATTRIBUTE, &value, XattrFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP) => Ok(false),
        Err(errno) => Err(Error::from_errno("give", naming(path, label), errno)),
    }
}

fn naming(path: &str, label: &str) -> String {
    format!("{path} the label {label}")
}
