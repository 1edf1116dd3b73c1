//! A machine that users log in to: a sandbox with mounts, accounts, PAM services and policies.

use crate::cost::Sample;
use crate::login::Login;
use crate::programs_in_c::{program, shared_object, shared_object_of};
use crate::report::Report;
use crate::sandbox::{Sandbox, Subject};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::path::Path;
use std::process::Output;

/// Where the PAM services are.
const CONFDIR: &str = "/etc/pam-bench.d";
/// What the driver writes.
const REPORT: &str = "/run/report";
/// The policy of the service `bench-changed`.
const CHANGED_POLICY: &str = "/etc/security/changed.toml";
/// pam_namespace's script, and where it is when it is not to run.
const INIT: &str = "/etc/security/namespace.init";
const NO_INIT: &str = "/etc/security/namespace.init.off";

/// Three private directories for everybody but root and system accounts, in a policy of this module's.
pub const POLICY: &str = "\
[[private]]
path = \"/t/1\"
[[private]]
path = \"/t/2\"
[[private]]
path = \"/t/3\"
";

/// The user who logs in before a namespace of theirs is there.
const FIRST_USER: &str = "alice";
/// The user who has a session all the time.
const LATER_USER: &str = "bob";

/// Puts what programs read and write at a login in memory: files of an overlay cost more than others.
const MACHINE: &str = "
cp -a /etc /run/etc
mount -t tmpfs -o mode=755 etc /etc
cp -a /run/etc/. /etc
rm -r /run/etc
mkdir -p /var/lib/jns /t /m
mount -t tmpfs -o mode=700 store /var/lib/jns
mount -t tmpfs -o mode=755,nosuid,nodev t /t
mount -t tmpfs -o mode=755 m /m
mkdir -m 1777 /t/1 /t/2 /t/3
mkdir -p /t/of-limit/1 /t/of-limit/2 /t/of-limit/3 /m/source /m/plugged
for each in 1 2 3; do mkdir -p -m 0 /t/of-namespace/$each; done
mkdir -p /etc/security/jns.d /etc/security/namespace.d /etc/pam-bench.d
rm -f /etc/security/namespace.d/*
[ -e /etc/security/namespace.init ] && mv /etc/security/namespace.init /etc/security/namespace.init.off
true
";

/// A machine that lives as long as the value, with the accounts alice and bob. bob has a session all the time.
pub struct Host {
    sandbox: Sandbox,
    /// The mount namespace of everybody outside of sessions.
    namespace: String,
    /// The mount namespace of the session that [`Login::Later`] joins.
    joined: String,
    /// The accounts but for those of [`Login::VeryFirst`].
    accounts: RefCell<String>,
    /// The number of users who take turns at [`Login::First`]; 0 where alice is the only one, whose namespace is collected
    /// each time.
    first_users: Cell<usize>,
    /// The number that the next user or policy gets of those that are used once.
    next: Cell<usize>,
}

impl Host {
    /// Makes a machine with that many mounts.
    ///
    /// # Errors
    ///
    /// Why no sandbox can be made here.
    pub fn make(mounts: usize) -> Result<Self, String> {
        let sandbox = Sandbox::make_for(Subject::Ours)?;
        sandbox.sh(MACHINE);
        let mut host = Self {
            accounts: RefCell::new(sandbox.sh("cat /etc/passwd") + "\n"),
            namespace: sandbox.sh("readlink /proc/1/ns/mnt"),
            joined: String::new(),
            first_users: Cell::new(0),
            next: Cell::new(0),
            sandbox,
        };
        host.install();
        host.make_directories();
        host.fill(mounts);
        let words = ["start=bob", "open", "place=session"];
        let held = host.hold(Login::Later, &words);
        held.namespace("session").clone_into(&mut host.joined);
        Ok(host)
    }

    fn install(&self) {
        let copy = |from: &Path, to: &str| fs::copy(from, self.sandbox.path(to)).map(drop);
        let copied = copy(&program("driver"), "/usr/bin/driver")
            .and_then(|()| copy(&shared_object("marker"), "/run/marker.so"))
            .and_then(|()| {
                copy(
                    &shared_object_of("benches/logins", "limit"),
                    "/run/limit.so",
                )
            });
        copied.expect("a sandbox has room");
        // What is installed, and not what tests build, which takes several times as long.
        if let Some(command) = std::env::var_os("JNS_COMMAND") {
            copy(Path::new(&command), "/usr/bin/jns").expect("make has built the command");
        }
        // libpam loads what it names, too.
        self.write(
            &format!("{CONFDIR}/other"),
            "session required pam_deny.so\n",
        );
        self.sandbox.policy(POLICY);
        self.write(CHANGED_POLICY, POLICY);
        self.write("/etc/security/namespace.conf", &conf_of_peer("root"));
        for login in crate::login::ALL.iter().chain(&[Login::Changed]) {
            let service = login.service();
            self.write(&format!("{CONFDIR}/{service}"), &stack(*login, false));
            self.write(&format!("{CONFDIR}/{service}-marked"), &stack(*login, true));
        }
    }

    /// Lets the two users have their directories, with each module.
    fn make_directories(&self) {
        for login in [Login::First, Login::Peer] {
            for user in [FIRST_USER, LATER_USER] {
                self.log_in_as(login, user);
            }
        }
        self.collect();
    }

    /// Adds mounts to the host until it has that many.
    fn fill(&self, mounts: usize) {
        let table = fs::read_to_string(self.sandbox.path("/proc/1/mountinfo"));
        let present = table.map_or(0, |table| table.lines().count());
        self.within(|| (present..mounts).for_each(add_mount));
    }

    /// Mounts a file system on the host and unmounts it again, and gives the microseconds of a processor that this took.
    pub fn cost_of_mount(&self) -> f64 {
        self.within(|| {
            let before = microseconds_of_thread();
            mount_and_unmount();
            microseconds_of_thread() - before
        })
    }

    /// Does work in a thread that is in the host's mount namespace.
    fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(self.sandbox.path("/proc/1/ns/mnt"));
        let namespace = namespace.expect("a sandbox has a first process");
        let enter_and_work = move || {
            unshare(CloneFlags::CLONE_FS).expect("a thread may have a root of its own");
            setns(namespace, CloneFlags::CLONE_NEWNS).expect("root may enter a sandbox");
            work()
        };
        std::thread::scope(|scope| scope.spawn(enter_and_work).join()).expect("it did not panic")
    }

    /// Whether pam_namespace is installed.
    pub fn has_peer(&self) -> bool {
        let find = "ls /usr/lib*/{,*/}security/pam_namespace.so 2>/dev/null | grep -q .";
        self.run(find)
    }

    /// Whether pam_namespace's package has a script.
    pub fn has_init(&self) -> bool {
        self.run(&format!("[ -x {INIT} ] || [ -x {NO_INIT} ]"))
    }

    /// Whether a shell command succeeds.
    pub fn run(&self, script: &str) -> bool {
        self.sandbox.run(script).succeeded()
    }

    /// What a shell script prints; it must succeed.
    pub fn sh(&self, script: &str) -> String {
        self.sandbox.sh(script)
    }

    /// Writes a file of root's.
    pub fn write(&self, path: &str, text: &str) {
        self.sandbox.write(path, text);
    }

    /// A path of the machine's, as the benchmark reaches it.
    pub fn path(&self, path: &str) -> std::path::PathBuf {
        self.sandbox.path(path)
    }

    /// The version of pam_namespace.
    pub fn peer(&self) -> String {
        self.sandbox.peer().to_string()
    }

    /// Adds accounts `PREFIX0`, `PREFIX1` and so on, which begin at an id of their own.
    pub fn add_accounts(&self, prefix: &str, first_id: usize, count: usize) {
        let mut accounts = self.accounts.borrow_mut();
        for each in 0..count {
            accounts.push_str(&account(&format!("{prefix}{each}"), first_id + each));
        }
        self.write("/etc/passwd", &accounts);
    }

    /// Gives users `first0`, `first1` and so on their directories, whose first logins are measured then, one after the
    /// other: what other users have is not collected in between.
    pub fn prepare_first_logins(&self, count: usize) {
        self.add_accounts("first", 30_000, count);
        self.crowd(Login::First, count, "start-numbered=first");
        self.collect();
        self.first_users.set(count);
    }

    /// Removes what nobody needs.
    pub fn collect(&self) {
        let outcome = self.sandbox.jns(&["gc", "--linger", "0s"]);
        assert!(outcome.succeeded(), "{outcome:#?}");
    }

    /// Measures a login of that kind.
    ///
    /// # Errors
    ///
    /// Why it failed, or is of another kind.
    pub fn log_in(&self, login: Login) -> Result<Sample, String> {
        let user = self.prepare(login);
        let report = self.log_in_as(login, &user);
        self.check(login, &report)?;
        Ok(Sample::of(&report))
    }

    fn log_in_as(&self, login: Login, user: &str) -> Report {
        let start = format!("start={user}");
        let begin = ["measure", &start, "cost=before", "open", "cost=after"];
        let words = [&begin[..], &["place=session", "close", "end", "join"]].concat();
        self.drive(login, &words)
    }

    /// Makes the machine what the kind of login wants, and gives the user.
    pub fn prepare(&self, login: Login) -> String {
        match login {
            Login::Base | Login::Limit => FIRST_USER.to_owned(),
            Login::VeryFirst => self.new_user(),
            Login::First => self.user_without_namespace(),
            Login::Changed => self.user_of_changed_policy(),
            Login::Later => LATER_USER.to_owned(),
            Login::Peer => self.user_of_peer(INIT, NO_INIT),
            Login::PeerWithInit => self.user_of_peer(NO_INIT, INIT),
        }
    }

    fn new_user(&self) -> String {
        let number = self.count();
        let name = format!("new{number}");
        let one = account(&name, 40_000 + number);
        self.write("/etc/passwd", &(self.accounts.borrow().clone() + &one));
        name
    }

    fn user_without_namespace(&self) -> String {
        if self.first_users.get() == 0 {
            self.collect();
            return FIRST_USER.to_owned();
        }
        format!("first{}", self.count() % self.first_users.get())
    }

    /// Leaves a namespace of the policy before, in which nothing runs, and writes another policy.
    fn user_of_changed_policy(&self) -> String {
        self.collect();
        self.log_in_as(Login::Changed, FIRST_USER);
        let keep = format!("[\"in-round-{}\"]", self.count());
        let policy = POLICY.replacen("\"/t/1\"", &format!("\"/t/1\"\nkeep = {keep}"), 1);
        self.write(CHANGED_POLICY, &policy);
        FIRST_USER.to_owned()
    }

    /// Renames pam_namespace's script, which runs by one name and does not by the other.
    fn user_of_peer(&self, from: &str, to: &str) -> String {
        // It has that name already, or there is none.
        let _ = fs::rename(self.path(from), self.path(to));
        FIRST_USER.to_owned()
    }

    fn count(&self) -> usize {
        self.next.replace(self.next.get() + 1)
    }

    /// Has the driver do its words, with the service of that kind of login.
    pub fn drive(&self, login: Login, words: &[&str]) -> Report {
        let stack = format!("stack={}", login.service());
        self.drive_with(&[], &[&[stack.as_str()], words].concat())
    }

    /// The same by another command, to which the driver's own arguments are given.
    pub fn drive_with(&self, command: &[&str], words: &[&str]) -> Report {
        let driver = ["driver", REPORT, CONFDIR];
        let outcome = self.sandbox.exec(&[command, &driver, words].concat());
        assert!(outcome.succeeded(), "{outcome:#?}");
        self.read_report(REPORT, outcome.status)
    }

    fn read_report(&self, path: &str, status: std::process::ExitStatus) -> Report {
        let text = fs::read_to_string(self.path(path)).expect("the driver has written its report");
        let (stdout, stderr) = (Vec::new(), Vec::new());
        Report {
            lines: text.lines().map(str::to_owned).collect(),
            output: Output {
                status,
                stdout,
                stderr,
            },
        }
    }

    /// Has that many processes log in and out at once; the driver's word says who.
    ///
    /// # Panics
    ///
    /// Where a login fails.
    pub fn crowd(&self, login: Login, size: usize, start: &str) -> Report {
        let number = size.to_string();
        let words = ["crowd", &number, start, "open", "close", "end", "join"];
        let report = self.drive(login, &words);
        assert_all_open(&report, size);
        report
    }

    /// Has the driver do its words in the background, and leaves it there. Gives its report.
    pub fn hold(&self, login: Login, words: &[&str]) -> Report {
        let (service, words) = (login.service(), words.join(" "));
        self.sh(&format!(
            "rm -f /run/held; driver /run/held {CONFDIR} stack={service} {words} hold </dev/null >/dev/null 2>&1 &
             echo $! >/run/holder"
        ));
        self.sandbox.wait_until("grep -qs ^holding /run/held");
        self.read_report("/run/held", std::process::ExitStatus::default())
    }

    /// Has that many sessions begin at once and last; the driver's word says whose.
    ///
    /// # Panics
    ///
    /// Where a login fails.
    pub fn hold_crowd(&self, login: Login, size: usize, start: &str) {
        let number = size.to_string();
        let report = self.hold(login, &["crowd", &number, start, "open", "hold", "join"]);
        assert_all_open(&report, size);
    }

    /// Kills the driver that [`Host::hold`] has left last, and its children with it.
    pub fn release(&self) {
        self.sh("kill -9 $(cat /run/holder)");
        let is_gone = "[ ! -e /proc/$(cat /run/holder)/exe ]";
        self.sandbox.wait_until(is_gone);
    }

    /// Whether every call succeeded, and the session was where one of that kind is.
    fn check(&self, login: Login, report: &Report) -> Result<(), String> {
        for call in ["start", "open", "close", "end", "child"] {
            if report.codes(call) != [0] {
                return Err(format!("{call}: {:?}", report.codes(call)));
            }
        }
        let namespace = report.namespace("session");
        let is_right = match login {
            Login::Base => namespace == self.namespace,
            Login::Later => namespace == self.joined,
            Login::Limit
            | Login::VeryFirst
            | Login::First
            | Login::Changed
            | Login::Peer
            | Login::PeerWithInit => namespace != self.namespace && namespace != self.joined,
        };
        match is_right {
            true => Ok(()),
            false => Err(format!("a session of another kind, in {namespace}")),
        }
    }
}

