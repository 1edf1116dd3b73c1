//! A password, for the short time in which it is needed.

use crate::error::{Error, Result};
use crate::kernel::sys::Vault;

/// A few bytes that are wiped when they are dropped. They are never written to disk or into a core file as
/// far as the kernel lets that be had, and a child that the process forks has none of them.
#[derive(Debug)]
pub struct Secret {
    /// A byte that is 1, and what is secret: where that byte is 0, a fork has wiped it.
    vault: Vault,
    length: usize,
}

impl Secret {
    /// Copies the bytes.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let size = bytes.len().saturating_add(1);
        let mut vault =
            Vault::new(size).map_err(|errno| Error::from_errno("keep", "a password", errno))?;
        let copy = std::iter::once(&1).chain(bytes);
        vault
            .bytes_mut()
            .iter_mut()
            .zip(copy)
            .for_each(|(to, from)| *to = *from);
        let length = bytes.len();
        Ok(Self { vault, length })
    }

    /// The bytes; nothing in a process that was forked since.
    #[must_use]
    pub(crate) fn reveal(&self) -> Option<&[u8]> {
        let (mark, bytes) = self.vault.bytes().split_first()?;
        (*mark == 1).then(|| bytes.get(..self.length))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::sys::{Difference, clone_process};

    #[test]
    fn a_secret_is_what_it_was_made_of() {
        for bytes in [&b""[..], b"s", b"a secret with \0 in it", &[7; 10_000]] {
            assert_eq!(Secret::new(bytes).unwrap().reveal(), Some(bytes));
        }
    }

    #[test]
    #[allow(unsafe_code, reason = "what the child does is known here alone")]
    fn a_child_has_none_of_it() {
        let secret = Secret::new(b"of the parent alone").unwrap();
        let child = || {
            let zeros = secret.vault.bytes().iter().all(|byte| *byte == 0);
            i32::from(!zeros || secret.reveal().is_some())
        };
        // SAFETY: the child looks at memory and does nothing else.
        let child = unsafe { clone_process(Difference::None, libc::SIGCHLD, child) }.unwrap();
        let options = rustix::process::WaitOptions::empty();
        let (_, status) = rustix::process::waitpid(Some(child.pid), options)
            .unwrap()
            .unwrap();
        assert_eq!(status.exit_status(), Some(0));
    }
}
