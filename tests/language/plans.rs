//! Policies, who logs in, and what each gets.

use crate::accounts::{Machine, alice, bob, root};
use crate::golden;
use pam_jns::login::{Accounts, Login};
use pam_jns::plan::Plan;
use pam_jns::policy::{Decision, Policy, Ruling, Selection, select};
use std::fmt::Write;
use std::fs;

#[test]
fn plans_are_those_of_the_golden_files() {
    for file in golden::files("plans", "toml") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let text = fs::read(&file).unwrap();
        let found = shown(&[(name, &text)], &Machine);
        golden::compare(&file.with_extension("plan"), &found);
    }
}

/// Every kind of value that a plan can have, as `jns explain --json` prints it.
#[test]
fn the_json_of_plans_is_that_of_its_golden_file() {
    let mut all = serde_json::Map::new();
    for file in golden::files("plans", "toml") {
        let name = file.file_stem().unwrap().to_str().unwrap();
        if ["inherit", "isolation", "kinds", "pam-namespace", "root"].contains(&name) {
            let policy = Policy::parse(&[(name, &fs::read(&file).unwrap())])
                .unwrap()
                .policy;
            let plan = Plan::new(&policy, &alice(), &Machine).unwrap();
            all.insert(name.to_owned(), serde_json::to_value(plan).unwrap());
        }
    }
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    golden::compare(
        &directory.join("plans.json"),
        &format!("{:#}\n", serde_json::Value::Object(all)),
    );
}

/// The same build there: instances are the users' own, and what would be everybody's is refused.
#[cfg(feature = "selinux")]
#[test]
fn plans_by_label_are_those_of_the_user_on_a_machine_without_selinux() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/plans");
    let text = fs::read(directory.join("selinux.toml")).unwrap();
    let found = shown(&[("selinux.toml", &text)], &crate::accounts::Unlabelled);
    golden::compare(&directory.join("selinux-lacking.plan"), &found);
}

/// The built-in default, whose golden file shows what a machine without a policy does.
#[test]
fn the_built_in_default_does_what_its_golden_file_says() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let text = pam_jns::policy::source::BUILT_IN.as_bytes();
    golden::compare(
        &directory.join("built-in.plan"),
        &shown(&[("built-in", text)], &Machine),
    );
}

/// What each of the accounts gets from a policy.
fn shown(files: &[(&str, &[u8])], machine: &dyn Accounts) -> String {
    let loaded = Policy::parse(files).unwrap_or_else(|found| panic!("{found}"));
    let mut text = String::new();
    for login in [alice(), bob(), root()] {
        let selection = select(&loaded.policy, &login);
        writeln!(text, "# {} by {}", login.user, login.service).unwrap();
        text.push_str(&decisions(&selection));
        writeln!(text, "{}\n", plan(&loaded.policy, &login, machine)).unwrap();
    }
    text
}

fn decisions(selection: &Selection<'_>) -> String {
    let exempt = selection.exemption.iter().map(|exemption| {
        format!(
            "exempt as {} ({})\n",
            exemption.principal, exemption.location
        )
    });
    let rules = selection
        .rulings
        .iter()
        .map(|ruling| format!("{}\n", decision(ruling)));
    exempt.chain(rules).collect()
}

fn decision(ruling: &Ruling<'_>) -> String {
    let path = ruling
        .path
        .as_ref()
        .map(|path| format!(" {path}"))
        .unwrap_or_default();
    let decision = match &ruling.decision {
        Decision::Applies => "applies".to_owned(),
        Decision::NoMatch { selector, reason } => format!("does not match: {selector}: {reason}"),
        Decision::LostTo(location) => format!("lost to {location}"),
        Decision::Fails(error) => format!("fails: {error}"),
    };
    format!(
        "{} {}{path}: {decision}",
        ruling.rule.location,
        ruling.rule.kind.header()
    )
}

fn plan(policy: &Policy, login: &Login, machine: &dyn Accounts) -> String {
    match Plan::new(policy, login, machine) {
        Ok(plan) => format!(
            "=> {}\n{plan}",
            if plan.is_empty() {
                "the host's view"
            } else {
                "a view of its own"
            }
        ),
        Err(error) => format!("=> refused\n{error}"),
    }
}

/// What holds where a policy says nothing is what the built-in default says.
#[test]
fn the_defaults_are_those_of_the_built_in_policy() {
    let parse = |text: &str| Policy::parse(&[("built-in", text.as_bytes())]).unwrap();
    let (built_in, empty) = (parse(pam_jns::policy::source::BUILT_IN), parse(""));
    assert!(built_in.warnings.is_empty(), "{}", built_in.warnings);
    let (said, default) = (built_in.policy.settings, empty.policy.settings);
    assert_eq!(said.exempt, default.exempt);
    assert_eq!(
        (said.mode, said.namespace, said.propagation),
        (default.mode, default.namespace, default.propagation)
    );
    assert_eq!(said.store, default.store);
}