/// Waits until files of a policy that were just written are old enough for the module to note what a plan was made of:
/// file systems that count in whole seconds tell no two changes of the same two seconds apart.
pub fn let_policies_settle() {
    std::thread::sleep(std::time::Duration::from_secs(4));
}

fn assert_all_open(report: &Report, size: usize) {
    let codes = report.codes("open");
    let failed = codes.iter().filter(|code| **code != 0).count();
    assert_eq!(
        (codes.len(), failed),
        (size, 0),
        "logins, and those that failed"
    );
}

fn add_mount(number: usize) {
    let path = format!("/m/{number}");
    let none = None::<&str>;
    fs::create_dir(&path).expect("a file system in memory has room");
    mount(
        Some("/m/source"),
        path.as_str(),
        none,
        MsFlags::MS_BIND,
        none,
    )
    .expect("root may mount");
}

/// Mounts an empty file system in memory on a directory of which no other mount is a copy, and unmounts it.
fn mount_and_unmount() {
    const PLUGGED: &str = "/m/plugged";
    let none = None::<&str>;
    let mounted = mount(none, PLUGGED, Some("tmpfs"), MsFlags::empty(), none);
    mounted
        .and_then(|()| nix::mount::umount(PLUGGED))
        .expect("root may mount");
}

/// The processor time of the calling thread.
fn microseconds_of_thread() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn account(name: &str, id: usize) -> String {
    format!("{name}:x:{id}:{id}::/:/bin/sh\n")
}

