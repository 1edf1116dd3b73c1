//! What the fuzzer starts from, and what it has found, against what must hold for any bytes.

use crate::judges;
use pam_jns::session::{NamespaceRecord, SessionRecord};
use std::fs;
use std::path::Path;

/// Asks `judge` of every file of the directories, and of each without its second half.
fn ask(judge: fn(&[u8]), directories: &[&str]) {
    for directory in directories {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        let mut asked = 0;
        let entries = fs::read_dir(&directory).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        for path in paths.filter(|path| path.is_file()) {
            let bytes = fs::read(path).unwrap();
            judge(&bytes);
            judge(&bytes[..bytes.len() / 2]);
            asked += 1;
        }
        assert!(asked > 0, "{} is empty", directory.display());
    }
}

#[test]
fn policies() {
    ask(
        judges::policy,
        &["conf", "tests/cli/check", "tests/golden/plans"],
    );
}

#[test]
fn fstabs() {
    ask(judges::fstab, &["tests/golden/fstabs"]);
}

#[test]
fn namespace_confs() {
    ask(judges::namespace_conf, &["tests/cli/import/pam_namespace"]);
}

#[test]
fn mount_tables() {
    ask(judges::mount_table, &["tests/golden/seeds/mount_table"]);
}

#[test]
fn records() {
    ask(judges::records, &["tests/golden/seeds/records"]);
    let seed = |name: &str| {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/seeds/records");
        fs::read(directory.join(name)).unwrap()
    };
    // A seed that is no record finds nothing, and neither does what the fuzzer makes of it.
    serde_json::from_slice::<NamespaceRecord>(&seed("namespace")).unwrap();
    serde_json::from_slice::<SessionRecord>(&seed("session")).unwrap();
}

/// Before ids had types, the host's view had an empty text for a plan.
#[test]
fn a_record_of_an_earlier_module_is_read() {
    for (plan, is_some) in [("null", false), ("\"\"", false)] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/seeds/records");
        let text = fs::read_to_string(directory.join("namespace")).unwrap();
        let digest = format!("\"{}\"", "0f".repeat(32));
        let earlier = text.replace(&format!("\"plan\":{digest}"), &format!("\"plan\":{plan}"));
        assert_ne!(earlier, text);
        let record: NamespaceRecord = serde_json::from_str(&earlier).unwrap();
        assert_eq!(record.plan.is_some(), is_some, "{plan}");
    }
}
