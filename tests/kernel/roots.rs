//! Another root directory, and its fstab.

use crate::own::*;
use nix::mount::MsFlags;
use pam_jns::apply::{Applied, read_fstab};
use pam_jns::kernel::deadline::Deadline;
use pam_jns::kernel::fs::walk::Trust;
use pam_jns::login::{Accounts, GroupName, Login, SessionId};
use pam_jns::plan::Plan;
use pam_jns::policy::Policy;
use pam_jns::policy::value::Propagation;
use rustix::fs::{AtFlags, StatxFlags};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

/// The new root directory.
const ROOT: &str = "/mnt/new";

/// The host's `/mnt` is an empty file system in these tests; so are the file systems of the new root that
/// have the directories that every one needs.
fn new_root() {
    for name in ["", "/etc", "/bin", "/data", "/proc", "/run", "/srv"] {
        directory(&format!("{ROOT}{name}"), 0o755, 0);
    }
    file(&format!("{ROOT}/etc/os-release"), "new");
    file("/mnt/of-the-host", "");
}

struct Nobody;

impl Accounts for Nobody {
    fn uid(&self, _: &str) -> Option<u32> {
        None
    }

    fn gid(&self, _: &str) -> Option<u32> {
        None
    }
}

fn login() -> Login {
    Login {
        user: "alice".to_owned(),
        uid: USER,
        gid: USER,
        groups: vec![GroupName {
            gid: USER,
            name: "alice".to_owned(),
        }],
        home: "/home/alice".to_owned(),
        service: "sshd".to_owned(),
        tty: None,
        rhost: None,
        session: SessionId::parse("00000000000000aa").unwrap(),
    }
}

/// The plan of a policy that has the new root directory, with more keys and rules.
fn planned(more: &str) -> Plan {
    let text =
        format!("[settings]\nstore = \"/mnt/var/lib/jns\"\n[[root]]\npath = \"{ROOT}\"\n{more}");
    let loaded = Policy::parse(&[("test.toml", text.as_bytes())]).unwrap_or_else(|e| panic!("{e}"));
    Plan::new(&loaded.policy, &login(), &Nobody).unwrap()
}

/// The same with this fstab.
fn tabled(fstab: &str) -> Plan {
    directory("/mnt/etc", 0o755, 0);
    file("/mnt/etc/fstab", fstab);
    let mut plan = planned("fstab = \"/mnt/etc/fstab\"\n");
    read_fstab(&mut plan, Trust::Root, &Deadline::none()).unwrap();
    plan
}

fn inside<T: Send + 'static>(plan: Plan, look: impl FnOnce(Applied) -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(move || look(apply(&plan, USER).unwrap()));
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The reason why the plan is refused; that nothing is left of it is checked on the way.
fn refusal(plan: &Plan) -> String {
    let before = state();
    let error = apply(plan, USER).expect_err("the plan must be refused");
    assert_eq!(state(), before, "after: {error}");
    error.to_string()
}

#[test]
fn nothing_of_the_old_root_is_left() {
    in_own_namespace(|| {
        new_root();
        let host = fs::metadata("/").unwrap();
        let before = mounts();
        inside(planned(""), move |applied| {
            assert_eq!(fs::read_to_string("/etc/os-release").unwrap(), "new");
            for path in ["/mnt", "/mnt/of-the-host", "/..//mnt", "/home"] {
                assert!(!exists(path), "{path}");
            }
            let (root, up) = (fs::metadata("/").unwrap(), fs::metadata("/..").unwrap());
            assert_eq!((root.dev(), root.ino()), (up.dev(), up.ino()));
            assert_ne!((root.dev(), root.ino()), (host.dev(), host.ino()));
            let own = fs::metadata("/proc/thread-self/root").unwrap();
            assert_eq!((root.dev(), root.ino()), (own.dev(), own.ino()));
            assert_eq!(std::env::current_dir().unwrap(), Path::new("/"));
            assert_eq!(applied.paths[0], "/");
            // Its mounts are those that were made for it: none of the old root's is among them.
            let table = mounts();
            let points: Vec<&str> = table.lines().filter_map(|l| l.split(' ').nth(4)).collect();
            for point in &points {
                let own = ["/", "/proc", "/sys", "/run", "/etc/resolv.conf"].contains(point);
                assert!(own || point.starts_with("/dev"), "{point}");
            }
        });
        assert_eq!(mounts(), before);
        assert!(exists("/mnt/of-the-host"));
    });
}

