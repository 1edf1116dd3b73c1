//! Slurm's job_container.conf and namespace.yaml as rules for the sessions that its steps open.

mod conf;
mod hosts;
mod layers;
mod rules;
mod yaml;

use super::imported::Imported;
use super::input::{self, Input};
use super::policy::{Policy, accepted};
use super::remark::Remark;
use crate::cli::arguments::ImportSlurm;
use crate::error::Result;

/// Reads the configuration that the arguments name.
///
/// # Errors
///
/// The file cannot be read as text, or is neither Slurm's configuration nor YAML.
pub fn run(arguments: &ImportSlurm) -> Result<Imported> {
    import(&input::read(&arguments.file)?, arguments.node.as_deref())
}

fn import(input: &Input, node: Option<&str>) -> Result<Imported> {
    let mut remarks = Vec::new();
    let layers = match is_yaml(&input.text) {
        true => yaml::layers(input, &mut remarks)?,
        false => conf::layers(input, &mut remarks),
    };
    let options = layers::of_node(layers, node, &mut remarks);
    let whole = input.at(0);
    let drafts = rules::of(&options, node, &whole, &mut remarks);
    let rules = accepted(drafts, &mut remarks);
    if !rules.is_empty() {
        remarks.extend(LOST.map(|message| Remark::lost(&whole, message)));
        remarks.extend(DIFFERENT.map(|message| Remark::different(&whole, message)));
    }
    remarks.sort_by_key(|remark| remark.location.line);
    Ok(Imported {
        policy: Policy {
            head: head(&input.file),
            rules,
            ..Policy::default()
        },
        remarks,
    })
}

/// What is missed of each job.
const LOST: [&str; 2] = [
    "each step of a job is a session of its own: steps do not share what they write to these directories",
    "an ssh session that pam_slurm_adopt takes into a job does not see the job's directories",
];

/// What differs of each job.
const DIFFERENT: [&str; 2] = [
    "steps open sessions where slurm.conf says `UsePAM=1`, and /etc/pam.d/slurm `session required pam_jns.so`",
    "NamespaceType or JobContainerType goes out of slurm.conf",
];

fn head(file: &str) -> Vec<String> {
    vec![
        format!(
            "What Slurm does by {file}, for every step of a job but those of users that [settings] exempts:"
        ),
        "root and system accounts (uid 1-999), where nothing else is said.".to_owned(),
    ]
}

/// Whether a text is namespace.yaml, and no file of `Key=Value`.
fn is_yaml(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_end);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| {
        line.starts_with("---")
            || line.starts_with('{')
            || line.ends_with(':')
            || line.contains(": ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn imported(text: &str, node: Option<&str>) -> Result<Imported> {
        let (file, text) = (Arc::from("s"), text.to_owned());
        import(&Input { file, text }, node)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_printed_is_a_policy(
            words in prop::collection::vec(prop::sample::select(vec![
                "NodeName=n[1-3]", "BasePath=/var/nvme", "basepath=\"/a {b}\"", "BasePath=/x/%h", "BasePath=/x/%n",
                "BasePath=none", "Dirs=/tmp,/var/tmp", "Dirs=/tmp,/tmp,/dev/shm/", "Dirs=..,/proc/1,/a_b,/a/b",
                "Shared=true", "AutoBasePath=yes", "InitScript=/x", "CloneNSFlags=CLONE_NEWPID", "odd", "Odd=1", "\n",
                "# c", "\\\n", "=", "\"",
            ]), 0..12),
            has_node: bool,
        ) {
            let found = imported(&words.join(" "), has_node.then_some("n2"));
            if let Ok(found) = found {
                let printed = found.policy.to_string();
                let judged = crate::policy::Policy::parse(&[("p", printed.as_bytes())]);
                prop_assert!(judged.is_ok(), "{:?}\n{}", judged.err(), printed);
            }
        }

        #[test]
        fn nothing_makes_it_panic(
            text in "(---|\n|- |  |: |\\[|\\]|\\{|\\}|&a|\\*a|defaults|node_confs|nodes|options|dirs|\"|'|#|\\PC){0,40}",
        ) {
            let _ = imported(&text, Some("n1"));
            let _ = imported(&format!("---\n{text}"), None);
        }
    }
}
