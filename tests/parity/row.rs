//! The words of the table.

use crate::sandbox::peer::Versions;
use std::collections::BTreeMap;

/// A machine, what happens there, and how the two modules compare.
pub struct Row {
    /// Whether the machine has SELinux: the sandboxes show it, if the machine that they are on has it.
    pub selinux: bool,
    /// Makes the machine, in a shell of its host.
    pub machine: &'static str,
    /// /etc/security/namespace.conf.
    pub conf: &'static str,
    /// The module options of pam_namespace in the service `login`.
    pub login: &'static str,
    /// The same in the service `su`.
    pub su: &'static str,
    /// What is done, in this order.
    pub acts: &'static [Act],
    /// How what is seen compares.
    pub judgement: Judgement,
}

/// `/t/poly` with a file of the host's, instances in `/t/inst`, everybody but root isolated; alice and bob log in.
pub const USUAL: Row = Row {
    selinux: false,
    machine: "",
    conf: "/t/poly /t/inst/ user root\n",
    login: "",
    su: "unmnt_remnt",
    acts: &[
        Act::Login("alice", "echo mine >/t/poly/of-alice; ls /t/poly"),
        Act::Login("bob", "ls /t/poly"),
    ],
    judgement: Judgement::Same(&[]),
};

/// Something that is done on both machines.
pub enum Act {
    /// A session of `login`: what root sees in it, what the user's script prints in it, its end.
    Login(&'static str, &'static str),
    /// A session of `login`, opened and closed: whether it is refused, and what it leaves on the host.
    Brief(&'static str),
    /// These words of the driver in tests/host, in one process; each `sh=LOOK` is what root sees there.
    Process(&'static [&'static str]),
    /// The same with the codes as the modules give them.
    Codes(&'static [&'static str]),
    /// A script of the host.
    Host(&'static str),
}

/// How the two sides compare.
pub enum Judgement {
    /// Both see the same. The words stand in what the import printed and the log has about it.
    Same(&'static [&'static str]),
    /// They see the same but for what is listed.
    Differs(Difference),
    /// Versions of pam_namespace behave in several ways: how it compares with those in which each was seen. With any
    /// other version it compares in one of these ways too.
    ByVersion(&'static [(Versions, Judgement)]),
}

/// A documented difference. Each text is part of at least one line that only that side sees, and each such line
/// has one of them.
pub struct Difference {
    /// The item of the manual page.
    pub manual: &'static str,
    /// What only pam_namespace's side sees.
    pub theirs: &'static [&'static str],
    /// What only this module's side sees.
    pub ours: &'static [&'static str],
    /// Words of what the import printed and the log has about it.
    pub messages: &'static [&'static str],
}

impl Row {
    /// Every item of the manual page that the row shows.
    pub fn documented(&self) -> Vec<String> {
        self.judgement.documented()
    }
}

impl Judgement {
    /// The items, each with the versions that it is about unless those are all.
    fn documented(&self) -> Vec<String> {
        match self {
            Self::Same(_) => Vec::new(),
            Self::Differs(difference) => vec![difference.manual.to_owned()],
            Self::ByVersion(each) => {
                let mut items: BTreeMap<_, Vec<_>> = BTreeMap::new();
                for (versions, judgement) in *each {
                    for item in judgement.documented() {
                        items.entry(item).or_default().push(versions.name);
                    }
                }
                let with_versions =
                    |(item, names): (_, Vec<_>)| format!("{item} ({})", names.join(", "));
                items.into_iter().map(with_versions).collect()
            }
        }
    }
}
