//! pam_mount's configuration as rules: file systems in memory, binds, and volumes that a program opens.

mod file;
mod general;
mod option;
mod program;
mod text;
mod users;
mod volume;

use super::imported::Imported;
use super::input::{self, Input};
use super::policy::{Policy, Table, accepted};
use super::remark::Remark;
use crate::cli::arguments::ImportPamMount;
use crate::error::Result;
use file::File;
use general::General;
use volume::Found;

const FILE: &str = "/etc/security/pam_mount.conf.xml";

/// Reads the configuration that the arguments name.
///
/// # Errors
///
/// The file cannot be read as text, or is no XML document of pam_mount's.
pub fn run(arguments: &ImportPamMount) -> Result<Imported> {
    import(&input::read(arguments.file.as_deref().unwrap_or(FILE))?)
}

fn import(input: &Input) -> Result<Imported> {
    let document = file::parse(input)?;
    let file = File::of(input, &document)?;
    let mut remarks = Vec::new();
    let general = General::of(&file, &mut remarks);
    let mut found = Vec::new();
    for node in file.elements().filter(|node| node.has_tag_name("volume")) {
        let location = file.location(node);
        match volume::read(node, &location, &general, &mut remarks) {
            Ok(one) => found.push(one),
            Err(reason) => remarks.push(Remark::left_public(&location, reason)),
        }
    }
    let found = volume::apart(found, &mut remarks);
    if found.iter().any(Found::is_volume) {
        remarks.extend(VOLUMES.map(|message| Remark::different(&input.at(0), message)));
    }
    if found.iter().any(Found::has_password) {
        remarks.push(Remark::different(&input.at(0), PASSWORD));
    }
    let drafts = found.into_iter().map(|found| found.draft).collect();
    let rules = accepted(drafts, &mut remarks);
    remarks.sort_by_key(|remark| remark.location.line);
    let head = head(&input.file);
    Ok(Imported {
        policy: policy(head, rules),
        remarks,
    })
}

/// What differs of every volume that a program opens.
const VOLUMES: [&str; 3] = [
    "what opens a volume has 10 seconds; `timeout` in [[volume]] and `deadline` in [settings] give it more",
    "a volume that cannot be opened refuses the login, unless its mount point is missing or the password is not known",
    "the mount point of a volume is not made: it has to be there",
];

const PASSWORD: &str = "for the login password, `auth optional pam_jns.so` stands in the PAM stack behind what asks for it";

fn head(file: &str) -> Vec<String> {
    vec![
        format!("What pam_mount does by {file}, for the sessions of each user alone, but not of those"),
        "that [settings] exempts: root and system accounts (uid 1-999), where nothing else is said.".to_owned(),
    ]
}

fn policy(head: Vec<String>, rules: Vec<Table>) -> Policy {
    Policy {
        head,
        rules,
        ..Policy::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn imported(text: &str) -> Result<Imported> {
        let (file, text) = (Arc::from("m.xml"), text.to_owned());
        import(&Input { file, text })
    }

    /// An attribute, right somewhere.
    fn attribute() -> impl Strategy<Value = String> {
        let known = [
            "user='alice'",
            "user='*'",
            "user='@x'",
            "uid='1000-1999'",
            "uid='0x10'",
            "sgrp='staff'",
            "pgrp='staff'",
            "invert='1'",
            "fstype='tmpfs'",
            "fstype='fuse'",
            "fstype='crypt'",
            "fstype='cifs'",
            "fstype='nfs'",
            "fstype='davfs'",
            "fstype='ext4'",
            "server='s'",
            "path='encfs#~/.c'",
            "path='/srv/%(USER)'",
            "path='../x'",
            "path='/usr/bin/p#%(DOMAIN_USER)'",
            "mountpoint='~'",
            "mountpoint='~/x/'",
            "mountpoint='/media/%(USER)'",
            "mountpoint='/proc/1'",
            "mountpoint='/{a}&#10;b'",
            "options='bind,ro'",
            "options='size=1M,uid=%(USER),mode=0700,huge=always'",
            "options='size=0,rw,rw'",
            "ssh='1'",
            "noroot='0'",
            "cipher='aes'",
            "odd='1'",
        ];
        prop::sample::select(known.to_vec()).prop_map(str::to_owned)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Every volume has a rule or a remark, and what is printed is a policy.
        #[test]
        fn what_is_printed_is_a_policy(
            volumes in prop::collection::vec(prop::collection::vec(attribute(), 0..7), 0..6),
        ) {
            let of_one = |attributes: &Vec<String>| {
                let mut named: Vec<&String> = attributes.iter().collect();
                named.sort();
                named.dedup_by_key(|text| text.split('=').next().unwrap().to_owned());
                let joined = named.into_iter().cloned().collect::<Vec<_>>().join(" ");
                format!("<volume {joined}/>\n")
            };
            let text: String = volumes.iter().map(of_one).collect();
            let found = imported(&format!("<pam_mount>\n{text}</pam_mount>")).unwrap();
            let printed = found.policy.to_string();
            let judged = crate::policy::Policy::parse(&[("p", printed.as_bytes())]);
            prop_assert!(judged.is_ok(), "{:?}\n{}", judged.err(), printed);
            for line in (2..).take(volumes.len()) {
                let place = format!("# m.xml:{line}\n");
                let is_told = found.remarks.iter().any(|remark| remark.location.line == line);
                prop_assert!(printed.contains(&place) || is_told, "{line}\n{text}\n{printed}");
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in "(<|>|/|!|&|;|\\PC|volume|pam_mount|%\\(|='|\\n){0,60}") {
            let _ = imported(&text);
            let _ = imported(&format!("<pam_mount>{text}</pam_mount>"));
            let _ = imported(&format!("<pam_mount><volume path='{text}' mountpoint='{text}'/></pam_mount>"));
        }
    }
}
