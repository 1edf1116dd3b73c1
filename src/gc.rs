//! The collector of what sessions have left behind: it looks at the processes there are, and removes what none of them
//! needs.
//!
//! Everything here may be interrupted at any point, and leaves nothing then that the next run cannot remove.
//! What is removed is looked at again under the lock that whoever might begin to use it takes.

mod collector;
mod covers;
mod directory;
mod expiry;
mod linger;
mod mounts;
mod pins;
mod records;
mod remains;
mod runtime_directories;
mod session_directories;
mod store;

use crate::error::Result;
use crate::session::lock::Lock;
use crate::session::runtime::Runtime;
use collector::Collector;
use records::Ledger;
use std::collections::BTreeSet;

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
    let _alone = match alone.map(Lock::to_collect).transpose() {
        // The other one, or the next one, looks at that user too.
        Err(error) if error.is_held() && request.user.is_some() => return Ok(Vec::new()),
        Err(error) if error.is_held() => return Err(error.because("another jns gc is under way")),
        alone => alone?,
    };
    let mut ledger = Ledger::read(runtime.as_ref(), request.user)?;
    if let Some(runtime) = &runtime {
        let covers = collector.collect_covers(runtime);
        collector.note_failure(Kind::Cover, covers);
        let namespaces = collector.collect_pins(runtime, &ledger);
        collector.note_failure(Kind::Pin, namespaces);
        let directories = collector.detach_runtime_directories(runtime, &ledger);
        collector.note_failure(Kind::Pin, directories);
        let sessions = collector.find_ended_sessions(&mut ledger);
        collector.note_failure(Kind::Session, sessions);
        let volumes = collector.collect_volumes(runtime, &ledger);
        collector.note_failure(Kind::Volume, volumes);
    }
    let stores = match request.user {
        Some(_) => BTreeSet::new(),
        None => ledger.stores(request.stores),
    };
    for path in stores {
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