/// namespace.conf with the three private directories for everybody but some.
pub fn conf_of_peer(except: &str) -> String {
    let line = |each| format!("/t/{each} /t/of-namespace/{each}/ user {except}\n");
    (1..=3).map(line).collect()
}

/// A PAM stack: pam_unix, as everywhere, and a module, which stands between two marks where a trace is read.
fn stack(login: Login, is_marked: bool) -> String {
    let module = match login {
        Login::Base => String::new(),
        Login::Limit => {
            let pairs = (1..=3).map(|each| format!(" /t/of-limit/{each} /t/{each}"));
            format!("/run/limit.so{}", pairs.collect::<String>())
        }
        Login::VeryFirst | Login::First | Login::Later => "pam_jns.so".to_owned(),
        Login::Changed => format!("pam_jns.so config={CHANGED_POLICY}"),
        Login::Peer | Login::PeerWithInit => "pam_namespace.so".to_owned(),
    };
    let mark = |when: &str| match is_marked {
        true => format!("session optional /run/marker.so /jns-marker/{when}-open\n"),
        false => String::new(),
    };
    let line = match module.is_empty() {
        true => String::new(),
        false => format!("session required {module}\n"),
    };
    let (before, after) = (mark("before"), mark("after"));
    let unix = ["auth", "account", "session"].map(|kind| format!("{kind} required pam_unix.so\n"));
    format!("{}{before}{line}{after}", unix.concat())
}
