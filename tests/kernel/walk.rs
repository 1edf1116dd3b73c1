//! Which paths a program of root's may name.

use crate::own::*;
use pam_jns::kernel::fs::walk::{Trust, Walker};
use std::os::unix::fs::symlink;

#[test]
fn a_path_is_safe_to_name_where_nobody_but_root_could_move_what_is_on_the_way() {
    in_own_namespace(|| {
        directory("/mnt/real/t", 0o755, 0);
        for (mode, is_safe) in [(0o755, true), (0o700, true), (0o775, false), (0o1775, true)] {
            directory("/mnt/a/t", 0o755, 0);
            directory("/mnt/a", mode, 0);
            let _ = symlink("/mnt/real", "/mnt/a/link");
            assert_eq!(judged(Trust::User(0), "/mnt/a"), Ok(true));
            for path in ["/mnt/a/t", "/mnt/a/link/t"] {
                let judged = judged(Trust::User(0), path);
                assert_eq!(judged, Ok(is_safe), "{mode:o} {path}");
            }
        }
        directory("/mnt/a", 0o1777, 0);
        assert_eq!(judged(Trust::User(0), "/mnt/a/t"), Ok(true));

        directory("/mnt/home/own", 0o755, USER);
        directory("/mnt/home", 0o755, USER);
        assert_eq!(judged(Trust::User(0), "/mnt/home"), Ok(true));
        assert!(judged(Trust::User(0), "/mnt/home/own").is_err());
        for trust in [Trust::User(USER), Trust::Caller(USER)] {
            assert_eq!(judged(trust, "/mnt/home/own"), Ok(false), "{trust:?}");
        }
    });
}

/// Whether a path that leads somewhere is safe to name.
fn judged(trust: Trust, path: &str) -> Result<bool, String> {
    let opened = Walker::new(trust).and_then(|walker| walker.open_and_judge(path, &[]));
    opened
        .map(|(_, is_safe)| is_safe)
        .map_err(|e| e.to_string())
}
