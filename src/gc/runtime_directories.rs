//! Runtime directories of users who have left, in namespaces that last: systemd-logind has removed them on the host.

use super::collector::Collector;
use super::records::Ledger;
use super::remains::Kind;
use crate::error::Result;
use crate::session::NamespaceRecord;
use crate::session::pin::Pins;
use crate::session::runtime::Runtime;
use crate::session::runtime_directory::{detach_gone, is_gone};

impl Collector<'_> {
    /// Takes them out of pinned namespaces, so that they end. A login that joins one gets the user's next one.
    pub(super) fn detach_runtime_directories(
        &mut self,
        runtime: &Runtime,
        ledger: &Ledger,
    ) -> Result<()> {
        if self.request.dry_run {
            return Ok(());
        }
        let pins = Pins::find(runtime)?;
        for (_, record) in ledger.with_pin() {
            let detached = self.detach_runtime_directory(runtime, &pins, record);
            self.note_failure(Kind::Pin, detached);
        }
        Ok(())
    }

    fn detach_runtime_directory(
        &self,
        runtime: &Runtime,
        pins: &Pins,
        record: &NamespaceRecord,
    ) -> Result<()> {
        if !is_gone(record) {
            return Ok(());
        }
        let Some(_lock) = self.try_lock(runtime, record.uid)? else {
            return Ok(());
        };
        // Again: whoever had the lock may have had it made.
        match pins.namespace_of(record)? {
            Some(namespace) if is_gone(record) => detach_gone(record, &namespace),
            Some(_) | None => Ok(()),
        }
    }
}