#[test]
fn a_later_file_replaces_settings_and_wins_with_its_rules() {
    let first = b"[settings]\nmode = \"observe\"\nexempt = [\"alice\"]\n[[tmpfs]]\npath = \"/x\"\n";
    let second = b"[settings]\nexempt = [\"bob\"]\n[[hide]]\npath = \"/x\"\n";
    let shown = shown(&[("10.toml", first), ("20.toml", second)], &Machine);
    let alice = shown.split("\n\n").next().unwrap();
    let expected = "# alice by sshd\n10.toml:4 [[tmpfs]] /x: lost to 20.toml:3\n20.toml:3 [[hide]] /x: applies\n\
        => a view of its own\n/x  nothing  ro,nosuid,nodev  20.toml:3";
    assert_eq!(alice, expected);
    assert!(
        shown.contains("# bob by login\nexempt as bob (20.toml:2)\n"),
        "{shown}"
    );
    let policy = Policy::parse(&[("10.toml", first), ("20.toml", second)])
        .unwrap()
        .policy;
    assert_eq!(policy.settings.mode, pam_jns::policy::Enforcement::Observe);
}

/// The store of a later file is the one that must not be covered.
#[test]
fn paths_are_judged_by_the_final_store() {
    let rule = &b"[[hide]]\npath = \"/srv\"\n"[..];
    let store = &b"[settings]\nstore = \"/srv/jns\"\n"[..];
    let found = Policy::parse(&[("a", rule), ("b", store)]).unwrap_err();
    assert_eq!(
        found.to_string(),
        "a:2:8: /srv would cover the store /srv/jns"
    );
}

#[test]
fn instances_of_long_paths_need_a_store() {
    let long = format!("/{}/{}", "x".repeat(150), "y".repeat(100));
    let rule = format!("[[private]]\npath = \"{long}\"\n");
    let error = |text: &str| {
        let loaded = Policy::parse(&[("p", text.as_bytes())]).unwrap();
        Plan::new(&loaded.policy, &alice(), &Machine).map_err(|error| error.to_string())
    };
    let expected = format!(
        "cannot name the instance of {long}: the path is too long for a name; give the rule a `store` (p:2)"
    );
    assert_eq!(error(&rule).unwrap_err(), expected);
    assert!(error(&format!("{rule}store = \"/s/{{user}}\"\n")).is_ok());
}

/// Two rules on one line are two rules.
#[test]
fn inline_rules_are_distinguished() {
    let text =
        b"private = [{ path = \"/x\" }, { path = \"/x\", users = [\"alice\"], mode = \"0700\" }]\n";
    let loaded = Policy::parse(&[("p", text)]).unwrap();
    let selection = select(&loaded.policy, &alice());
    let lost = |ruling: &Ruling<'_>| matches!(ruling.decision, Decision::LostTo(_));
    assert_eq!(
        selection.rulings.iter().map(lost).collect::<Vec<_>>(),
        [true, false]
    );
}

#[test]
fn facts_are_gathered_only_for_those_who_ask() {
    for (text, groups, name) in [
        ("", false, false),
        ("[[hide]]\npath = \"/x\"\nusers = [\"alice\"]", false, false),
        ("[settings]\nexempt = [\"@wheel\"]", true, false),
        (
            "[[hide]]\npath = \"/x\"\nexcept = [\"@wheel\"]",
            true,
            false,
        ),
        ("[[hide]]\npath = \"/x/{group}\"", false, true),
        ("[[hide]]\npath = \"/x\"\nkeep = [\"{group}\"]", false, true),
        (
            "[[bind]]\npath = \"/x\"\nsource = \"/{group}\"",
            false,
            true,
        ),
        (
            "[[private]]\npath = \"/x\"\nper = \"group\"\nstore = \"/{group}\"",
            false,
            true,
        ),
        ("[[tmpfs]]\npath = \"/x\"\ngroup = \"{group}\"", false, true),
        ("[[env]]\nset = { A = \"{group}\" }", false, true),
        ("[[isolate]]\nhostname = \"{group}\"", false, true),
        (
            "[[hook]]\nwhen = \"open\"\nrun = [\"/x\", \"{group}\"]",
            false,
            true,
        ),
    ] {
        let needs = Policy::parse(&[("p", text.as_bytes())])
            .unwrap()
            .policy
            .needs();
        assert_eq!((needs.groups, needs.group_name), (groups, name), "{text}");
    }
}