/// The number of the mount at a path, from a sequence in which no number comes twice (`STATX_MNT_ID_UNIQUE`, Linux 6.8).
fn number_of_mount(path: &str) -> u64 {
    let wanted = StatxFlags::from_bits_retain(0x4000);
    let status = rustix::fs::statx(rustix::fs::CWD, path, AtFlags::empty(), wanted).unwrap();
    assert!(status.stx_mask & 0x4000 != 0, "{path}");
    status.stx_mnt_id
}

/// Whether the running kernel makes empty mount namespaces.
fn is_since_7_1() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next().unwrap().parse::<u32>().unwrap();
    (next(), next()) >= (7, 1)
}

#[test]
fn no_mount_of_the_host_is_copied_since_linux_7_1() {
    /// More than a root directory has, and than other tests make at the same time.
    const MANY: u64 = 400;
    in_own_namespace(|| {
        new_root();
        for number in 0..MANY {
            let path = format!("/mnt/{number}");
            directory(&path, 0o755, 0);
            bind("/mnt/new", &path);
        }
        let numbers_given = || {
            inside(planned(""), |_| {
                memory("/data");
                number_of_mount("/data") - number_of_mount("/")
            })
        };
        // Others make mounts, too.
        let least = (0..5).map(|_| numbers_given()).min().unwrap();
        assert_eq!(least < MANY, is_since_7_1(), "{least}");
    });
}

#[test]
fn a_root_has_what_every_program_expects() {
    in_own_namespace(|| {
        new_root();
        inside(planned(""), |_| {
            for name in ["full", "null", "ptmx", "random", "tty", "urandom", "zero"] {
                let device = fs::metadata(format!("/dev/{name}")).unwrap();
                assert!(device.file_type().is_char_device(), "{name}");
                assert_eq!(device.mode() & 0o777, 0o666, "{name}");
            }
            fs::write("/dev/null", "x").unwrap();
            assert_eq!(
                fs::read_link("/dev/fd").unwrap(),
                Path::new("/proc/self/fd")
            );
            for (path, kind) in [
                ("/proc", "proc"),
                ("/sys", "sysfs"),
                ("/run", "tmpfs"),
                ("/dev", "tmpfs"),
                ("/dev/shm", "tmpfs"),
                ("/dev/pts", "devpts"),
                ("/dev/mqueue", "mqueue"),
            ] {
                let table = mounts();
                let shown = table.lines().any(|line| {
                    let fields: Vec<&str> = line.split(' ').collect();
                    let dash = fields.iter().position(|field| *field == "-").unwrap();
                    fields[4] == path && fields[dash + 1] == kind
                });
                assert!(shown, "{path} {kind}\n{table}");
                let options = options(path);
                assert!(
                    options.contains("nosuid")
                        && (path == "/dev/shm" || options.contains("noexec")),
                    "{path} {options}"
                );
            }
            assert!(options("/sys").starts_with("ro,"));
            assert_eq!(form("/dev/shm"), (0o1777, 0, 0));
            assert_eq!(form("/run"), (0o755, 0, 0));
            // Which fails where it does not find the terminals beside it.
            fs::File::open("/dev/ptmx").unwrap();
        });
    });
}

