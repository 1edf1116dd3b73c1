//! The collector of what sessions have left behind: it looks at the processes there are, and removes what none of them
//! needs.
//!
//! Everything here may be interrupted at any point, and leaves nothing then that the next run cannot remove.
//! What is removed is looked at again under the lock that whoever might begin to use it takes.

mod collector;
mod directory;
mod expiry;
mod mounts;
mod pins;
mod records;
mod remains;
mod session_directories;
mod store;

use crate::error::Result;
use crate::session::lock::Lock;
use crate::session::runtime::Runtime;
use collector::Collector;
use records::Ledger;

pub use collector::{IsDeleted, Request};
pub use remains::{Disposal, Kind, Remains};

/// Collects what sessions have left behind.
///
/// It is called in the namespace that sessions come from; pins can be removed nowhere else.
///
/// # Errors
///
/// Nothing can be found out at all, or another collection is under way. What goes wrong with one thing is that thing's [`Disposal`].
pub fn collect(request: &Request<'_>) -> Result<Vec<Remains>> {
    let mut collector = Collector::new(request)?;
    let runtime = if request.dry_run {
        Runtime::find()?
    } else {
        Some(Runtime::open()?)
    };
    // Another one would take for abandoned what this one is about to remove.
    let alone = runtime.as_ref().filter(|_| !request.dry_run);
    let _alone = alone.map(Lock::to_collect).transpose().map_err(|error| {
        let held = error.is_held();
        if held {
            error.because("another jns gc is under way")
        } else {
            error
        }
    })?;
    let mut ledger = Ledger::read(runtime.as_ref())?;
    if let Some(runtime) = &runtime {
        let namespaces = collector.collect_pins(runtime, &ledger);
        collector.note_failure(Kind::Pin, namespaces);
        let sessions = collector.find_ended_sessions(&mut ledger);
        collector.note_failure(Kind::Session, sessions);
        let volumes = collector.collect_volumes(runtime, &ledger);
        collector.note_failure(Kind::Volume, volumes);
    }
    for path in ledger.stores(request.stores) {
        let collected = collector.collect_store(&path, &ledger);
        collector.note_failure(Kind::SessionDirectory, collected);
    }
    if let Some(runtime) = &runtime {
        let left = collector.collect_session_directories(&ledger);
        collector.collect_records(runtime, &ledger, &left);
        let collected = collector.collect_temporaries(runtime);
        collector.note_failure(Kind::Temporary, collected);
    }
    Ok(collector.found)
}
