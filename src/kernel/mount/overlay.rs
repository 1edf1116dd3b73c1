//! Overlays: a directory, with what is written to it in a layer of its own (overlayfs).

use crate::error::{Error, Result};
use crate::kernel::fs::directory::{Draft, Form, Publication, open_directory};
use crate::kernel::mount::filesystem::{Recipe, SOURCE};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{FlockOperation, Timespec};
use rustix::io::Errno;
use std::rc::Rc;

/// The part of a layer that holds what is written.
const UPPER: &str = "upper";

/// The part of a layer in which the kernel prepares what is written.
const WORK: &str = "work";

/// An empty directory, for [`Layer::is_in_use`].
const EMPTY: &str = "empty";

/// The number of times that a layer in use is asked for again: an overlay that was just given up takes the kernel a
/// moment.
const TRIES: u32 = 40;

/// Between two tries, in nanoseconds: two seconds in all.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// Root's own directory that holds a layer, opened.
#[derive(Debug)]
pub struct Layer<'a> {
    directory: Rc<OwnedFd>,
    upper: OwnedFd,
    work: OwnedFd,
    empty: OwnedFd,
    path: &'a str,
}

/// Options of an overlay.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The attributes `MOUNT_ATTR_*` of its mount.
    pub attributes: u64,
    /// Whether the layer was made for this overlay, so that no other can write to it.
    pub is_new: bool,
    /// Whether the caller has rights in a user namespace of its own alone, where what the kernel writes down in the
    /// layer has other names (Linux 5.11).
    pub without_rights: bool,
    /// The path where it will be.
    pub path: &'a str,
}

impl<'a> Layer<'a> {
    /// Opens the layer in a directory that nobody but root may use, with the path `path`. In a new one,
    /// the root of what is written gets the form `form`.
    ///
    /// # Errors
    ///
    /// A part of it cannot be opened or made.
    pub fn open(directory: Rc<OwnedFd>, form: Form, path: &'a str) -> Result<Self> {
        let own = Form {
            mode: 0o700,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        };
        Ok(Self {
            upper: part(&directory, UPPER, form, path)?,
            work: part(&directory, WORK, own, path)?,
            empty: part(&directory, EMPTY, own, path)?,
            directory,
            path,
        })
    }

    /// The root of what is written.
    #[must_use]
    pub fn upper(&self) -> &OwnedFd {
        &self.upper
    }

    /// A detached overlay: what is at `lower`, without what is mounted beneath it, with the layer above.
    /// [`layer_of`] finds the layer by its source in mount tables.
    ///
    /// # Errors
    ///
    /// Another overlay writes to the layer, or the kernel refused it, in its own words where it gives any: the
    /// layer may be on a file system that cannot hold one, and before Linux 6.15 `lower` must not be on a
    /// detached mount.
    pub fn mount(&self, lower: &OwnedFd, options: Options<'_>) -> Result<OwnedFd> {
        // The lock comes first: two logins that found the layer free at the same moment would both write to it.
        if !options.is_new {
            self.wait_until(|| self.lock())?;
            self.wait_until(|| Ok(!self.is_in_use(options)?))?;
        }
        let recipe = self.recipe(lower, options)?;
        // The kernel's defaults may be otherwise. An index ties the layer to what was below it at first, and a copy of
        // metadata alone leaves the text of a file below, where it may change (overlayfs).
        recipe.set("index", "off")?;
        recipe.set("metacopy", "off")?;
        recipe.mount(options.attributes).map_err(in_words)
    }

    fn wait_until(&self, holds: impl Fn() -> Result<bool>) -> Result<()> {
        for _ in 0..TRIES {
            if holds()? {
                return Ok(());
            }
            let _ = rustix::thread::nanosleep(&PAUSE);
        }
        let reason = "a session in another namespace writes to it";
        Err(Error::from_errno("use the layer", self.path, Errno::BUSY).because(reason))
    }

    /// Locks the layer from the look for other overlays to the making of this one, until the directory is closed.
    fn lock(&self) -> Result<bool> {
        match rustix::fs::flock(&self.directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
            Err(errno) => Err(Error::from_errno("lock", self.path, errno)),
        }
    }

    /// Whether an overlay writes to the layer. The kernel lets several do that, with results that it does not
    /// define, except to one with an index (overlayfs of Linux 4.13, and seen on 6.18). That one writes down what is
    /// below it, and will have nothing else there: so it has an empty directory.
    fn is_in_use(&self, options: Options<'_>) -> Result<bool> {
        let recipe = self.recipe(&self.empty, options)?;
        recipe.set("index", "on")?;
        // Whatever else is wrong is found again when the overlay is made.
        Ok(recipe.mount(0).is_err_and(|error| error.is_busy()))
    }

