//! A login: how it is made, and whether it worked.

use crate::machine::{PRIVATE, user};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use serde::Serialize;
use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A program that opens sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// `su USER -c`, as cron jobs are.
    Su,
    /// `su - USER -c`
    SuLogin,
    /// `runuser USER -c`
    Runuser,
    /// `ssh USER@localhost`
    Ssh,
    /// pamtester(1) as login(1): a host that opens and closes a session and runs nothing in it.
    Pamtester,
}

/// The ways, each as often as it is taken in twenty logins.
const WAYS: [(Way, usize); 5] = [
    (Way::Su, 9),
    (Way::SuLogin, 3),
    (Way::Runuser, 3),
    (Way::Ssh, 2),
    (Way::Pamtester, 3),
];

/// A login under way.
pub struct Login {
    pub number: u64,
    pub way: Way,
    /// The number of the user.
    pub user: u32,
    /// The time that its session sleeps.
    pub sleeps: Duration,
    pub begun: Instant,
    /// The program, as long as it was not waited for.
    pub pid: Mutex<Option<u32>>,
    /// Whether something was killed that it may have needed.
    is_disturbed: AtomicBool,
}

/// What became of a login.
pub struct Outcome {
    pub status: ExitStatus,
    pub text: String,
    pub took: Duration,
}

impl Login {
    /// A login by chance.
    pub fn random(number: u64, random: &mut fastrand::Rng) -> Arc<Self> {
        let sleeps = match random.u32(0..100) {
            0..85 => 0,
            85..97 => random.u64(50..1000),
            _ => random.u64(1000..8000),
        };
        // Some users are in all the time.
        let users = if random.u32(0..3) == 0 {
            5
        } else {
            crate::machine::USERS
        };
        let ways = WAYS.iter();
        let ways = ways.flat_map(|(way, often)| std::iter::repeat_n(*way, *often));
        let ways: Vec<Way> = ways.collect();
        Arc::new(Self {
            number,
            way: random.choice(ways).expect("there are ways"),
            user: random.u32(0..users),
            sleeps: Duration::from_millis(sleeps),
            begun: Instant::now(),
            pid: Mutex::new(None),
            is_disturbed: AtomicBool::new(false),
        })
    }

    /// Notes that something was killed which it may have needed.
    pub fn disturb(&self) {
        self.is_disturbed.store(true, Ordering::SeqCst);
    }

    pub fn is_disturbed(&self) -> bool {
        self.is_disturbed.load(Ordering::SeqCst)
    }

    /// Logs in and out. What the programs write goes to a file, which nobody waits for the end of.
    pub fn make(&self) -> Outcome {
        let mut output = tempfile::tempfile().expect("a temporary file");
        let mut command = self.command();
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a descriptor"))
            .stderr(output.try_clone().expect("a descriptor"));
        let mut child = {
            let mut pid = self.pid.lock().unwrap();
            let child = command.spawn().expect("the program starts");
            *pid = Some(child.id());
            child
        };
        let number = Pid::from_raw(child.id().try_into().expect("a pid"));
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(number), ended).is_err() {}
        // Nobody may take another process for it.
        *self.pid.lock().unwrap() = None;
        let status = child.wait().expect("it is a child");
        Outcome {
            status,
            took: self.begun.elapsed(),
            text: contents(&mut output),
        }
    }

    fn command(&self) -> Command {
        let (user, script) = (user(self.user), self.script());
        let words: Vec<&str> = match self.way {
            Way::Su => vec!["su", &user, "-c", &script],
            Way::SuLogin => vec!["su", "-", &user, "-c", &script],
            Way::Runuser => vec!["runuser", &user, "-c", &script],
            Way::Ssh => vec!["ssh", "-oBatchMode=yes", "-l", &user, "localhost", &script],
            Way::Pamtester => vec!["pamtester", "login", &user, "open_session", "close_session"],
        };
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
    }

    /// Leaves a file in each of the directories that are the user's own, says what of others is there, and "ok".
    fn script(&self) -> String {
        let own = format!("of-{}-", user(self.user));
        let (name, directories) = (format!("{own}{}", self.number), PRIVATE.join(" "));
        let sleep = match self.sleeps.as_secs_f32() {
            0.0 => String::new(),
            seconds => format!("sleep {seconds}; "),
        };
        format!(
            "for d in {directories}; do cd $d && : >{name} || exit 9; \
             for f in *; do case $f in {own}*) ;; *) echo strange $d/$f;; esac; done; done; \
             {sleep}cd /; for d in {directories}; do echo $d/{name}; done | xargs rm || exit 8; echo ok"
        )
    }

    /// Whether it did what it should.
    pub fn has_worked(&self, outcome: &Outcome) -> bool {
        outcome.status.success() && (self.way == Way::Pamtester || outcome.text.lines().eq(["ok"]))
    }
}

fn contents(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().expect("a file can be rewound");
    file.read_to_end(&mut bytes).expect("a file can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}