#[test]
fn unknown_names_are_found_once_and_within_the_limit() {
    let text = "[settings]\nexempt = [\"root\", \"ghost\", \"uid:5\"]\n\
        [[hide]]\npath = \"/x\"\nusers = [\"*\", \"ghost\", \"@ghosts\"]\nexcept = [\"@staff\", \"spook\"]\n";
    let policy = Policy::parse(&[("p", text.as_bytes())]).unwrap().policy;
    let unknown = |limit| {
        let found = policy.unknown_principals(&Machine, limit).into_iter();
        found
            .map(|(name, location)| format!("{name} {location}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        unknown(usize::MAX),
        ["ghost p:2", "@ghosts p:5", "spook p:6"]
    );
    assert_eq!(unknown(2), ["ghost p:2"]);
}

/// The examples in the comments of the built-in default are rules that work.
#[test]
fn the_examples_of_the_built_in_policy_work() {
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(code) if code.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => {
            format!("{code}\n")
        }
        _ => format!("{line}\n"),
    };
    let text: String = pam_jns::policy::source::BUILT_IN
        .lines()
        .map(uncommented)
        .collect();
    let loaded =
        Policy::parse(&[("built-in", text.as_bytes())]).unwrap_or_else(|found| panic!("{found}"));
    let kinds: Vec<&str> = loaded
        .policy
        .rules
        .iter()
        .map(|rule| rule.kind.header())
        .collect();
    let expected = [
        "[[private]]",
        "[[private]]",
        "[[private]]",
        "[[tmpfs]]",
        "[[hide]]",
        "[[bind]]",
        "[[env]]",
        "[[overlay]]",
        "[[isolate]]",
        "[[volume]]",
        "[[root]]",
        "[[hook]]",
    ];
    assert_eq!(kinds, expected);
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert!(Plan::new(&loaded.policy, &alice(), &Machine).is_ok());
}

/// What denies a login although the policy is right: the values that its facts have.
#[test]
fn a_login_that_does_not_fit_is_refused_with_a_reason() {
    let climber = Login {
        user: "..".to_owned(),
        ..alice()
    };
    let slash = Login {
        user: "a/b".to_owned(),
        ..alice()
    };
    let proc = Login {
        service: "proc".to_owned(),
        ..alice()
    };
    let homeless = Login {
        home: String::new(),
        ..alice()
    };
    for (rule, login, expected) in [
        (
            "[[hide]]\npath = \"/x/{user}\"",
            &climber,
            "cannot use the path /x/{user}: {user} is \"..\": a name must not be `.` or `..` (p:2)",
        ),
        (
            "[[private]]\npath = \"/x\"\nstore = \"/s/{user}\"",
            &slash,
            "cannot use the store /s/{user}: {user} is \"a/b\": a name must not hold a slash or NUL (p:3)",
        ),
        (
            "[[bind]]\npath = \"/x\"\nsource = \"/s/{user}\"",
            &slash,
            "cannot use the source /s/{user}: {user} is \"a/b\": a name must not hold a slash or NUL (p:3)",
        ),
        (
            "[[hide]]\npath = \"/x\"\nkeep = [\"{user}\"]",
            &climber,
            "cannot use the keep {user}: {user} is \"..\": a name must not be `.` or `..` (p:3)",
        ),
        (
            "[[tmpfs]]\npath = \"/x\"\nowner = \"{user}\"",
            &slash,
            "cannot use the owner {user}: {user} is \"a/b\": a name must not hold a slash or NUL (p:3)",
        ),
        (
            "[[hide]]\npath = \"/{service}/x\"",
            &proc,
            "cannot use the path /{service}/x: it would be /proc/x, and a path must not be in /proc (p:2)",
        ),
        (
            "[[hide]]\npath = \"{home}/x\"",
            &homeless,
            "cannot use the path {home}/x: {home} is \"\": a path must be absolute (p:2)",
        ),
        (
            "[[tmpfs]]\npath = \"/x\"\nowner = \"ghost\"",
            &alice(),
            "cannot find the owner ghost: no such user (p:3)",
        ),
        (
            "[[tmpfs]]\npath = \"/x\"\ngroup = \"ghosts\"",
            &alice(),
            "cannot find the group ghosts: no such group (p:3)",
        ),
        (
            "[[tmpfs]]\npath = \"/x\"\nowner = \"4294967295\"",
            &alice(),
            "cannot find the owner 4294967295: no such user (p:3)",
        ),
    ] {
        let loaded = Policy::parse(&[("p", rule.as_bytes())]).unwrap();
        let error = Plan::new(&loaded.policy, login, &Machine).expect_err(rule);
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn files_add_to_whom_earlier_files_exempt() {
    let names = |files: &[&str]| {
        let files = files.iter().map(|text| format!("[settings]\n{text}\n"));
        let files: Vec<String> = files.collect();
        let files: Vec<(&str, &[u8])> = files.iter().map(|text| ("p", text.as_bytes())).collect();
        let exempt = Policy::parse(&files).unwrap().policy.settings.exempt;
        let names = exempt.iter().map(|listed| listed.principal.to_string());
        names.collect::<Vec<_>>().join(" ")
    };
    for (files, expected) in [
        (&["add_exempt = [\"bob\"]"][..], "root uid:1-999 bob"),
        (
            &["add_exempt = [\"bob\"]", "add_exempt = [\"@staff\"]"],
            "root uid:1-999 bob @staff",
        ),
        (
            &["exempt = [\"alice\"]", "add_exempt = [\"bob\"]"],
            "alice bob",
        ),
        (
            &["add_exempt = [\"bob\"]\nexempt = [\"alice\"]"],
            "alice bob",
        ),
        (&["add_exempt = [\"bob\"]", "exempt = [\"alice\"]"], "alice"),
        (&["add_exempt = []"], "root uid:1-999"),
    ] {
        assert_eq!(names(files), expected, "{files:?}");
    }
}
