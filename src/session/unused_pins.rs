//! The removal of pins that nobody needs any more.

use super::census::Census;
use super::ledger::NamespaceRecord;
use super::pin;
use super::pin_key::PinKey;
use super::runtime::Runtime;
use super::volumes;
use crate::error::Result;
use crate::kernel::namespace::Identity;

/// Removes the pin of a namespace that the calling login has made and is in no more, with its record, unless
/// another login has joined it: then it gives `false`. It is called with the user's lock held, in the
/// namespace that holds the pins, from a process in that of the pin.
///
/// # Errors
///
/// It is not known who is in there, or the pin cannot be removed.
pub fn remove_pin_unless_joined(
    runtime: &Runtime,
    key: &PinKey,
    namespace: Identity,
) -> Result<bool> {
    let record = NamespaceRecord::read(runtime, namespace.inode)?;
    let is_used = |record: &NamespaceRecord| Ok(Census::take()?.is_used(record));
    if record.as_ref().map(is_used).transpose()?.unwrap_or(false) {
        return Ok(false);
    }
    pin::remove(runtime, key)?;
    NamespaceRecord::remove(runtime, namespace.inode)?;
    Ok(true)
}

/// Removes the pin `key` of a namespace that nobody uses, with what is known of it. The pin goes first: a namespace
/// without a record is never left by su(1), but one without a pin only lives as long as its processes.
///
/// # Errors
///
/// Its volumes cannot be closed, or something of it cannot be removed.
pub fn remove_with_record(
    runtime: &Runtime,
    key: &PinKey,
    record: Option<&NamespaceRecord>,
) -> Result<()> {
    if let Some(record) = record {
        volumes::close(runtime, record)?;
    }
    pin::remove(runtime, key)?;
    record.map_or(Ok(()), |record| {
        NamespaceRecord::remove(runtime, record.namespace.inode)
    })
}
