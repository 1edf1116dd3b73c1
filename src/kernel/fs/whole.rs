//! Bytes of open files, read and written whole, however many calls that takes.

use rustix::buffer::spare_capacity;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

/// Reads to the end, but no more than one byte past `limit`. `size` is the number of bytes that the file had.
///
/// # Errors
///
/// The error number of read(2).
pub(in crate::kernel) fn read_whole(
    file: &OwnedFd,
    size: i64,
    limit: usize,
) -> Result<Vec<u8>, Errno> {
    /// The room for a file whose size says nothing, as in /proc.
    const LEAST: usize = 512;
    let (size, most) = (usize::try_from(size).unwrap_or(0), limit.saturating_add(1));
    let mut text = Vec::with_capacity(size.saturating_add(1).clamp(LEAST, most.max(LEAST)));
    loop {
        let room = text.capacity().saturating_sub(text.len());
        let count = match rustix::io::read(file, spare_capacity(&mut text)) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        // A regular file gives less than it is asked for at its end alone (read(2)).
        let is_end = count == 0 || (count < room && text.len() == size);
        if is_end || text.len() >= most {
            break;
        }
        text.reserve(1);
    }
    text.truncate(most);
    Ok(text)
}

/// Writes all of `bytes`.
///
/// # Errors
///
/// The error number of write(2); EIO: the file takes no more.
pub(in crate::kernel) fn write_whole(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Err(Errno::INTR) => {}
            Ok(0) => return Err(Errno::IO),
            count => bytes = bytes.get(count?..).unwrap_or_default(),
        }
    }
    Ok(())
}
