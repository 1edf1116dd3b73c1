//! What holds for every policy and every login.

use crate::accounts::{Machine, alice, bob};
use pam_jns::login::{Login, SessionId};
use pam_jns::plan::{Plan, View};
use pam_jns::policy::{Policy, select};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn parsed(text: &str) -> Policy {
    match Policy::parse(&[("p", text.as_bytes())]) {
        Ok(loaded) => loaded.policy,
        Err(found) => panic!("{found}\n{text}"),
    }
}

/// A path of one to four short names, so that parents, children and repetitions are frequent.
fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        "[abc]",
        Just("{user}".to_owned()),
        Just("a-b".to_owned()),
        Just("%".to_owned())
    ];
    prop::collection::vec(name, 1..5).prop_map(|names| format!("/{}", names.join("/")))
}

/// A rule of a kind that works, with some of its keys.
fn rule() -> impl Strategy<Value = String> {
    let selector = prop_oneof![
        Just(""),
        Just("users = [\"alice\"]\n"),
        Just("users = [\"@staff\"]\n"),
        Just("except = [\"uid:1002\"]\n"),
        Just("services = [\"ss*\"]\n"),
        Just("except_services = [\"ss*\"]\n"),
        Just("ttys = [\"tty?\"]\n"),
    ];
    let kind = prop_oneof![
        Just("[[private]]\n"),
        Just("[[private]]\nper = \"session\"\n"),
        Just("[[private]]\nper = \"group\"\n"),
        Just("[[private]]\nmedium = \"memory\"\n"),
        Just("[[tmpfs]]\n"),
        Just("[[hide]]\nkeep = [\"{user}\"]\n"),
        Just("[[bind]]\nsource = \"/srv/{user}\"\n"),
    ];
    (kind, selector, path())
        .prop_map(|(kind, selector, path)| format!("{kind}{selector}path = \"{path}\"\n"))
}

/// Rules no two of which have the same path and selectors, which would be an error.
fn rules() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(rule(), 0..12).prop_map(|rules| {
        let mut seen = BTreeSet::new();
        let tail = |rule: &String| {
            let lines = rule.lines();
            lines
                .filter(|l| {
                    ["path", "users", "except", "services", "ttys"]
                        .iter()
                        .any(|key| l.starts_with(key))
                })
                .collect::<String>()
        };
        rules
            .into_iter()
            .filter(|rule| seen.insert(tail(rule)))
            .collect()
    })
}

/// Numbers that are easily taken for each other where nothing shows where they end.
fn number() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![1, 11, 111])
}

/// A pattern over the names of services of which many match it.
fn pattern() -> impl Strategy<Value = String> {
    prop_oneof!["[abc]{1,2}", "[abc]?\\*", "\\?[abc]?", "\\[!a\\][abc]?"]
}

