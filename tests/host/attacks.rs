//! Users who exchange what their sessions are made of for links to what is not theirs, at every moment of an open
//! and as often as they can. A module that trusts paths shows that each attack can be won. What the pam_namespace
//! of this machine makes of those that it has options for is printed, and judged where its version is a known one.

use crate::kernel::{directory, mounts_at, tree};
use crate::machine::{CONFDIR, Machine, module, on_machine, program, shared_object};
use crate::peer::{BEFORE_1_5_2_MENDED, MENDED, SINCE_1_5_2_MENDED, Version, Versions};
use std::os::unix::fs::{lchown, symlink};
use std::path::PathBuf;
use std::process::Command;

/// What is not the user's.
const VICTIM: &str = "/mnt/victim";
const ALICE: u32 = 2001;
/// How long a race goes on, in seconds: thousands of sessions, of which a module that can lose loses one of fifty or so.
const RACE: u32 = 12;
/// How long a module that can lose has for that.
const LONGEST_RACE: u32 = 120;

const SETTINGS: &str = "[settings]\nnamespace = \"session\"\nstore = \"/mnt/var/lib/jns\"\n";

/// An attack, as the racer is given it.
#[derive(Clone, Copy)]
struct Attack {
    /// What is exchanged for a link to the victim, and that link.
    names: (&'static str, &'static str),
    /// Directories that are there besides `/mnt/home/alice/a`, of the user's and of root's.
    theirs: &'static [&'static str],
    roots: &'static [&'static str],
    /// The rule that is attacked, and what says the same to the module that trusts paths.
    rule: &'static str,
    naive: &'static str,
    /// The line of namespace.conf that says the same, if there is one; which versions of pam_namespace lose under it,
    /// and which withstand.
    line: &'static str,
    lost_by: &'static [Versions],
    withstood_by: &'static [Versions],
    /// Where something must be mounted in sessions that open.
    place: &'static str,
    /// Where the victim must not be seen in them.
    shown: &'static str,
}

/// A directory above the one that is covered.
const ON_THE_WAY: Attack = Attack {
    names: ("/mnt/home/alice/a", "/mnt/home/alice/b"),
    theirs: &["/mnt/home/alice/a/t"],
    roots: &["/mnt/victim/t"],
    rule: "[[private]]\npath = \"/mnt/home/alice/a/t\"\n",
    naive: "at=/mnt/home/alice/a/t from=/mnt/inst/naive",
    line: "/mnt/home/alice/a/t /mnt/inst/ user root\n",
    lost_by: &[BEFORE_1_5_2_MENDED],
    withstood_by: MENDED,
    place: "/mnt/home/alice",
    shown: "-",
};

/// The one that is covered itself.
const AT_THE_END: Attack = Attack {
    rule: "[[private]]\npath = \"/mnt/home/alice/a\"\n",
    naive: "at=/mnt/home/alice/a from=/mnt/inst/naive",
    line: "/mnt/home/alice/a /mnt/inst/ user root\n",
    ..ON_THE_WAY
};

/// A directory above one that is made; the victim has one of that name.
const CREATION: Attack = Attack {
    theirs: &[],
    rule: "[[private]]\npath = \"/mnt/home/alice/a/t\"\ncreate = true\n",
    line: "/mnt/home/alice/a/t /mnt/inst/ user:create root\n",
    ..ON_THE_WAY
};

/// The same; the victim has none, so that one could be made there. pam_namespace makes it by a descriptor.
const CREATION_ELSEWHERE: Attack = Attack {
    roots: &[VICTIM],
    lost_by: &[],
    withstood_by: &[BEFORE_1_5_2_MENDED, SINCE_1_5_2_MENDED],
    ..CREATION
};

/// The directory that is about to be given its name.
const TEMPORARY: Attack = Attack {
    names: ("/mnt/home/alice/a/.jns-*", "/mnt/home/alice/a/b"),
    naive: "at=/mnt/home/alice/a/t from=/mnt/inst/naive temporary",
    line: "",
    ..CREATION
};

/// A directory that a link of root's leads through. pam_namespace's paths were not made safe from that in 1.5.2.
const BEHIND_A_LINK: Attack = Attack {
    rule: "[[private]]\npath = \"/mnt/link/t\"\n",
    naive: "at=/mnt/link/t from=/mnt/inst/naive",
    line: "/mnt/link/t /mnt/inst/ user root\n",
    lost_by: &[BEFORE_1_5_2_MENDED, SINCE_1_5_2_MENDED],
    withstood_by: &[],
    ..ON_THE_WAY
};

