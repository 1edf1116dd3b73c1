//! `[settings]`.

use super::fields::{Fields, Vocabulary, Word};
use super::pattern::Glob;
use super::principal::{Listed, Principal};
use super::report::Fault;
use super::source::BUILT_IN_NAME;
use super::template::PathTemplate;
use super::value::{Propagation, Size, guess_time};
use crate::error::Location;
use crate::path::AbsPath;
use std::ops::RangeInclusive;
use std::time::Duration;

/// `[settings]`, complete: what no file says has its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The mode: plans are applied, or only logged.
    pub mode: Enforcement,
    /// The principals that get the host's own view.
    pub exempt: Vec<Listed>,
    /// The sharing of namespaces between logins.
    pub namespace: Namespaces,
    /// The propagation of mounts.
    pub propagation: Propagation,
    /// The directory where instances live.
    pub store: AbsPath,
    /// The treatment of a session that is already in another namespace than the host's.
    pub elsewhere: Elsewhere,
    /// Services that run a command in somebody's session, which finds the caller's directories.
    pub inherit: Vec<Glob>,
    /// The time that opening a session may take in all.
    pub deadline: Duration,
    /// The time for which a shared namespace is kept in which nothing runs any more; zero: not at all.
    pub linger: Duration,
    /// The most that all views in memory hold together before namespaces are ended in which nothing runs.
    pub memory: Size,
}

/// `settings.deadline` where no file says otherwise, and until a policy is read.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// `settings.linger` where no file says otherwise.
pub const LINGER: Duration = Duration::from_secs(10 * 60);

/// `settings.memory` where no file says otherwise: as much as the kernel lets a tmpfs have that nobody gives a size.
const MEMORY: Size = Size::Percent(50);

/// `settings.elsewhere`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    /// The session gets its view, as any other.
    Cover,
    /// The session gets no view of its own.
    Leave,
}

/// `settings.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// Plans are applied.
    Enforce,
    /// Plans are logged, nothing is changed.
    Observe,
}

/// `settings.namespace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespaces {
    /// Logins of a user with the same plan share one.
    User,
    /// Each login has its own.
    Session,
}

impl Vocabulary for Enforcement {
    const WORDS: &'static [(&'static str, Self)] =
        &[("enforce", Self::Enforce), ("observe", Self::Observe)];
}

impl Vocabulary for Namespaces {
    const WORDS: &'static [(&'static str, Self)] =
        &[("user", Self::User), ("session", Self::Session)];
}

impl Vocabulary for Elsewhere {
    const WORDS: &'static [(&'static str, Self)] =
        &[("cover", Self::Cover), ("leave", Self::Leave)];
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Enforcement::Enforce,
            exempt: default_exempt(),
            namespace: Namespaces::User,
            propagation: Propagation::Slave,
            store: AbsPath::default_store(),
            elsewhere: Elsewhere::Cover,
            inherit: INHERITING.iter().map(|name| Glob::literal(name)).collect(),
            deadline: DEADLINE,
            linger: LINGER,
            memory: MEMORY,
        }
    }
}

/// The services of `settings.inherit` where no file says otherwise: those that run one command for their caller. The
/// login shells `su -` and `sudo -i` have services of their own, `su-l` and `sudo-i`.
const INHERITING: [&str; 5] = ["su", "sudo", "doas", "polkit-1", "runuser"];

/// The line of `conf/jns.toml` where `exempt` stands.
const EXEMPT_LINE: usize = 23;

/// Root and the accounts of the system: a policy that forgets them must not lock anybody out.
fn default_exempt() -> Vec<Listed> {
    let location = Location::new(BUILT_IN_NAME, EXEMPT_LINE);
    let (first, last) = SYSTEM_UIDS.into_inner();
    let principals = [
        Principal::User("root".to_owned()),
        Principal::Uids(first, last),
    ];
    let listed = |principal| Listed {
        principal,
        location: location.clone(),
    };
    principals.into_iter().map(listed).collect()
}

impl Settings {
    /// Whether a session of `service` is a command in its caller's session, and finds the caller's directories.
    #[must_use]
    pub fn inherits(&self, service: &str) -> bool {
        self.inherit.iter().any(|glob| glob.matches(service))
    }

    /// Replaces what the table `fields` says.
    pub(super) fn read(&mut self, mut fields: Fields<'_, '_, '_>) {
        replace(&mut self.mode, fields.word("mode"));
        self.read_exempt(&mut fields);
        replace(&mut self.namespace, fields.word("namespace"));
        replace(&mut self.propagation, fields.word("propagation"));
        replace(
            &mut self.store,
            fields.word("store").map(|Store(path)| path),
        );
        replace(&mut self.elsewhere, fields.word("elsewhere"));
        replace(&mut self.inherit, fields.words("inherit"));
        self.inherit
            .extend(fields.words("add_inherit").into_iter().flatten());
        replace(
            &mut self.deadline,
            fields.word("deadline").map(|Deadline(time)| time),
        );
        replace(
            &mut self.linger,
            fields.word("linger").map(|Linger(time)| time),
        );
        replace(&mut self.memory, fields.word("memory"));
        fields.finish();
    }
}