fn plan(text: &str, login: &Login) -> Plan {
    Plan::new(&parsed(text), login, &Machine).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parents_come_first_and_each_path_once(rules in rules()) {
        for login in [alice(), bob()] {
            let plan = plan(&rules.concat(), &login);
            for (index, step) in plan.steps.iter().enumerate() {
                for later in &plan.steps[index + 1..] {
                    prop_assert!(!step.path.is_within(&later.path), "{} before {}", step.path, later.path);
                }
            }
        }
    }

    #[test]
    fn every_instance_is_in_the_store_and_nobody_elses(rules in rules()) {
        let instances = |login: &Login| -> Vec<String> {
            let plan = plan(&rules.concat(), login);
            let instances = plan.steps.into_iter().filter_map(|step| {
                let View::Instance { instance, .. } = step.view else {
                    return None;
                };
                assert!(instance.directory.is_within(&plan.store) && instance.directory != plan.store);
                Some(instance.directory.to_string())
            });
            instances.collect()
        };
        let another = Login { session: SessionId::parse("00000000000000bb").unwrap(), ..bob() };
        let (first, second) = (instances(&alice()), instances(&another));
        prop_assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), first.len());
        prop_assert!(first.iter().all(|directory| !second.contains(directory)));
    }

    #[test]
    fn an_exempt_login_has_the_empty_plan(rules in rules(), principal in prop_oneof![
        Just("alice"), Just("@students"), Just("uid:1001"), Just("uid:0-4000"), Just("*"),
    ]) {
        let refused = "[[overlay]]\npath = \"/o\"\n";
        let text = format!("[settings]\nexempt = [\"nobody\", \"{principal}\"]\nnamespace = \"user\"\n{refused}{}", rules.concat());
        let plan = plan(&text, &alice());
        prop_assert!(plan.is_empty() && plan.environment.is_empty());
    }

    /// Rules whose paths differ for this login may stand in any order.
    #[test]
    fn the_order_of_unrelated_rules_is_irrelevant(rules in rules(), seed in any::<prop::sample::Index>()) {
        let mut seen = BTreeSet::new();
        let unrelated: Vec<String> = rules.into_iter().filter(|rule| {
            let path = rule.split("path = ").last().unwrap().replace("{user}", "alice");
            seen.insert(path)
        }).collect();
        let mut rotated = unrelated.clone();
        if !rotated.is_empty() {
            let middle = seed.index(rotated.len());
            rotated.rotate_left(middle);
            rotated[..middle].reverse();
        }
        let bare = |plan: Plan| plan.steps.into_iter().map(|step| (step.path, step.view, step.attributes)).collect::<Vec<_>>();
        prop_assert_eq!(bare(plan(&unrelated.concat(), &alice())), bare(plan(&rotated.concat(), &alice())));
    }

    /// The plan is made of the rules that the selection says apply, and of no others.
    #[test]
    fn the_plan_is_what_the_selection_says(rules in rules()) {
        let policy = parsed(&rules.concat());
        let selection = select(&policy, &alice());
        let mut applied: Vec<String> = selection.effective().map(|ruling| ruling.path.clone().unwrap().to_string()).collect();
        let plan = Plan::new(&policy, &alice(), &Machine).unwrap();
        let mut planned: Vec<String> = plan.steps.iter().map(|step| step.path.to_string()).collect();
        applied.sort();
        planned.sort();
        prop_assert_eq!(applied, planned);
    }

    /// A rule applies where `services` names the service, or does not stand, and `except_services` does not name it.
    #[test]
    fn services_that_are_left_out_are_those_that_would_be_chosen(
        services in prop::option::of(prop::collection::vec(pattern(), 1..3)),
        except in prop::collection::vec(pattern(), 0..3),
        service in "[abc]{0,3}",
    ) {
        let login = Login { service, ..alice() };
        let applies = |keys: &str| {
            let policy = parsed(&format!("[[hide]]\npath = \"/x\"\n{keys}"));
            select(&policy, &login).effective().count() == 1
        };
        let chosen = services.map_or(String::new(), |globs| format!("services = {globs:?}\n"));
        let is_left_out = !except.is_empty() && applies(&format!("services = {except:?}\n"));
        let both = applies(&format!("{chosen}except_services = {except:?}\n"));
        prop_assert_eq!(both, applies(&chosen) && !is_left_out);
    }

    /// Where no warning says that users can have one store, they cannot, whatever their names, ids and services are.
    #[test]
    fn users_share_no_store_without_a_warning(
        pieces in prop::collection::vec(prop::sample::select(
            vec!["{user}", "{user}", "{uid}", "{uid}", "{gid}", "{service}", "-", "1", "/"],
        ), 1..6),
        facts in prop::collection::vec(("[a1-]{1,2}", number(), number(), "[a1-]{1,2}"), 30),
    ) {
        let text = format!("[[private]]\npath = \"/x\"\nstore = \"/s/{}\"\n", pieces.concat());
        if let Ok(loaded) = Policy::parse(&[("p", text.as_bytes())]) && loaded.warnings.is_empty() {
            let (_, store) = loaded.policy.rules[0].kind.store().unwrap();
            let mut seen = BTreeMap::new();
            for (user, uid, gid, service) in facts {
                let login = Login { user, uid, gid, service, ..alice() };
                if let Ok(path) = store.expand(&login) {
                    let (name, id) = seen.entry(path).or_insert((login.user.clone(), uid));
                    prop_assert!(*name == login.user || *id == uid, "{text}{name} {id} {login:?}");
                }
            }
        }
    }

    /// A fact with a slash, one that climbs, or one with bytes that are no text never gets into a path.
    #[test]
    fn no_fact_leads_out_of_a_path(user in prop_oneof!["[./a\\x00]{0,4}", any::<String>()]) {
        let policy = parsed("[settings]\nexempt = []\n[[private]]\npath = \"/x/{user}\"\nstore = \"/inst/{user}/y\"\nkeep = [\"{user}\"]\n");
        let login = Login { user: user.clone(), ..alice() };
        match Plan::new(&policy, &login, &Machine) {
            Ok(plan) => prop_assert_eq!(plan.steps[0].path.components().count(), 2),
            Err(error) => prop_assert!(
                user.is_empty() || user == "." || user == ".." || user.contains(['/', '\0', char::REPLACEMENT_CHARACTER]) || user.len() > 255,
                "{}", error
            ),
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        drop(Policy::parse(&[("p", &bytes)]));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        drop(Policy::parse(&[("p", text.as_bytes())]));
    }

    /// Pieces of real policies in any order: deeper into the parser than random bytes come.
    #[test]
    fn no_pieces_make_the_parser_panic(pieces in prop::collection::vec(prop_oneof![
        Just("[["), Just("]]"), Just("["), Just("]"), Just("{"), Just("}"), Just("="), Just("\n"), Just("\""), Just("'"), Just("\"\"\""),
        Just("\\"), Just("\\u00e9"), Just("ü"), Just("settings"), Just("private"), Just("path"), Just("env"), Just("set"), Just("users"),
        Just("\"/tmp/{user}\""), Just("{us"), Just("uid:1-"), Just("1"), Just("true"), Just(","), Just("."), Just("#"), Just("\r\n"), Just("\t"),
        Just("mode"), Just("\"10%\""), Just("options"), Just("\"ro\""), Just("hook"), Just("isolate"), Just("[[private]]\npath = "), Just("\u{202e}"),
    ], 0..60)) {
        let text = pieces.concat();
        if let Err(found) = Policy::parse(&[("p", text.as_bytes())]) {
            for one in &found.list {
                let place = one.place.as_ref().unwrap();
                let line = text.split('\n').nth(place.line - 1).unwrap();
                prop_assert!(place.column <= line.chars().count() + 1, "{}", one);
            }
        }
    }
}
