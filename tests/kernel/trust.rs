//! Which policy files are trusted.

use crate::own::*;
use pam_jns::kernel::fs::file::{TrustedDirectory, read_trusted, read_trusting};
use pam_jns::kernel::fs::walk::{Trust, Walker};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

const LIMIT: usize = 1000;
const POLICY: &str = "/mnt/etc/jns.toml";

fn written(mode: u32, owner: u32, size: usize) {
    directory("/mnt/etc", 0o755, 0);
    fs::write(POLICY, vec![b'#'; size]).unwrap();
    chmod_chown(POLICY, mode, owner);
}

fn chmod_chown(path: &str, mode: u32, owner: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::os::unix::fs::chown(path, Some(owner), Some(owner)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn refusal(path: &str) -> String {
    read_trusted(path, LIMIT).unwrap_err().to_string()
}

#[test]
fn a_policy_file_is_roots_and_nobody_else_may_write_to_it() {
    in_own_namespace(|| {
        for (mode, owner, size, reason) in [
            (0o600, 0, LIMIT, None),
            (0o444, 0, 0, None),
            (0o000, 0, 10, None),
            (
                0o664,
                0,
                10,
                Some("its mode is 0664: others than root may write to it"),
            ),
            (
                0o602,
                0,
                10,
                Some("its mode is 0602: others than root may write to it"),
            ),
            (0o644, USER, 10, Some("it belongs to uid 2001, not to root")),
            (0o644, 0, LIMIT + 1, Some("it is larger than 1000 bytes")),
        ] {
            written(mode, owner, size);
            match (read_trusted(POLICY, LIMIT), reason) {
                (Ok(text), None) => assert_eq!(text.len(), size),
                (Err(error), Some(reason)) => {
                    assert_eq!(error.to_string(), format!("cannot read {POLICY}: {reason}"));
                }
                (other, expected) => panic!("{other:?} instead of {expected:?}"),
            }
        }
    });
}

#[test]
fn what_is_not_a_regular_file_is_named() {
    in_own_namespace(|| {
        directory("/mnt/etc", 0o755, 0);
        directory("/mnt/etc/directory", 0o755, 0);
        symlink("/etc/passwd", "/mnt/etc/link").unwrap();
        nix::unistd::mkfifo("/mnt/etc/fifo", nix::sys::stat::Mode::S_IRUSR).unwrap();
        let _socket = UnixListener::bind("/mnt/etc/socket").unwrap();
        file("/mnt/etc/file", "");
        for (name, reason) in [
            ("directory", "it is a directory, not a regular file"),
            ("link", "it is a symbolic link"),
            ("fifo", "it is a FIFO, not a regular file"),
            ("socket", "it is a socket, not a regular file"),
            ("none", "No such file or directory"),
            ("file/x", "Not a directory"),
        ] {
            assert!(
                refusal(&format!("/mnt/etc/{name}")).ends_with(&format!(": {reason}")),
                "{name}"
            );
        }
        assert!(
            read_trusted("/mnt/etc/none", LIMIT)
                .unwrap_err()
                .is_missing()
        );
        assert_eq!(
            refusal("/dev/null"),
            "cannot read /dev/null: it is a device, not a regular file"
        );
    });
}

#[test]
fn every_directory_on_the_way_is_roots_alone() {
    in_own_namespace(|| {
        written(0o644, 0, 10);
        for (mode, owner, reason) in [
            (0o777, 0, "/mnt/etc is writable by others than root"),
            (0o1777, 0, "/mnt/etc is writable by others than root"),
            (0o775, 0, "/mnt/etc is writable by others than root"),
            (0o755, USER, "/mnt/etc belongs to uid 2001"),
        ] {
            chmod_chown("/mnt/etc", mode, owner);
            let error = refusal(POLICY);
            assert!(
                error.starts_with(&format!("cannot use {POLICY}: {reason}")),
                "{error}"
            );
        }
        chmod_chown("/mnt/etc", 0o755, 0);
        symlink("/mnt/etc", "/mnt/root-link").unwrap();
        assert_eq!(
            read_trusted("/mnt/root-link/jns.toml", LIMIT)
                .unwrap()
                .len(),
            10
        );
        std::os::unix::fs::lchown("/mnt/root-link", Some(USER), None).unwrap();
        assert!(
            refusal("/mnt/root-link/jns.toml")
                .contains("is a symbolic link that belongs to uid 2001")
        );
    });
}

#[test]
fn drop_ins_are_listed_in_byte_order() {
    in_own_namespace(|| {
        directory("/mnt/etc/jns.d", 0o755, 0);
        for name in ["20-b.toml", "10-a.toml", "9-c.toml", "README"] {
            file(&format!("/mnt/etc/jns.d/{name}"), "");
        }
        let listed = || {
            let (etc, name) = TrustedDirectory::holding(Trust::Root, "/mnt/etc/jns.d")?;
            etc.directory(name)?.names()
        };
        let names = listed().unwrap();
        assert_eq!(names, ["10-a.toml", "20-b.toml", "9-c.toml", "README"]);
        let (etc, _) = TrustedDirectory::holding(Trust::Root, "/mnt/etc/x").unwrap();
        assert!(etc.directory("none").unwrap_err().is_missing());
        chmod_chown("/mnt/etc/jns.d", 0o775, 0);
        assert!(
            listed()
                .unwrap_err()
                .to_string()
                .contains("its mode is 0775")
        );
    });
}

#[test]
fn a_caller_with_their_own_rights_trusts_those_the_kernel_lets_in() {
    in_own_namespace(|| {
        let caller = |path: &str| read_trusting(Trust::Caller(USER), path, LIMIT);
        directory("/mnt/etc", 0o777, 65534);
        for (mode, owner) in [(0o644, 65534), (0o666, USER), (0o644, USER + 1)] {
            written(mode, owner, 10);
            chmod_chown("/mnt/etc", 0o777, 65534);
            assert_eq!(caller(POLICY).unwrap().len(), 10, "{mode:o} {owner}");
        }
        for (mode, link_owner, followed) in [
            (0o1777, 65534, true),
            (0o1777, USER, true),
            (0o1777, USER + 1, false),
            (0o1755, USER + 1, true),
            (0o777, USER + 1, true),
        ] {
            directory("/mnt/shared", mode, 65534);
            let _ = fs::remove_file("/mnt/shared/link");
            symlink("/mnt/etc", "/mnt/shared/link").unwrap();
            std::os::unix::fs::lchown("/mnt/shared/link", Some(link_owner), None).unwrap();
            let read = caller("/mnt/shared/link/jns.toml");
            assert_eq!(read.is_ok(), followed, "{mode:o} {link_owner} {read:?}");
        }
        let directory = caller("/mnt/etc").unwrap_err().to_string();
        assert!(directory.ends_with("it is a directory, not a regular file"));
    });
}

/// An access list as the kernel keeps it (acl(5), linux/posix_acl_xattr.h) in which a user has all rights.
fn list_with(user: u32) -> Vec<u8> {
    const NOBODY: u32 = u32::MAX;
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 7, NOBODY),
        (0x02, 7, user),
        (0x04, 5, NOBODY),
        (0x10, 7, NOBODY),
        (0x20, 5, NOBODY),
    ];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(rights.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

/// With a list, the group bits of the mode are its mask, and the group alone says nothing.
#[test]
fn an_access_list_lets_others_write_where_the_group_is_roots() {
    use rustix::fs::{XattrFlags, removexattr, setxattr};
    in_own_namespace(|| {
        const TEAM: &str = "/mnt/team";
        directory("/mnt/team/private", 0o755, 0);
        chmod_chown(TEAM, 0o775, 0);
        let list = list_with(USER);
        let give = |kind: &str| setxattr(TEAM, kind, &list, XattrFlags::empty()).unwrap();
        let open = |trust| {
            let walker = Walker::new(trust).unwrap();
            walker.open("/mnt/team/private", &[]).map(drop)
        };
        for trust in [Trust::User(USER), Trust::User(0)] {
            open(trust).unwrap();
        }
        give("system.posix_acl_default");
        open(Trust::User(USER)).unwrap();
        give("system.posix_acl_access");
        // Neither answer asks /proc.
        memory("/proc");
        for trust in [Trust::Root, Trust::User(USER), Trust::User(0)] {
            let error = open(trust).unwrap_err().to_string();
            let by = match trust {
                Trust::Root => "others than root",
                Trust::User(_) | Trust::Caller(_) => "those whom its access list (acl(5)) names",
            };
            let reason = format!("/mnt/team is writable by {by}, who could replace what is in it");
            assert!(error.ends_with(&reason), "{error}");
        }
        open(Trust::Caller(USER)).unwrap();
        removexattr(TEAM, "system.posix_acl_access").unwrap();
        chmod_chown(TEAM, 0o775, 0);
        open(Trust::User(USER)).unwrap();
    });
}