#[test]
fn rules_cover_paths_of_the_new_root_and_take_sources_from_the_host() {
    in_own_namespace(|| {
        new_root();
        directory(&format!("{ROOT}/tmp"), 0o1777, 0);
        directory("/mnt/data", 0o755, 0);
        file("/mnt/data/host", "host");
        file(&format!("{ROOT}/srv/of-the-root"), "");
        symlink("/data", format!("{ROOT}/link")).unwrap();
        let rules = "[[private]]\npath = \"/tmp\"\n\
                     [[bind]]\nsource = \"/mnt/data\"\npath = \"/link\"\n\
                     [[overlay]]\npath = \"/srv\"\n\
                     [[tmpfs]]\npath = \"/run\"\nsize = \"1M\"\n\
                     [[hide]]\npath = \"/etc\"\nkeep = [\"os-release\"]\n";
        inside(planned(rules), |applied| {
            file("/tmp/mine", "");
            assert_eq!(names("/srv"), ["of-the-root"]);
            file("/srv/mine", "");
            assert_eq!(fs::read_to_string("/data/host").unwrap(), "host");
            assert_eq!(names("/etc"), ["os-release"]);
            assert_eq!(form("/run"), (0o1777, 0, 0));
            let instances: Vec<&str> = applied
                .instances
                .iter()
                .map(|source| source.path.as_str())
                .collect();
            let of_user = |name: &str| format!("/mnt/var/lib/jns/user/2001/{name}");
            assert_eq!(instances, [of_user("srv"), of_user("tmp")]);
        });
        assert!(exists("/mnt/var/lib/jns/user/2001/tmp/mine"));
        assert_eq!(names(&format!("{ROOT}/tmp")), [""; 0]);
        assert_eq!(names(&format!("{ROOT}/srv")), ["of-the-root"]);
    });
}

#[test]
fn what_is_mounted_in_the_directory_is_there_and_nothing_travels_out() {
    in_own_namespace(|| {
        new_root();
        propagate("/", MsFlags::MS_REC | MsFlags::MS_SHARED);
        memory(&format!("{ROOT}/srv"));
        file(&format!("{ROOT}/srv/mounted"), "");
        let before = mounts_at(ROOT);
        inside(planned(""), move |_| {
            assert!(exists("/srv/mounted"));
            memory("/srv/");
            memory("/data");
            assert!(!exists("/srv/mounted"));
        });
        assert_eq!(mounts_at(ROOT), before);
        propagate("/", MsFlags::MS_REC | MsFlags::MS_PRIVATE);
    });
}

#[test]
fn what_the_host_mounts_in_the_directory_later_appears() {
    in_own_namespace(|| {
        new_root();
        propagate("/", MsFlags::MS_REC | MsFlags::MS_SHARED);
        for (propagation, appears) in [(Propagation::Slave, true), (Propagation::Private, false)] {
            let mut plan = planned("");
            plan.propagation = propagation;
            let (entered, wait) = std::sync::mpsc::channel();
            let (mounted, go) = std::sync::mpsc::channel();
            let session = std::thread::spawn(move || {
                apply(&plan, USER).unwrap();
                entered.send(()).unwrap();
                go.recv().unwrap();
                assert_eq!(exists("/srv/later"), appears, "{propagation:?}");
            });
            wait.recv().unwrap();
            memory(&format!("{ROOT}/srv"));
            file(&format!("{ROOT}/srv/later"), "");
            mounted.send(()).unwrap();
            session.join().unwrap();
            nix::mount::umount(format!("{ROOT}/srv").as_str()).unwrap();
        }
        propagate("/", MsFlags::MS_REC | MsFlags::MS_PRIVATE);
    });
}

#[test]
fn a_root_in_which_a_user_has_a_part_is_refused() {
    in_own_namespace(|| {
        for (mode, owner, reason) in [
            (0o755, USER, "/mnt/new belongs to uid 2001"),
            (0o777, 0, "is writable by others than root"),
        ] {
            new_root();
            directory(ROOT, mode, owner);
            let error = refusal(&planned(""));
            assert!(error.contains(reason), "{error}");
        }
        directory("/mnt/home", 0o755, USER);
        directory("/mnt/home/root", 0o755, 0);
        let mut plan = planned("");
        plan.root.as_mut().unwrap().path = path("/mnt/home/root");
        assert!(refusal(&plan).contains("/mnt/home belongs to uid 2001"));
    });
}

#[test]
fn a_missing_root_refuses_unless_it_is_optional() {
    in_own_namespace(|| {
        assert!(refusal(&planned("")).contains("cannot open /mnt/new: No such file"));
        directory("/mnt/t", 0o1777, 0);
        let optional = planned("optional = true\n[[private]]\npath = \"/mnt/t\"\n");
        inside(optional, |applied| {
            assert_eq!(applied.paths, ["/mnt/t"]);
            assert_eq!(applied.missing, [ROOT]);
            assert!(applied.notes[0].starts_with("/ stays as it is: "));
            assert!(exists("/mnt/t"));
        });
    });
}

