//! Mounts that are left beneath the vault's, where a login was killed while it bound that.

use super::collector::{Collector, Leftover};
use super::remains::Kind;
use crate::error::Result;
use crate::kernel::deadline::Deadline;
use crate::session::lock::Lock;
use crate::session::runtime::Runtime;
use crate::session::vault;

/// The reason why something stays that may be about to go.
const MAKING: &str = "a login makes the vault; the next run looks again";

impl Collector<'_> {
    /// Takes them out of the host's table, of which each is a line until the machine is started again.
    pub(super) fn collect_covers(&mut self, runtime: &Runtime) -> Result<()> {
        if self.request.user.is_some() || vault::count_covers(runtime)? == 0 {
            return Ok(());
        }
        let path = &vault::path();
        let lock = match Lock::of_pins(runtime, &Deadline::none()) {
            Err(error) if error.is_held() => {
                self.leave(Kind::Cover, path, MAKING);
                return Ok(());
            }
            lock => lock?,
        };
        // Again: whoever had the lock was about to take it away.
        if vault::count_covers(runtime)? == 0 {
            return Ok(());
        }
        let reason = "a login was killed while it made the vault";
        let cover = Leftover {
            kind: Kind::Cover,
            path,
            reason,
        };
        self.dispose(cover, || vault::remove_covers(runtime, &lock));
        Ok(())
    }
}
