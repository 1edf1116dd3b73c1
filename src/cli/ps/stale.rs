//! The comparison of a session's plan with the one that the present policy would give it.

use crate::cli::command::SERVICE;
use crate::cli::source::one_file;
use crate::login::{Login, Needs, Nss, Request, SessionId};
use crate::plan::Plan;
use crate::policy::{Policy, Source};
use crate::session::SessionRecord;
use std::collections::BTreeMap;

/// The policies that were read so far, by the module's `config=`. Nothing stands for one with errors.
#[derive(Debug, Default)]
pub struct Judge(BTreeMap<Option<String>, Option<Policy>>);

impl Judge {
    /// Whether the same login would get another plan now; nothing where no plan can be made, because the
    /// policy has errors or the account is gone.
    /// A command of `jns run` was made by no policy that there is.
    pub fn is_stale(&mut self, session: &SessionRecord) -> Option<bool> {
        if session.service == SERVICE {
            return None;
        }
        let policy = self.policy(session.config.as_deref())?;
        let request = Request {
            user: session.user.clone(),
            service: session.service.clone(),
            tty: session.tty.clone(),
            rhost: session.rhost.clone(),
        };
        let login = login(request, policy.needs(), &session.id)?;
        let plan = Plan::new(policy, &login, &Nss).ok()?;
        Some(plan.digest() != session.plan)
    }

    fn policy(&mut self, config: Option<&str>) -> Option<&Policy> {
        let read = || {
            let source = config.map_or(Source::System, one_file);
            Policy::load(&source).ok().map(|loaded| loaded.policy)
        };
        let known = self.0.entry(config.map(str::to_owned));
        known.or_insert_with(read).as_ref()
    }
}

/// Gathers the facts of the same login, with the session's own name: paths may hold it.
fn login(request: Request, needs: Needs, session: &SessionId) -> Option<Login> {
    let login = Login::gather(request, needs).ok()?;
    Some(Login {
        session: session.clone(),
        ..login
    })
}
