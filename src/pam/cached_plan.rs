//! The quick way to a shared namespace: what shaped a plan is written down, and while none of it changes the next
//! login of that user by that service need not read the policy to know what its plan would be.

use super::hooks::{Preparation, SessionHook};
use super::judgement::PlannedLogin;
use crate::error::Result;
use crate::kernel::deadline::Deadline;
use crate::login::{GroupName, Login, Needs};
use crate::plan::{Helper, PlanDigest, Sharing};
use crate::policy::source::{self, Watched};
use crate::policy::{Dependence, Elsewhere, Sha256, Source};
use crate::session::{CACHED_PLANS, PolicyFile, Runtime};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The number of hexadecimal digits of a digest in the name of a cached plan.
const DIGITS: usize = 16;

/// The largest cached plan, in bytes: a terminal or a remote host of any length can be in it.
const LARGEST: usize = 64 * 1024;

/// The facts that shaped a plan, and what the login needs of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CachedPlan {
    /// This module's, which may make another plan of the same policy than an older one, and have another
    /// built-in policy.
    version: String,
    /// The paths that decide what the policy says, as they were before it was read.
    watched: Vec<Watched>,
    /// The facts that the policy asks for, besides those that every policy does.
    needs: Needs,
    dependence: Dependence,
    facts: Facts,
    /// The summary of the plan.
    pub summary: PlanSummary,
}

/// The facts of a login that its plan depends on.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Facts {
    user: String,
    uid: u32,
    gid: u32,
    home: String,
    service: String,
    config: Option<String>,
    /// The names and ids of its groups, or of the primary one, where the policy asks for them.
    groups: Option<Vec<(u32, String)>>,
    /// The terminal and the remote host, where some rule asks for them.
    tty: Option<Option<String>>,
    rhost: Option<Option<String>>,
}

/// The part of its plan that a login needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlanSummary {
    /// The plan's digest.
    pub plan: PlanDigest,
    /// The session's environment.
    pub environment: Vec<(String, String)>,
    /// The files of the policy.
    pub policy: Vec<PolicyFile>,
    /// The programs that are run for each session.
    pub hooks: Vec<SessionHook>,
    /// The programs that prepare what the session is shown.
    pub inits: Vec<Preparation>,
    /// Whether the plan has volumes.
    pub has_volumes: bool,
    /// Whether the policy leaves sessions alone that begin in another namespace than the host's.
    pub leaves_elsewhere: bool,
    /// `settings.deadline`.
    pub deadline: Duration,
    /// Whether sessions of that service are commands in their callers' and find the callers' directories.
    pub inherits: bool,
}

/// Finds what is known of the plan of this login; nothing where it may be another one by now.
///
/// # Errors
///
/// It cannot be read, or the account database failed.
pub(super) fn find(
    runtime: &Runtime,
    login: &Login,
    source: &Source,
    deadline: &Deadline,
) -> Result<Option<PlanSummary>> {
    let Some(bytes) = runtime.read(&format!("{CACHED_PLANS}/{}", name(login, source)))? else {
        return Ok(None);
    };
    // One that another version wrote is as good as none.
    let Ok(cached) = serde_json::from_slice::<CachedPlan>(&bytes) else {
        return Ok(None);
    };
    if cached.version != version() || !source::are_unchanged(&cached.watched, deadline) {
        return Ok(None);
    }
    let login = login.clone().with_until(deadline, cached.needs)?;
    let facts = Facts::of(&login, source, cached.needs, cached.dependence);
    Ok((facts == cached.facts).then_some(cached.summary))
}

fn version() -> String {
    /// Tells one built-in policy from another, by FNV-1a, which the compiler can compute.
    const BUILT_IN: u64 = {
        let text = source::BUILT_IN.as_bytes();
        let (mut hash, mut rest) = (0xcbf2_9ce4_8422_2325_u64, text);
        while let [byte, behind @ ..] = rest {
            hash = (hash ^ *byte as u64).wrapping_mul(0x100_0000_01b3);
            rest = behind;
        }
        hash
    };
    format!("{} {BUILT_IN:016x}", env!("CARGO_PKG_VERSION"))
}

