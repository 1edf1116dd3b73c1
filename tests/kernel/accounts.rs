//! Facts about a login when the account database is not what it should be.

use crate::own::*;
use pam_jns::login::{Login, Needs, Request, Unknown};
use std::os::unix::net::UnixListener;

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