impl Settings {
    /// Reads `exempt` and `add_exempt`, and warns where a drop-in takes out whom an earlier file has exempted.
    fn read_exempt(&mut self, fields: &mut Fields<'_, '_, '_>) {
        let said = fields.list("exempt").map(listed);
        let added = fields.list("add_exempt").map(listed);
        let before = said.map(|said| std::mem::replace(&mut self.exempt, said));
        self.exempt.extend(added.into_iter().flatten());
        let before = before.filter(|_| fields.are_of_drop_in());
        if let Some(lost) = before.and_then(|before| find_lost(&before, &self.exempt)) {
            let message =
                format!("`exempt` replaces what earlier files say, and leaves out {lost}");
            let fault = Fault::new(message).help("`add_exempt` adds to what they say");
            fields.warning(&fields.span_of("exempt"), fault);
        }
    }
}

/// The accounts of the system.
const SYSTEM_UIDS: RangeInclusive<u32> = 1..=999;

/// Whether a user is root or an account of the system, who are exempt where no file says otherwise.
#[must_use]
pub(crate) fn is_exempt_by_default(uid: u32) -> bool {
    uid <= *SYSTEM_UIDS.end()
}

/// Finds out whether `before` exempts root or accounts of the system that `after` does not: by id, or root by its name.
fn find_lost(before: &[Listed], after: &[Listed]) -> Option<&'static str> {
    let (before, after) = (collect_uids(before), collect_uids(after));
    let has = |ranges: &[RangeInclusive<u32>], uid| ranges.iter().any(|range| range.contains(&uid));
    let is_lost = |uid| has(&before, uid) && !has(&after, uid);
    match (is_lost(0), SYSTEM_UIDS.into_iter().any(is_lost)) {
        (true, true) => Some("root and accounts of the system"),
        (true, false) => Some("root"),
        (false, true) => Some("accounts of the system"),
        (false, false) => None,
    }
}

/// Collects the ids of root and accounts of the system that `list` names for certain.
fn collect_uids(list: &[Listed]) -> Vec<RangeInclusive<u32>> {
    let named = list.iter().filter_map(|listed| match &listed.principal {
        Principal::Everyone => Some(0..=u32::MAX),
        Principal::Uids(first, last) => Some(*first..=*last),
        Principal::User(name) | Principal::Group(name) => (name == "root").then_some(0..=0),
    });
    let is_of_system = |range: &RangeInclusive<u32>| range.start() <= SYSTEM_UIDS.end();
    named.filter(is_of_system).collect()
}

/// `settings.deadline`: a length of time from [`Deadline::LEAST`] to [`Deadline::MOST`].
struct Deadline(Duration);

impl Deadline {
    /// In less, a busy machine would refuse logins that lack nothing.
    const LEAST: Duration = Duration::from_secs(1);

    /// Services give up a login that takes longer.
    const MOST: Duration = Duration::from_secs(600);
}

impl Word for Deadline {
    fn parse(text: &str) -> Result<Self, Fault> {
        let time = Duration::parse(text)?;
        match (Self::LEAST..=Self::MOST).contains(&time) {
            true => Ok(Self(time)),
            false => Err(Fault::new("a deadline is a time from \"1s\" to \"10m\"")),
        }
    }

    fn guess(text: &str) -> Option<String> {
        guess_time::<Self>(text)
    }
}

/// `settings.linger`: a length of time, which may be none.
struct Linger(Duration);

impl Word for Linger {
    fn parse(text: &str) -> Result<Self, Fault> {
        match humantime::parse_duration(text) {
            Ok(time) => Ok(Self(time)),
            Err(_) => Duration::parse(text).map(Self),
        }
    }

    fn guess(text: &str) -> Option<String> {
        guess_time::<Self>(text)
    }
}

/// `settings.store`.
struct Store(AbsPath);

impl Word for Store {
    fn parse(text: &str) -> Result<Self, Fault> {
        let path = PathTemplate::parse(text)?.literal();
        path.map(Self)
            .ok_or_else(|| Fault::new("the store is the same for everybody"))
    }
}

fn replace<T>(value: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *value = said;
    }
}

/// Principals with their places.
pub(super) fn listed(list: Vec<(Principal, Location)>) -> Vec<Listed> {
    let with_place = |(principal, location)| Listed {
        principal,
        location,
    };
    list.into_iter().map(with_place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    #[test]
    fn a_namespace_may_be_kept_for_no_time_at_all() {
        for (text, linger, memory) in [
            ("", LINGER, MEMORY),
            ("linger = \"0s\"", Duration::ZERO, MEMORY),
            (
                "linger = \"1h 30m\"\nmemory = \"4G\"",
                Duration::from_secs(5400),
                Size::Bytes(4 << 30),
            ),
        ] {
            let text = format!("[settings]\n{text}\n");
            let settings = Policy::parse(&[("p", text.as_bytes())])
                .unwrap()
                .policy
                .settings;
            assert_eq!(
                (settings.linger, settings.memory),
                (linger, memory),
                "{text}"
            );
        }
    }
}