/// Writes down what shaped the plan, unless it depends on something that is not compared, or the policy was
/// changed so lately that its next change could look the same.
///
/// # Errors
///
/// It cannot be written.
pub(super) fn write(
    runtime: &Runtime,
    source: &Source,
    planned: &PlannedLogin,
    summary: &PlanSummary,
) -> Result<()> {
    let PlannedLogin {
        login,
        plan,
        loaded,
        watched,
    } = planned;
    let now = i64::try_from(crate::session::clock::now()).unwrap_or(0);
    let settled = |(_, version): &Watched| version.is_none_or(|version| version.is_settled(now));
    let (needs, dependence) = (loaded.policy.needs(), loaded.policy.dependence());
    let of_session = |text: &str| text.contains(login.session.as_str());
    let mut words = plan.hooks.iter().flat_map(|hook| &hook.helper.argv);
    let lasting = plan.sharing == Sharing::User
        && !plan
            .environment
            .values()
            .any(|variable| of_session(&variable.value))
        && !words.any(|word| of_session(word));
    if dependence.accounts || dependence.labels || !lasting || !watched.iter().all(settled) {
        return Ok(());
    }
    let cached = CachedPlan {
        version: version(),
        watched: watched.clone(),
        needs,
        dependence,
        facts: Facts::of(login, source, needs, dependence),
        summary: summary.clone(),
    };
    let bytes = serde_json::to_vec(&cached).unwrap_or_default();
    if bytes.len() > LARGEST {
        return Ok(());
    }
    runtime.write(CACHED_PLANS, &name(login, source), &bytes)
}

/// One for each user and service, so that a user's sshd and cron do not replace each other's.
fn name(login: &Login, source: &Source) -> String {
    let digest = Sha256::of(format!("{:?} {source:?}", login.service).as_bytes());
    format!("{}-{digest:.DIGITS$}", login.uid)
}

impl Facts {
    fn of(login: &Login, source: &Source, needs: Needs, dependence: Dependence) -> Self {
        let named = |group: &GroupName| (group.gid, group.name.clone());
        let asked = needs.groups || needs.group_name;
        Self {
            user: login.user.clone(),
            uid: login.uid,
            gid: login.gid,
            home: login.home.clone(),
            service: login.service.clone(),
            config: config(source),
            groups: asked.then(|| login.groups.iter().map(named).collect()),
            tty: dependence.tty.then(|| login.tty.clone()),
            rhost: dependence.rhost.then(|| login.rhost.clone()),
        }
    }
}

impl PlanSummary {
    /// The programs that are run for each session.
    pub(super) fn helpers(&self) -> impl Iterator<Item = &Helper> {
        let inits = self.inits.iter().map(|init| &init.helper);
        self.hooks.iter().map(|hook| &hook.helper).chain(inits)
    }

    /// Keeps of a plan what later logins need to know.
    pub(super) fn of(planned: &PlannedLogin) -> Self {
        let PlannedLogin {
            login: _,
            plan,
            loaded,
            watched: _,
        } = planned;
        let variables = plan.environment.iter();
        let file = |(path, sha256): &(String, Sha256)| PolicyFile {
            path: path.clone(),
            sha256: sha256.clone(),
        };
        Self {
            plan: plan.digest(),
            environment: variables
                .map(|(name, variable)| (name.clone(), variable.value.clone()))
                .collect(),
            policy: loaded.files.iter().map(file).collect(),
            hooks: SessionHook::of(&plan.hooks),
            inits: Preparation::of(&plan.inits),
            has_volumes: !plan.volumes.is_empty(),
            deadline: loaded.policy.settings.deadline,
            leaves_elsewhere: loaded.policy.settings.elsewhere == Elsewhere::Leave,
            inherits: planned.inherits(),
        }
    }
}

/// The module's `config=`.
pub(super) fn config(source: &Source) -> Option<String> {
    match source {
        Source::System => None,
        Source::File(path) => Some(path.clone()),
    }
}
