//! The examples for /etc/pam.d. Those of programs that run here are what every other test uses
//! ([`Bed::protect`]); the rest are opened by pamtester.

use crate::bed::{Bed, Outcome, bed, needs, ours_only};

#[test]
fn systemd_user_gets_a_namespace() {
    assert_opens("systemd-user");
}

#[test]
fn gdm_password_gets_a_namespace() {
    assert_opens("gdm-password");
}

/// Opens and closes a session of this service for alice.
#[track_caller]
fn assert_opens(service: &str) {
    let bed = bed!();
    ours_only!("examples here");
    needs!(bed, "pamtester");
    bed.protect(service);
    let before = bed.state();
    pamtester(&bed, service, "alice").text();
    before.assert_nothing_left(&bed);
    bed.assert_logins_logged(service, &["alice"]);
}

#[test]
fn pamtester_opens_and_closes_sessions() {
    let bed = bed!();
    needs!(bed, "pamtester");
    bed.sh(
        "printf 'auth required pam_permit.so\naccount required pam_permit.so\n' >/etc/pam.d/plain",
    );
    bed.protect("plain");
    let before = bed.state();
    for user in ["alice", "bob", "system", "alice"] {
        pamtester(&bed, "plain", user).text();
    }
    before.assert_nothing_left(&bed);
    bed.assert_logins_logged("plain", &["alice", "bob", "alice"]);
}

fn pamtester(bed: &Bed, service: &str, user: &str) -> Outcome {
    bed.exec(&["pamtester", service, user, "open_session", "close_session"])
}
