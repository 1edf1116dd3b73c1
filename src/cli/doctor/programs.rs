//! Findings about what rules need: the programs of hooks and volumes, the password that some of them want, and root
//! directories.

use super::finding::{Area, Finding};
use super::pam::MANAGER;
use crate::cli::host::Tree;
use crate::cli::host::module_line::{MODULE, has_line, line_of};
use crate::cli::host::stack;
use crate::policy::{Kind, Policy, Rule};

/// Services that ask for the password of the user whose session they open, in the process that opens it.
const TYPED: [&str; 9] = [
    "sshd",
    "login",
    "su",
    "gdm-password",
    "lightdm",
    "sddm",
    "xdm",
    "vsftpd",
    "proftpd",
];

/// Finds the programs that are missing.
pub fn findings(tree: &Tree, policy: &Policy) -> Vec<Finding> {
    let files = policy.rules.iter().flat_map(|rule| of_files(tree, rule));
    files
        .chain(of_passwords(tree, policy))
        .chain(of_manager(tree, policy))
        .collect()
}

/// Notes the volumes that users' services do not see: the manager that starts them has no password.
fn of_manager(tree: &Tree, policy: &Policy) -> Vec<Finding> {
    if line_of(tree, MANAGER).is_none() {
        return Vec::new();
    }
    let is_lost =
        |rule: &&Rule| rule.kind.wants_password() && rule.selectors.are_for_service(MANAGER);
    let note = |rule: &Rule| {
        let path = rule.kind.path().map(ToString::to_string);
        let said = format!(
            "{MANAGER}: users' services do not see {}, which wants the login password",
            path.unwrap_or_default()
        );
        Finding::note(Area::Policy, said)
            .at(&rule.location)
            .advise("what needs it has to be started from a session that had the password")
    };
    policy.rules.iter().filter(is_lost).map(note).collect()
}

fn of_files(tree: &Tree, rule: &Rule) -> Vec<Finding> {
    let root = rule
        .kind
        .path()
        .filter(|_| matches!(rule.kind, Kind::Root(_)) && !rule.optional)
        .and_then(|path| path.literal())
        .map(|path| path.to_string());
    let programs = rule.kind.programs().into_iter().map(|(_, path)| path);
    let files = programs.chain(root);
    let missing = files.filter(|file| !tree.exists(file));
    let finding = |file: String| {
        Finding::problem(Area::Policy, format!("{file} does not exist"))
            .at(&rule.location)
            .advise("make or install it: without it the rule fails")
    };
    missing.map(finding).collect()
}

fn of_passwords(tree: &Tree, policy: &Policy) -> Option<Finding> {
    let wants = |rule: &&Rule| rule.kind.wants_password();
    let rules: Vec<&Rule> = policy.rules.iter().filter(wants).collect();
    let location = &rules.first()?.location;
    let is_for = |service: &str| {
        let mut selectors = rules.iter().map(|rule| &rule.selectors);
        selectors.any(|selectors| selectors.are_for_service(service))
    };
    let services = stack::services(tree).names;
    let lacks = |service: &&str| {
        let auth = || stack::read(tree, service, "auth");
        let is_there = services.iter().any(|name| name == service);
        is_there && is_for(service) && line_of(tree, service).is_some() && !has_line(&auth())
    };
    let names: Vec<&str> = TYPED.into_iter().filter(lacks).collect();
    (!names.is_empty()).then(|| {
        let services = names.join(", ");
        Finding::warning(
            Area::Policy,
            format!("{services}: the login password is not kept for volumes"),
        )
        .at(location)
        .advise(format!(
            "add \"auth optional {MODULE}.so\" behind the lines that ask for the password"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    /// The findings about a system with that policy, sshd's stack and no other file but /bin/here.
    fn found(policy: &str, sshd: &str) -> Vec<(Level, String)> {
        let (_root, tree) = Tree::of_files([("etc/pam.d/sshd", sshd), ("bin/here", "")]);
        let policy = Policy::parse(&[("p", policy.as_bytes())]).unwrap().policy;
        let found = findings(&tree, &policy);
        let parts = |finding: Finding| (finding.level, finding.summary);
        found.into_iter().map(parts).collect()
    }

    #[test]
    fn missing_files_are_found() {
        let policy = "[[hook]]\nwhen = \"open\"\nrun = [\"/bin/none\"]\n\
                      [[hook]]\nwhen = \"close\"\nrun = [\"/bin/here\", \"/bin/none\"]\n\
                      [[hook]]\nwhen = \"open\"\nas = \"user\"\nrun = [\"{home}/bin/hook\"]\n\
                      [[private]]\npath = \"/tmp\"\nhook = [\"/bin/gone\"]\n\
                      [[volume]]\npath = \"/v\"\nopen = [\"/bin/here\"]\nclose = [\"/bin/no\"]\n\
                      [[root]]\nusers = [\"a\"]\npath = \"/bin\"\n\
                      [[root]]\nusers = [\"b\"]\npath = \"/srv\"\n\
                      [[root]]\npath = \"/opt\"\noptional = true\n";
        let expected = ["/bin/none", "/bin/gone", "/bin/no", "/srv"]
            .map(|path| (Level::Problem, format!("{path} does not exist")));
        assert_eq!(found(policy, ""), expected);
    }

    #[test]
    fn volumes_that_no_service_of_a_user_sees_are_noted() {
        let (with, without) = (
            "session required pam_jns.so\n",
            "session required pam_unix.so\n",
        );
        for (more, stack, is_found) in [
            ("password = \"login\"", with, true),
            ("password = \"login\"", without, false),
            ("", with, false),
            ("password = \"login\"\nservices = [\"ssh*\"]", with, false),
        ] {
            let text = format!("[[volume]]\npath = \"/v\"\nopen = [\"/bin/here\"]\n{more}\n");
            let files = [("etc/pam.d/systemd-user", stack), ("bin/here", "")];
            let (_root, tree) = Tree::of_files(files);
            let policy = Policy::parse(&[("p", text.as_bytes())]).unwrap().policy;
            let found: Vec<_> = findings(&tree, &policy)
                .into_iter()
                .map(|f| (f.level, f.summary))
                .collect();
            let said =
                "systemd-user: users' services do not see /v, which wants the login password";
            let expected: Vec<_> = is_found
                .then(|| (Level::Note, said.to_owned()))
                .into_iter()
                .collect();
            assert_eq!(found, expected, "{more} {stack}");
        }
    }

    #[test]
    fn a_password_that_nobody_keeps_is_found() {
        let volume =
            |more: &str| format!("[[volume]]\npath = \"/v\"\nopen = [\"/bin/here\"]\n{more}\n");
        let session = "session required pam_jns.so\n";
        let keeps = format!("auth required pam_unix.so\nauth optional pam_jns.so\n{session}");
        let login = "password = \"login\"";
        for (more, sshd, is_found) in [
            (login, session, true),
            (login, keeps.as_str(), false),
            (login, "session required pam_unix.so\n", false),
            ("", session, false),
            ("password = \"login\"\nservices = [\"su*\"]", session, false),
        ] {
            let summary = "sshd: the login password is not kept for volumes".to_owned();
            let expected: Vec<_> = is_found
                .then_some((Level::Warning, summary))
                .into_iter()
                .collect();
            assert_eq!(found(&volume(more), sshd), expected, "{more} {sshd}");
        }
    }
}