#[test]
fn a_root_that_fails_on_the_way_leaves_nothing() {
    in_own_namespace(|| {
        new_root();
        directory(&format!("{ROOT}/t"), 0o1777, 0);
        for name in ["sys", "dev"] {
            directory(&format!("{ROOT}/{name}"), 0o755, 0);
        }
        std::env::set_current_dir("/mnt").unwrap();
        let error = refusal(&planned(
            "[[private]]\npath = \"/t\"\n[[tmpfs]]\npath = \"/none\"\n",
        ));
        assert_eq!(
            error,
            "cannot open /none: No such file or directory (test.toml:8)"
        );
        let error = refusal(&tabled("tmpfs /data tmpfs sise=1M 0 0\n"));
        assert_eq!(
            error,
            "cannot mount on /data: tmpfs: Unknown parameter 'sise' (/mnt/etc/fstab:1)"
        );
        let error = refusal(&tabled("none /data nosuchfs defaults\n"));
        assert_eq!(
            error,
            "cannot mount on /data: this kernel has no nosuchfs file system (/mnt/etc/fstab:1)"
        );
    });
}

#[test]
fn an_fstab_is_mounted_in_its_order_with_its_options() {
    in_own_namespace(|| {
        new_root();
        directory("/mnt/source", 0o755, 0);
        memory("/mnt/source");
        directory("/mnt/source/sub", 0o755, 0);
        memory("/mnt/source/sub");
        remount("/mnt/source", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC);
        symlink("/etc/none", format!("{ROOT}/away")).unwrap();
        let plan = tabled(
            "# a comment\n\
             \n\
             tmpfs /data tmpfs size=64k,mode=750,uid=2001,nodev 0 0\n\
             tmpfs /data/in\\040it tmpfs X-mount.mkdir,ro\n\
             /mnt/source /srv none bind,ro 0 0\n\
             /mnt/source /bin none rbind\n\
             proc /proc proc hidepid=invisible\n\
             /dev/disk/by-label/none /opt ext4 nofail 0 2\n\
             LABEL=none /away vfat noauto\n",
        );
        inside(plan, |applied| {
            assert_eq!(form("/data"), (0o750, USER, 0));
            assert_eq!(options("/data"), "rw,nodev,relatime");
            assert_eq!(options("/data/in it"), "ro,relatime");
            // Read-only in truth, with the other flags of its source; what is mounted beneath is not shown.
            assert_eq!(options("/srv"), "ro,nosuid,noexec,relatime");
            assert_eq!(
                fs::write("/srv/x", "").unwrap_err().raw_os_error(),
                Some(30)
            );
            assert!(!mounts_at("/srv").contains(&"/srv/sub".to_owned()));
            assert_eq!(options("/bin"), "rw,nosuid,noexec,relatime");
            assert_eq!(mounts_at("/bin"), ["/bin", "/bin/sub"]);
            assert!(
                mounts()
                    .lines()
                    .any(|line| line.contains(" /proc ") && line.contains("hidepid"))
            );
            assert!(
                applied.notes[0].starts_with("/opt left out: cannot open /opt"),
                "{:?}",
                applied.notes
            );
            // This machine may have no log.
            let missing = applied.missing.iter().filter(|path| *path != "/dev/log");
            assert_eq!(missing.collect::<Vec<_>>(), ["/dev/disk/by-label/none"]);
        });
    });
}

