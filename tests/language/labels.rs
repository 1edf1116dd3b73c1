//! Instances by SELinux context and level: their names, and what a machine without SELinux makes of them.

use crate::accounts::alice;
use pam_jns::policy::{Kind, Policy};

const LABEL: &str = "staff_u:object_r:user_tmp_t:s0";

/// The instance of Alice's with the label.
fn instance(keys: &str, label: Option<&str>) -> Result<String, String> {
    let policy = format!("[[private]]\npath = \"/tmp\"\n{keys}\n");
    let loaded = Policy::parse(&[("p", policy.as_bytes())]).unwrap_or_else(|e| panic!("{e}"));
    let Kind::Private(private) = &loaded.policy.rules[0].kind else {
        panic!("not a private directory");
    };
    let path = private.store().unwrap().expand(&alice(), label)?;
    Ok(path.to_string())
}

#[test]
fn instances_have_the_names_that_pam_namespace_gives_them() {
    // As `printf %s NAME | md5sum` says.
    for (keys, with, without) in [
        (
            "per = \"context\"\nstore = \"/t/{context}_{user}\"",
            "/t/staff_u:object_r:user_tmp_t:s0_alice",
            Ok("/t/alice"),
        ),
        (
            "per = \"level\"\nstore = \"/t/inst-{level}_{user}\"",
            "/t/inst-staff_u:object_r:user_tmp_t:s0_alice",
            Ok("/t/inst-alice"),
        ),
        (
            "per = \"level\"\nstore = \"/t/{level}_{user}\"\nhash = \"always\"",
            "/t/a32ecccf7ef7f61801375fac47cb5607",
            Ok("/t/6384e2b2184bcbf58eccf10ca7a6563c"),
        ),
        (
            "per = \"context\"\nstore = \"/t/{context}\"\nhash = \"always\"",
            "/t/e5cc3cdb54765ab714a97c68aaba7f1b",
            Err("without SELinux everybody would have the same one"),
        ),
        (
            "per = \"context\"\nstore = \"/t/{uid}/{context}\"",
            "/t/1001/staff_u:object_r:user_tmp_t:s0",
            Err("a path must not have repeated or trailing slashes"),
        ),
    ] {
        assert_eq!(instance(keys, Some(LABEL)).as_deref(), Ok(with), "{keys}");
        let found = instance(keys, None);
        let found = found.as_deref().map_err(String::as_str);
        assert_eq!(found, without, "{keys}");
    }
}

#[test]
fn a_long_name_is_cut_with_its_label() {
    let keys = "per = \"level\"\nstore = \"/t/{level}_{user}\"\nhash = \"long\"";
    let label = format!("system_u:object_r:tmp_t:s0:{}", ["c1"; 30].join(","));
    let name = instance(keys, Some(&label)).unwrap();
    assert_eq!(name.len(), "/t/".len() + 80, "{name}");
    assert!(
        name.starts_with("/t/system_u:object_r:tmp_t:s0:c1,c1,"),
        "{name}"
    );
}

#[test]
fn a_label_that_is_no_name_is_refused() {
    let keys = "per = \"context\"\nstore = \"/t/{context}_{user}\"";
    let refusal = instance(keys, Some("../root")).unwrap_err();
    assert!(
        refusal.starts_with("the label is \"../root\": "),
        "{refusal}"
    );
}

/// Of the machine that the tests run on, unless it has SELinux.
#[cfg(feature = "selinux")]
#[test]
fn a_machine_without_selinux_has_no_labels() {
    use pam_jns::kernel::selinux;
    use pam_jns::login::{Accounts, Basis, Nss};

    if selinux::is_enabled() {
        return;
    }
    for basis in [Basis::Context, Basis::Level] {
        assert_eq!(Nss.label(&alice(), "/tmp", basis), Ok(None));
    }
}

#[cfg(feature = "selinux")]
#[test]
fn a_build_with_selinux_says_what_is_wrong_with_a_store() {
    for (keys, expected) in [
        ("per = \"context\"", ""),
        (
            "per = \"level\"\nstore = \"/t/{user}\"",
            "p:4:9: every level would have the same `store`; put `{level}` in it",
        ),
        (
            "per = \"context\"\nstore = \"/t/{context}_{level}\"",
            "p:4:9: `{level}` needs `per = \"level\"`",
        ),
    ] {
        let policy = format!("[[private]]\npath = \"/tmp\"\n{keys}\n");
        let said = match Policy::parse(&[("p", policy.as_bytes())]) {
            Ok(loaded) => loaded.warnings.to_string(),
            Err(found) => found.to_string(),
        };
        assert_eq!(said, expected, "{keys}");
    }
}
