//! The trial of a plan: whether this machine would carry it out for a login.

use crate::apply::{Trial, USER_MANAGER, try_plan};
use crate::error::Result;
use crate::kernel::deadline::Deadline;
use crate::kernel::process::secret::Secret;
use crate::login::{Login, is_effective_root};
use crate::plan::Plan;
use crate::policy::Policy;
use crate::session::subject_of;

/// A plan as this machine would carry it out, as far as that can be seen.
#[derive(Debug)]
pub enum Tried {
    /// What a login would meet.
    Done(Trial),
    /// Nothing was tried, for this reason.
    NotPossible(&'static str),
}

impl Tried {
    /// Tries the plan of a login.
    pub fn of(plan: &Result<Plan>, login: &Login, policy: &Policy) -> Self {
        match plan {
            Err(_) => Self::NotPossible("there is no plan"),
            Ok(_) if !is_effective_root() => Self::NotPossible(
                "only root can see whether this machine has what it needs; ask as root",
            ),
            Ok(plan) => Self::Done(tried(plan, login, policy).unwrap_or_else(|error| Trial {
                refusal: Some(error),
                ..Trial::default()
            })),
        }
    }
}

fn tried(plan: &Plan, login: &Login, policy: &Policy) -> Result<Trial> {
    // Whether a login has the password depends on how the user proves who they are; a manager has none.
    let password = Secret::new(b"")?;
    let known = Some(&password).filter(|_| login.service != USER_MANAGER);
    let deadline = deadline_of(login, policy);
    let subject = subject_of(login, plan.helpers(), known, &deadline)?;
    Ok(try_plan(plan, &subject))
}

/// The deadline of a login that begins now.
pub fn deadline_of(login: &Login, policy: &Policy) -> Deadline {
    let set = policy.settings.deadline;
    login.deadline(set, &Deadline::after(set))
}