#[test]
fn name_servers_are_the_hosts_where_the_root_has_none() {
    in_own_namespace(|| {
        let host = fs::read_to_string("/etc/resolv.conf").unwrap();
        for (link, own) in [
            (None, None),
            (None, Some("own")),
            (Some("../run/systemd/resolve/stub-resolv.conf"), None),
            (Some("/run/resolv.conf"), None),
        ] {
            fs::remove_dir_all(ROOT).ok();
            new_root();
            let path = format!("{ROOT}/etc/resolv.conf");
            if let Some(link) = link {
                symlink(link, &path).unwrap();
            }
            if let Some(own) = own {
                fs::write(&path, own).unwrap();
            }
            for login in ["first", "later"] {
                let expected = own.unwrap_or(&host).to_owned();
                inside(planned(""), move |_| {
                    let found = fs::read_to_string("/etc/resolv.conf").unwrap();
                    assert_eq!(found, expected, "{link:?} {login}");
                });
            }
        }
        // A link to where only the administrator may make something.
        fs::remove_file(format!("{ROOT}/etc/resolv.conf")).unwrap();
        symlink("/srv/none/x", format!("{ROOT}/etc/resolv.conf")).unwrap();
        inside(planned(""), |applied| {
            assert!(!exists("/srv/none"));
            assert_eq!(applied.notes, [""; 0]);
        });
    });
}

#[test]
fn an_fstab_may_have_every_kind_of_file_system() {
    in_own_namespace(|| {
        new_root();
        for name in ["lower", "upper", "work"] {
            directory(&format!("/mnt/layers/{name}"), 0o755, 0);
        }
        file("/mnt/layers/lower/below", "");
        directory(&format!("{ROOT}/opt"), 0o755, 0);
        let plan = tabled(
            "sysfs /srv sysfs ro\n\
             devpts /data devpts ptmxmode=666,mode=600,gid=5\n\
             queues /opt mqueue noexec\n\
             layers /run overlay lowerdir=/mnt/layers/lower,upperdir=/mnt/layers/upper,workdir=/mnt/layers/work\n",
        );
        inside(plan, |_| {
            assert!(exists("/srv/kernel") && options("/srv").starts_with("ro,"));
            assert_eq!(names("/data"), ["ptmx"]);
            assert!(options("/opt").contains("noexec"));
            assert_eq!(names("/run"), ["below"]);
            file("/run/above", "");
        });
        assert_eq!(names("/mnt/layers/upper"), ["above"]);
        // A layer that others could exchange.
        directory("/mnt/layers", 0o777, 0);
        let error = refusal(&tabled(
            "x /run overlay lowerdir=/mnt/layers/lower:/mnt/etc\n",
        ));
        assert!(
            error.contains("/mnt/layers is writable by others than root"),
            "{error}"
        );
    });
}

#[test]
fn an_fstab_may_name_block_devices() {
    in_own_namespace(|| {
        new_root();
        let Some(disk) = Disk::make() else {
            assert!(
                std::env::var_os("JNS_TESTS_MUST_RUN").is_none(),
                "this test must run, and needs loop devices and mkfs.ext4"
            );
            println!("skipped: there are no loop devices");
            return;
        };
        let device = disk.device.clone();
        inside(tabled(&format!("{device} /data ext4\n")), |_| {
            file("/data/x", "")
        });
        // The same file system may be writable elsewhere.
        inside(
            tabled(&format!(
                "{device} /data ext4 ro,noexec,errors=remount-ro 0 2\n"
            )),
            |_| {
                assert!(exists("/data/lost+found"));
                assert_eq!(options("/data"), "ro,noexec,relatime");
            },
        );
        let error = refusal(&tabled("/mnt/etc/fstab /data ext4\n"));
        assert!(
            error.contains("cannot mount /mnt/etc/fstab: it is not a block device"),
            "{error}"
        );
        let error = refusal(&tabled(&format!("{device} /data xfs\n")));
        assert!(error.starts_with("cannot mount on /data: "), "{error}");
    });
}

/// A small file system on a loop device, which ends with the value.
struct Disk {
    device: String,
}

impl Disk {
    /// Nothing where the machine has no loop devices.
    fn make() -> Option<Self> {
        let image = "/mnt/image";
        fs::File::create(image).unwrap().set_len(4 << 20).unwrap();
        let made = Command::new("mkfs.ext4")
            .args(["-q", image])
            .status()
            .ok()?;
        let output = Command::new("losetup")
            .args(["--show", "-f", image])
            .output()
            .ok()?;
        let device = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        (made.success() && output.status.success()).then_some(Self { device })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.device]).status();
    }
}
