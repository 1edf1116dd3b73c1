//! Removing what a session left behind.

use crate::own::*;
use pam_jns::kernel::fs::identity::FileIdentity;
use pam_jns::kernel::fs::removal::remove_tree;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, symlink};

fn remove(name: &str) -> pam_jns::error::Result<()> {
    let parent = fs::File::open("/mnt/store").unwrap();
    let path = format!("/mnt/store/{name}");
    let (device, inode) = fs::metadata(&path).map_or((0, 0), |status| (status.dev(), status.ino()));
    let identity = FileIdentity { device, inode };
    remove_tree(parent.as_fd(), name, identity, &path)
}

#[test]
fn links_are_removed_and_not_followed() {
    in_own_namespace(|| {
        directory("/mnt/store/s", 0o700, 0);
        directory("/mnt/precious", 0o755, 0);
        file("/mnt/precious/file", "");
        symlink("/mnt/precious", "/mnt/store/s/link").unwrap();
        symlink("/mnt/precious/file", "/mnt/store/s/file").unwrap();
        symlink("/mnt/precious", "/mnt/store/whole").unwrap();
        remove("s").unwrap();
        assert!(
            remove("whole")
                .unwrap_err()
                .to_string()
                .contains("Not a directory")
        );
        assert!(exists("/mnt/precious/file") && !exists("/mnt/store/s"));
        remove("none").unwrap();
    });
}

#[test]
fn a_tree_deeper_than_any_path_goes() {
    in_own_namespace(|| {
        directory("/mnt/store/s", 0o700, 0);
        std::env::set_current_dir("/mnt/store/s").unwrap();
        for _ in 0..3000 {
            fs::create_dir("d").unwrap();
            file("f", "");
            std::env::set_current_dir("d").unwrap();
        }
        std::env::set_current_dir("/").unwrap();
        remove("s").unwrap();
        assert_eq!(names("/mnt/store"), [""; 0]);
    });
}

#[test]
fn wide_directories_and_awkward_names_go() {
    in_own_namespace(|| {
        directory("/mnt/store/s/sub", 0o000, USER);
        for n in 0..10_000 {
            file(&format!("/mnt/store/s/{n}"), "");
            file(&format!("/mnt/store/s/sub/.jns-removed-{n}"), "");
        }
        file("/mnt/store/s/line\nbreak \u{1b}[31m", "");
        file(&format!("/mnt/store/s/{}", "x".repeat(255)), "");
        remove("s").unwrap();
        assert_eq!(names("/mnt/store"), [""; 0]);
    });
}

#[test]
fn what_is_mounted_in_it_is_left_alone() {
    in_own_namespace(|| {
        directory("/mnt/store/s/mounted", 0o755, 0);
        directory("/mnt/precious", 0o755, 0);
        file("/mnt/precious/file", "");
        bind("/mnt/precious", "/mnt/store/s/mounted");
        let error = remove("s").unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot remove /mnt/store/s: something is mounted in it"
        );
        assert!(exists("/mnt/precious/file"));
    });
}