/// A directory above an instance that the user keeps.
const INSTANCE: Attack = Attack {
    theirs: &[],
    roots: &[VICTIM],
    rule: "[[private]]\npath = \"/mnt/t\"\nstore = \"/mnt/home/{user}/a/t\"\nmode = \"700\"\nowner = \"{user}\"\n",
    naive: "at=/mnt/t from=/mnt/home/alice/a/t",
    line: "",
    place: "/mnt/t",
    shown: "/mnt/t",
    ..ON_THE_WAY
};

/// A new instance before it has its name.
const TEMPORARY_INSTANCE: Attack = Attack {
    names: TEMPORARY.names,
    naive: "at=/mnt/t from=/mnt/home/alice/a/t temporary",
    ..INSTANCE
};

/// A directory above the source of a bind.
const SOURCE: Attack = Attack {
    rule: "[[bind]]\nsource = \"/mnt/home/alice/a/t\"\npath = \"/mnt/t\"\n",
    naive: "at=/mnt/t from=/mnt/home/alice/a/t",
    line: "",
    place: "/mnt/t",
    shown: "/mnt/t",
    ..ON_THE_WAY
};

/// An entry that stays visible, in a directory like `/tmp`.
const KEPT: Attack = Attack {
    names: ("/mnt/t/kept", "/mnt/t/b"),
    theirs: &["/mnt/t/kept"],
    rule: "[[private]]\npath = \"/mnt/t\"\nkeep = [\"kept\"]\n",
    naive: "at=/mnt/t from=/mnt/inst/naive keep=kept",
    line: "",
    place: "/mnt/t",
    shown: "/mnt/t/kept",
    ..ON_THE_WAY
};

/// How the sessions of a racer ended.
#[derive(Debug, Clone, Copy)]
struct Counts {
    opened: usize,
    refused: usize,
    strayed: usize,
}

/// How a racer is to attack.
type Mode = Vec<String>;

impl Attack {
    fn set_up(&self) {
        for path in self.roots {
            directory(path, 0o755, 0);
        }
        for path in ["/mnt/home/alice/a"].iter().chain(self.theirs) {
            directory(path, 0o755, ALICE);
        }
        symlink(VICTIM, self.names.1).unwrap();
        lchown(self.names.1, Some(ALICE), Some(ALICE)).unwrap();
        symlink("/mnt/home/alice/a", "/mnt/link").unwrap();
        directory("/mnt/inst", 0, 0);
    }

    /// Runs the racer with that module on the machine's stack.
    fn run(&self, module: &PathBuf, mode: &Mode) -> Counts {
        let racer = Command::new(program("racer"))
            .arg(CONFDIR)
            .arg(module)
            .args([self.names.0, self.names.1, VICTIM, self.place, self.shown])
            .args(mode)
            .env_clear()
            .output()
            .unwrap();
        assert!(racer.status.success(), "{racer:?}");
        let text = String::from_utf8(racer.stdout).unwrap();
        print!("{}: {text}", module.display());
        let last = text.lines().last().unwrap_or_default();
        let count = |what| {
            let mut words = last.split(' ');
            let at = words.position(|word| word == what).unwrap();
            last.split(' ').nth(at - 1).unwrap().parse().unwrap()
        };
        Counts {
            opened: count("opened"),
            refused: count("refused"),
            strayed: count("strayed"),
        }
    }

    /// A module that trusts paths loses.
    fn assert_can_be_won(self, mode: Mode) {
        on_attacked_machine(self, move |machine| {
            machine.stop_listening();
            let naive = shared_object("naive");
            machine.whole_stack(&format!(
                "session required {} {}\nsession required pam_permit.so\n",
                naive.display(),
                self.naive
            ));
            let counts = self.run(&naive, &mode);
            assert!(
                counts.strayed > 0,
                "the attack is too weak to show anything: {counts:?}"
            );
        });
    }

