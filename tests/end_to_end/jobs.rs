//! Sessions that nobody waits at: cron and at.

use crate::sandbox::{Outcome, Sandbox, needs, sandbox};

/// cron looks once a minute, at its beginning.
#[test]
fn a_cron_job_has_directories_of_its_own() {
    let sandbox = sandbox!();
    needs!(sandbox, "cron");
    sandbox.protect("cron");
    sandbox.sh(&Sandbox::marking("host"));
    let crontab = ["alice", "bob", "system", "root"].map(|user| {
        sandbox.write(
            &format!("/var/lib/{user}-job"),
            format!("{}\n{}", mark(user), Sandbox::list()),
        );
        let seen = format!("/var/lib/{user}-seen");
        sandbox.sh(&format!("install -o {user} /dev/null {seen}"));
        format!("* * * * * {user} bash /var/lib/{user}-job >{seen} 2>&1\n")
    });
    let before = sandbox.state();

    sandbox.write("/etc/cron.d/jobs", crontab.concat());
    sandbox.sh("cron");
    sandbox.wait_until("[ $(cat /var/lib/*-seen | wc -l) = 12 ]");
    sandbox.sh("kill $(cat /run/crond.pid) && rm /run/crond.*");

    let seen = |user| sandbox.sh(&format!("cat /var/lib/{user}-seen"));
    assert_eq!(seen("alice"), Sandbox::listing("of-alice"));
    assert_eq!(seen("bob"), Sandbox::listing("of-bob"));
    assert_eq!(seen("system"), Sandbox::listing("of-host"));
    assert_eq!(seen("root"), Sandbox::listing("of-host"));
    before.assert_nothing_left(&sandbox);
    assert_eq!(
        sandbox
            .logins()
            .iter()
            .filter(|line| line.contains("cron"))
            .count(),
        sandbox.logins().len()
    );
}

/// alice and bob leave a file of theirs; the exempt leave the host's directories as they are.
fn mark(user: &str) -> String {
    match user {
        "alice" | "bob" => Sandbox::marking(user),
        _ => String::new(),
    }
}

#[test]
fn an_at_job_has_directories_of_its_own() {
    let sandbox = sandbox!();
    needs!(sandbox, "atd", "at");
    sandbox.protect("atd");
    sandbox.sh("atd");
    sandbox.assert_own_directories("atd", |user, script| run_at_once(&sandbox, user, script));
}

/// Submits a job and waits for what it writes.
pub fn run_at_once(sandbox: &Sandbox, user: &str, script: &str) -> Outcome {
    let home = sandbox.sh(&format!("echo ~{user}"));
    sandbox.write(&format!("{home}/job"), script);
    sandbox.sh(&format!(
        "cd {home}; rm -f seen part
         echo 'bash job >part 2>&1; mv part seen' |
             setpriv --reuid {user} --regid {user} --init-groups at -M now 2>/dev/null
"
    ));
    sandbox.wait_until(&format!("[ -e {home}/seen ]"));
    sandbox.run(&format!("cat {home}/seen"))
}
