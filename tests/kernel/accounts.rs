//! Facts about a login, also when the account database is not what it should be.

use crate::own::*;
use pam_jns::kernel::deadline::Deadline;
use pam_jns::login::{Login, Needs, Request, Unknown};
use pam_jns::plan::{Helper, RunAs};
use pam_jns::session::subject_of;
use std::os::unix::net::UnixListener;
use std::time::Duration;

/// A rule for `@students` must not pass a student by because the groups could not be read.
#[test]
fn groups_that_cannot_be_read_are_an_error_and_not_none() {
    in_own_namespace(|| {
        let _socket = UnixListener::bind("/mnt/socket").unwrap();
        bind("/mnt/socket", "/etc/group");
        file("/mnt/nsswitch.conf", "passwd: files\ngroup: files\n");
        bind("/mnt/nsswitch.conf", "/etc/nsswitch.conf");
        let facts = |needs| {
            let user = "root".to_owned();
            let request = Request {
                user,
                ..Request::default()
            };
            Login::gather(request, needs)
        };
        for (groups, group_name) in [(true, false), (false, true)] {
            match facts(Needs { groups, group_name }) {
                Err(Unknown::Fault(error)) => {
                    assert!(
                        error.to_string().starts_with("cannot look up group 0: "),
                        "{error}"
                    );
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(facts(Needs::default()).is_ok());
    });
}

/// Asking for them can be slow, and a session without a program of the user's does not.
#[test]
fn all_groups_are_asked_for_where_the_user_runs_a_program() {
    in_own_namespace(|| {
        file(
            "/mnt/group",
            "root:x:0:\none:x:4242:root\ntwo:x:4243:alice,root\n",
        );
        bind("/mnt/group", "/etc/group");
        file("/mnt/nsswitch.conf", "passwd: files\ngroup: files\n");
        bind("/mnt/nsswitch.conf", "/etc/nsswitch.conf");
        let user = "root".to_owned();
        let request = Request {
            user,
            ..Request::default()
        };
        let login = Login::gather(request, Needs::default()).unwrap();
        let (root, user) = (RunAs::Root, RunAs::User);
        let table: [(&[RunAs], &[u32]); 4] = [
            (&[], &[0]),
            (&[root], &[0]),
            (&[user], &[0, 4242, 4243]),
            (&[root, user, root], &[0, 4242, 4243]),
        ];
        for (run_as, groups) in table {
            let helper = |run_as: &RunAs| Helper {
                argv: vec!["/bin/true".to_owned()],
                run_as: *run_as,
                timeout: Duration::from_secs(1),
            };
            let helpers: Vec<_> = run_as.iter().map(helper).collect();
            let subject = subject_of(&login, helpers.iter(), None, &Deadline::none()).unwrap();
            assert_eq!(subject.credentials.groups, groups, "{run_as:?}");
        }
    });
}