    fn recipe<'m>(&self, lower: &OwnedFd, options: Options<'m>) -> Result<Recipe<'m>> {
        let recipe = match self.by_descriptor(lower, options) {
            // Linux before 6.13, or 6.15 for a descriptor of a path alone.
            Err(_) => self.by_path(lower, options)?,
            Ok(recipe) => recipe,
        };
        recipe.set("source", &self.source()?)?;
        if options.without_rights {
            recipe.set_flag("userxattr")?;
        }
        Ok(recipe)
    }

    /// `jns:8:1:/var/lib/jns/user/1000/opt`: the device of the layer distinguishes it from another of that path, a
    /// container's for example.
    fn source(&self) -> Result<String> {
        let status = rustix::fs::fstat(&self.directory)
            .map_err(|errno| Error::from_errno("examine", self.path, errno))?;
        let device = status.st_dev;
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        Ok(format!("{SOURCE}:{major}:{minor}:{}", self.path))
    }

    fn by_descriptor<'m>(&self, lower: &OwnedFd, options: Options<'m>) -> Result<Recipe<'m>> {
        let recipe = begin(options)?;
        recipe.set_file("upperdir", &self.upper)?;
        recipe.set_file("workdir", &self.work)?;
        recipe.set_file("lowerdir+", lower)?;
        Ok(recipe)
    }

    fn by_path<'m>(&self, lower: &OwnedFd, options: Options<'m>) -> Result<Recipe<'m>> {
        let recipe = begin(options)?;
        for (key, file) in [
            ("upperdir", &self.upper),
            ("workdir", &self.work),
            ("lowerdir", lower),
        ] {
            // A path of /proc: the layer's own may lead elsewhere by now, and overlayfs takes a `:` in it for the end of a
            // directory.
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            let set = recipe.set(key, &path);
            set.map_err(|error| self.in_words(error, key))?;
        }
        Ok(recipe)
    }

    /// Names the layer in an error: the kernel, where it says anything, names the descriptor that it does not take.
    fn in_words(&self, error: Error, key: &str) -> Error {
        match error.is_invalid() && key == "upperdir" {
            true => error.because(format_args!(
                "{} is on a file system that holds no layers, as NFS, FUSE and overlays do not",
                self.path
            )),
            false => error,
        }
    }
}

/// The layer of an overlay, from its source in a mount table: the device, as stat(2) numbers it, and the path.
/// Nothing for what is no layer's. In a user namespace of their own, users write there what they like.
#[must_use]
pub(crate) fn layer_of(source: &[u8]) -> Option<(u64, &[u8])> {
    let mut parts = source.splitn(4, |byte| *byte == b':');
    let mut next = || parts.next();
    if next()? != SOURCE.as_bytes() {
        return None;
    }
    let mut number = || std::str::from_utf8(next()?).ok()?.parse().ok();
    let device = rustix::fs::makedev(number()?, number()?);
    Some((device, next()?))
}

fn begin(options: Options<'_>) -> Result<Recipe<'_>> {
    Recipe::new("overlay", "make an overlay for", options.path)
}

/// Adds to an error without a reason where the reason may be found: most of what the kernel has to say about overlays it
/// says in its log alone.
fn in_words(error: Error) -> Error {
    match error.is_bare() && error.is_invalid() {
        true => error.because(
            "the kernel takes no layer on NFS, FUSE or another overlay, and before Linux 6.15 none over what \
             another rule shows; dmesg(1) tells more",
        ),
        false => error,
    }
}

/// Opens a part of a layer, made where it is missing.
fn part(directory: &Rc<OwnedFd>, name: &str, form: Form, path: &str) -> Result<OwnedFd> {
    let path = format!("{path}/{name}");
    let failed = |errno| Error::from_errno("open", &path, errno);
    match open_directory(directory, name) {
        Err(Errno::NOENT) => {}
        found => return found.map_err(failed),
    }
    let (mut draft, made) = Draft::directory(directory, form, &path)?;
    match draft.publish(name, &path)? {
        Publication::Done => {
            draft.keep();
            Ok(made)
        }
        // Another login has made it at the same moment: the layer is locked only when it is mounted.
        Publication::Preceded => open_directory(directory, name).map_err(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_names_the_layer() {
        let table: [(&[u8], Option<&[u8]>); 6] = [
            (
                b"jns:8:1:/var/lib/jns/user/1/opt",
                Some(b"/var/lib/jns/user/1/opt"),
            ),
            (b"jns:8:1:/a:b", Some(b"/a:b")),
            (b"jns:8:/opt", None),
            (b"jns", None),
            (b"other:8:1:/opt", None),
            (b"jns:x:1:/opt", None),
        ];
        for (source, path) in table {
            let expected = path.map(|path| (rustix::fs::makedev(8, 1), path));
            assert_eq!(layer_of(source), expected, "{source:?}");
        }
    }
}
