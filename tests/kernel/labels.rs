//! SELinux labels: they are extended attributes, which root can write without SELinux too.

use crate::own::*;
use pam_jns::apply::Entered;
use pam_jns::kernel::fs::label;
use pam_jns::plan::{Label, Labelling, Plan, Step, View};
use pam_jns::policy::value::Size;
use rustix::fs::XattrFlags;
use std::fs::File;

const LABEL: &str = "system_u:object_r:tmp_t:s0";

const INSTANCE: &str = "/mnt/var/lib/jns/user/2001/mnt-t";

/// Writes the label as the kernel has it, or as setfattr(1) would write it.
fn write_label(path: &str, value: &[u8]) {
    rustix::fs::setxattr(path, "security.selinux", value, XattrFlags::empty()).unwrap();
}

fn labelled_t() {
    directory("/mnt/t", 0o1777, 0);
    write_label("/mnt/t", format!("{LABEL}\0").as_bytes());
}

fn entered(plan: &Plan) -> Entered {
    enter(plan, USER).unwrap()
}

fn label_inside(step: Step) -> Option<String> {
    let inside = entered(&plan(vec![step]));
    let label = label::at("/mnt/t").unwrap();
    drop(inside);
    label
}

#[test]
fn what_stands_for_a_directory_has_its_label() {
    for step in [
        || private("/mnt/t", INSTANCE, &[]),
        || session("/mnt/t", "/mnt/var/lib/jns/session/5e/mnt-t"),
        || overlaid("/mnt/t", INSTANCE),
        || in_memory("/mnt/t", Size::Bytes(1 << 20), &[]),
    ] {
        in_own_namespace(move || {
            labelled_t();
            assert_eq!(label_inside(step()).as_deref(), Some(LABEL), "{:?}", step());
        });
    }
}

#[test]
fn a_label_is_that_of_the_first_login_and_the_parents_have_none_of_it() {
    in_own_namespace(|| {
        labelled_t();
        assert_eq!(
            label_inside(private("/mnt/t", INSTANCE, &[])).as_deref(),
            Some(LABEL)
        );
        write_label("/mnt/t", b"system_u:object_r:other_t:s0");
        assert_eq!(
            label_inside(private("/mnt/t", INSTANCE, &[])).as_deref(),
            Some(LABEL)
        );
        assert_eq!(label::at("/mnt/var/lib/jns/user/2001").unwrap(), None);
    });
}

#[test]
fn a_directory_without_a_label_gives_none() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        assert_eq!(label_inside(private("/mnt/t", INSTANCE, &[])), None);
    });
}

#[test]
fn labels_are_read_as_they_may_be_written() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        let open = File::open("/mnt/t").unwrap();
        for (value, expected) in [
            (format!("{LABEL}\0").into_bytes(), Ok(Some(LABEL))),
            (LABEL.into(), Ok(Some(LABEL))),
            (b"\0".to_vec(), Ok(None)),
            (
                vec![0xff, 0],
                Err("cannot read the label of /t: it is no text"),
            ),
        ] {
            write_label("/mnt/t", &value);
            let label = label::of(&open, "/t").map_err(|error| error.to_string());
            let label = label.as_ref().map(Option::as_deref).map_err(String::as_str);
            assert_eq!(label, expected, "{value:?}");
        }
    });
}

#[test]
fn a_label_that_no_file_system_keeps_is_refused_where_it_matters() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        let labelled = File::open("/mnt/t").unwrap();
        label::give(&labelled, LABEL, "/t").unwrap();
        assert_eq!(label::at("/mnt/t").unwrap().as_deref(), Some(LABEL));
        let lost = File::open("/proc/self").unwrap();
        let refusal = label::give(&lost, LABEL, "/t").unwrap_err().to_string();
        assert!(
            refusal.starts_with("cannot give /t the label system_u:"),
            "{refusal}"
        );
        label::copy(&lost, &labelled, "/t").unwrap();
    });
}

/// `per = "context"`: a label of its own, which was found where the covered directory had `covered`.
fn by_context(covered: &str) -> Plan {
    let label = Label {
        context: "staff_u:object_r:user_tmp_t:s0".to_owned(),
        covered: covered.to_owned(),
    };
    let mut step = private("/mnt/t", INSTANCE, &[]);
    if let View::Instance { instance, .. } = &mut step.view {
        instance.labelling = Labelling::Own(label);
    }
    plan(vec![step])
}

#[test]
fn a_label_of_its_own_is_given_where_the_covered_directory_has_the_one_that_it_was_found_for() {
    in_own_namespace(|| {
        labelled_t();
        for _ in ["new", "there"] {
            let inside = entered(&by_context(LABEL));
            let label = label::at("/mnt/t").unwrap();
            drop(inside);
            assert_eq!(label.as_deref(), Some("staff_u:object_r:user_tmp_t:s0"));
        }
    });
}

#[test]
fn a_directory_that_was_relabelled_or_exchanged_meanwhile_is_not_covered() {
    in_own_namespace(|| {
        labelled_t();
        let before = state();
        let refusal = enter(&by_context("system_u:object_r:etc_t:s0"), USER);
        let refusal = refusal.map(drop).unwrap_err().to_string();
        assert!(refusal.contains(LABEL), "{refusal}");
        assert!(refusal.starts_with("cannot cover /mnt/t: "), "{refusal}");
        assert_eq!(state(), before);
    });
}
