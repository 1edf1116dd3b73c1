//! Sessions that nobody waits at: cron and at.

use crate::bed::{Bed, Outcome, bed, needs};

/// cron looks once a minute, at its beginning.
#[test]
fn a_cron_job_has_directories_of_its_own() {
    let bed = bed!();
    needs!(bed, "cron");
    bed.protect("cron");
    bed.sh(&Bed::marking("host"));
    let crontab = ["alice", "bob", "system", "root"].map(|user| {
        bed.write(
            &format!("/var/lib/{user}-job"),
            format!("{}\n{}", mark(user), Bed::list()),
        );
        let seen = format!("/var/lib/{user}-seen");
        bed.sh(&format!("install -o {user} /dev/null {seen}"));
        format!("* * * * * {user} bash /var/lib/{user}-job >{seen} 2>&1\n")
    });
    let before = bed.state();

    bed.write("/etc/cron.d/jobs", crontab.concat());
    bed.sh("cron");
    bed.wait_until("[ $(cat /var/lib/*-seen | wc -l) = 12 ]");
    bed.sh("kill $(cat /run/crond.pid) && rm /run/crond.*");

    let seen = |user| bed.sh(&format!("cat /var/lib/{user}-seen"));
    assert_eq!(seen("alice"), Bed::listing("of-alice"));
    assert_eq!(seen("bob"), Bed::listing("of-bob"));
    assert_eq!(seen("system"), Bed::listing("of-host"));
    assert_eq!(seen("root"), Bed::listing("of-host"));
    before.assert_nothing_left(&bed);
    assert_eq!(
        bed.logins()
            .iter()
            .filter(|line| line.contains("cron"))
            .count(),
        bed.logins().len()
    );
}

/// alice and bob leave a file of theirs; the exempt leave the host's directories as they are.
fn mark(user: &str) -> String {
    match user {
        "alice" | "bob" => Bed::marking(user),
        _ => String::new(),
    }
}

#[test]
fn an_at_job_has_directories_of_its_own() {
    let bed = bed!();
    needs!(bed, "atd", "at");
    bed.protect("atd");
    bed.sh("atd");
    bed.assert_own_directories("atd", |user, script| run_at_once(&bed, user, script));
}

/// Submits a job and waits for what it writes.
pub fn run_at_once(bed: &Bed, user: &str, script: &str) -> Outcome {
    let home = bed.sh(&format!("echo ~{user}"));
    bed.write(&format!("{home}/job"), script);
    bed.sh(&format!(
        "cd {home}; rm -f seen part
         echo 'bash job >part 2>&1; mv part seen' |
             setpriv --reuid {user} --regid {user} --init-groups at -M now 2>/dev/null
"
    ));
    bed.wait_until(&format!("[ -e {home}/seen ]"));
    bed.run(&format!("cat {home}/seen"))
}