    /// Prints how pam_namespace fares, and judges what is known about its version.
    fn look_at_pam_namespace(self, mode: Mode) {
        if self.line.is_empty() {
            return;
        }
        on_attacked_machine(self, move |machine| {
            machine.stop_listening();
            machine.stack_of_pam_namespace(self.line);
            let counts = self.run(&PathBuf::from("pam_namespace.so"), &mode);
            let version = Version::installed();
            println!("pam_namespace {version}: {counts:?}");
            let is_among = |versions: &[Versions]| versions.iter().any(|v| version.is_among(v));
            if is_among(self.lost_by) {
                assert!(counts.strayed > 0, "{version} withstood: {counts:?}");
            }
            if is_among(self.withstood_by) {
                assert_eq!(counts.strayed, 0, "{version} lost: {counts:?}");
            }
        });
    }

    /// The module under test does not lose, and nothing is anywhere else afterwards.
    fn assert_is_lost(&self, machine: &Machine, mode: &Mode) -> Counts {
        machine.policy(format!("{SETTINGS}{}", self.rule));
        let before = tree(VICTIM);
        let counts = self.run(&module(), mode);
        assert_eq!(counts.strayed, 0, "{counts:?}");
        let is_left_out = self.rule.contains("keep");
        assert!(
            counts.opened > 0 && (counts.refused > 0 || is_left_out),
            "{counts:?}"
        );
        assert_eq!(mounts_at(VICTIM), [""; 0]);
        assert_eq!(tree(VICTIM), before);
        counts
    }
}

/// A machine with what the attack is about.
fn on_attacked_machine(attack: Attack, test: impl FnOnce(&mut Machine) + Send + 'static) {
    on_machine(move |machine| {
        attack.set_up();
        test(machine);
    });
}

/// Exchanges the names at every pair of moments of an open.
fn at_every_moment(attack: Attack) {
    let step = || vec!["step".to_owned()];
    on_attacked_machine(attack, move |machine| {
        let counts = attack.assert_is_lost(machine, &step());
        assert_eq!(
            machine.errors().len(),
            counts.refused,
            "each has its reason"
        );
    });
    attack.assert_can_be_won(step());
    attack.look_at_pam_namespace(step());
}

/// Exchanges the names all the time.
fn as_often_as_possible(attack: Attack) {
    let until = |seconds: u32, losses: usize| {
        vec!["race".to_owned(), seconds.to_string(), losses.to_string()]
    };
    attack.assert_can_be_won(until(LONGEST_RACE, 3));
    attack.look_at_pam_namespace(until(RACE, 3));
    on_attacked_machine(attack, move |machine| {
        machine.stop_listening();
        attack.assert_is_lost(machine, &until(RACE, 1));
    });
}

#[test]
fn a_directory_on_the_way_exchanged_at_every_moment() {
    at_every_moment(ON_THE_WAY);
}

#[test]
fn a_directory_that_is_covered_exchanged_at_every_moment() {
    at_every_moment(AT_THE_END);
}

#[test]
fn a_directory_above_one_that_is_made_exchanged_at_every_moment() {
    at_every_moment(CREATION);
}

#[test]
fn a_directory_above_one_that_could_be_made_elsewhere_exchanged_at_every_moment() {
    at_every_moment(CREATION_ELSEWHERE);
}

#[test]
fn a_directory_before_it_has_its_name_exchanged_at_every_moment() {
    at_every_moment(TEMPORARY);
}

#[test]
fn a_directory_behind_a_link_of_roots_exchanged_at_every_moment() {
    at_every_moment(BEHIND_A_LINK);
}

#[test]
fn a_directory_above_an_instance_exchanged_at_every_moment() {
    at_every_moment(INSTANCE);
}

#[test]
fn an_instance_before_it_has_its_name_exchanged_at_every_moment() {
    at_every_moment(TEMPORARY_INSTANCE);
}

#[test]
fn a_directory_above_a_source_exchanged_at_every_moment() {
    at_every_moment(SOURCE);
}

#[test]
fn a_kept_entry_exchanged_at_every_moment() {
    at_every_moment(KEPT);
}

#[test]
fn a_directory_on_the_way_exchanged_all_the_time() {
    as_often_as_possible(ON_THE_WAY);
}

#[test]
fn a_directory_above_one_that_is_made_exchanged_all_the_time() {
    as_often_as_possible(CREATION);
}

#[test]
fn a_kept_entry_exchanged_all_the_time() {
    as_often_as_possible(KEPT);
}
