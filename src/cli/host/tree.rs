//! The files of the system that is examined: this one's, or those of one that is installed under another
//! directory, whose links then stay within it.

use rustix::fs::{self, CWD, Mode, OFlags, ResolveFlags, Stat, StatFs, StatVfs};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// More than any configuration file has, and little enough to read.
const LIMIT: u64 = 1 << 20;

/// A system's files.
#[derive(Debug)]
pub struct Tree {
    root: Option<OwnedFd>,
}

impl Tree {
    /// The running system.
    pub fn host() -> Self {
        Self { root: None }
    }

    /// The system installed under `directory`.
    ///
    /// # Errors
    ///
    /// The directory cannot be opened.
    pub fn under(directory: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::open(directory, flags, Mode::empty())?;
        Ok(Self { root: Some(root) })
    }

    /// A system with these files and no others, by their paths beneath its root and their texts, as long as the directory
    /// lives.
    #[cfg(test)]
    pub fn of_files<'f>(
        files: impl IntoIterator<Item = (impl AsRef<Path>, &'f str)>,
    ) -> (tempfile::TempDir, Self) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let tree = Self::under(root.path()).unwrap();
        (root, tree)
    }

    /// Whether this is the running system.
    pub fn is_host(&self) -> bool {
        self.root.is_none()
    }

    /// The text of a regular file, as far as a configuration file may be long; what is not UTF-8 in it is
    /// replaced.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no regular file.
    pub fn read(&self, path: &str) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.file(path)?.take(LIMIT).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A regular file, to be read.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is no regular file.
    pub fn file(&self, path: &str) -> io::Result<File> {
        // Without O_NONBLOCK, opening a FIFO would wait for somebody to write into it.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.open(path, flags)?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(file)
    }

    /// The names in a directory, sorted; none if it cannot be read.
    pub fn list(&self, path: &str) -> Vec<String> {
        self.entries(path).unwrap_or_default()
    }

    /// The names in a directory, sorted; none if there is no such directory.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn entries(&self, path: &str) -> io::Result<Vec<String>> {
        let directory = present(self.open(path, OFlags::RDONLY | OFlags::DIRECTORY))?;
        let listed = directory.map(|directory| names_in(directory.as_fd()));
        let mut names = listed.transpose()?.unwrap_or_default();
        names.sort();
        Ok(names)
    }

    /// Facts about what `path` leads to.
    ///
    /// # Errors
    ///
    /// It does not exist or cannot be reached.
    pub fn stat(&self, path: &str) -> io::Result<Stat> {
        Ok(fs::fstat(self.open(path, OFlags::PATH)?)?)
    }

    /// Finds facts about what `path` leads to; nothing where nothing is.
    ///
    /// # Errors
    ///
    /// It cannot be reached.
    pub fn find(&self, path: &str) -> io::Result<Option<Stat>> {
        present(self.stat(path))
    }

    /// The file system that `path` lies on: its kind, and its space and flags.
    ///
    /// # Errors
    ///
    /// As [`Tree::stat`].
    pub fn file_system(&self, path: &str) -> io::Result<(StatFs, StatVfs)> {
        let file = self.open(path, OFlags::PATH)?;
        Ok((fs::fstatfs(&file)?, fs::fstatvfs(&file)?))
    }

    /// Whether something is there.
    pub fn exists(&self, path: &str) -> bool {
        self.stat(path).is_ok()
    }

    fn open(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        Ok(match &self.root {
            None => fs::openat(CWD, path, flags, Mode::empty())?,
            Some(root) => fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)?,
        })
    }
}

fn names_in(directory: BorrowedFd<'_>) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::Dir::read_from(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn present<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    use io::ErrorKind::{NotADirectory, NotFound};
    match found {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(None),
        found => found.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_within_the_root() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/real"), "inside").unwrap();
        std::os::unix::fs::symlink("/etc/real", root.path().join("etc/link")).unwrap();
        std::os::unix::fs::symlink("/../../../etc/passwd", root.path().join("etc/out")).unwrap();
        let tree = Tree::under(root.path()).unwrap();
        assert_eq!(tree.read("/etc/link").unwrap(), "inside");
        assert!(tree.read("/etc/out").is_err());
        assert_eq!(tree.list("/etc"), ["link", "out", "real"]);
    }

    #[test]
    fn what_is_no_regular_file_is_not_read() {
        let tree = Tree::host();
        assert!(tree.read("/dev/null").is_err());
        assert!(tree.read("/etc").is_err());
        assert!(tree.list("/nonexistent").is_empty());
    }
}
