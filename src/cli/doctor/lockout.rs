//! Findings about what refuses every session of a service, root's as well. The module lets root in whatever fails; but
//! libpam asks no module where one cannot be loaded, a file is missing that a stack includes, or a jump goes wrong.

use super::finding::{Area, Finding};
use crate::cli::host::Tree;
use crate::cli::host::module_line::{MODULE, has_line, is_ours};
use crate::cli::host::stack::{self, Entry, Jump, MissingInclude, security_directories};
use rustix::fs::{FileType, Stat, StatVfsMountFlags};
use std::io::Read;

/// The groups whose lines decide whether somebody gets in.
const GROUPS: [&str; 3] = ["auth", "account", "session"];

/// The module that lets nobody in.
const DENY: &str = "pam_deny";

/// Programs that load modules: their architecture is that of the modules.
const LOGIN_PROGRAMS: [&str; 5] = [
    "/usr/sbin/sshd",
    "/usr/bin/login",
    "/bin/login",
    "/usr/bin/su",
    "/bin/su",
];

/// Finds what refuses every session of those services that call the module.
pub fn findings<'s>(tree: &Tree, services: impl Iterator<Item = &'s str>) -> Vec<Finding> {
    let directories = directories(tree);
    services
        .flat_map(|service| of_service(tree, &directories, service))
        .collect()
}

fn of_service(tree: &Tree, directories: &[String], service: &str) -> Vec<Finding> {
    let stacks = GROUPS.map(|group| stack::read(tree, service, group));
    if !stacks.iter().any(has_line) {
        return Vec::new();
    }
    let entries = stacks.iter().flat_map(|stack| &stack.entries);
    let files = entries.filter_map(|entry| of_file(tree, directories, entry));
    let jumps = stacks.iter().flat_map(|stack| &stack.jumps);
    let includes = stack::missing_includes(tree, service, &GROUPS);
    files
        .chain(jumps.filter_map(onto_denial))
        .chain(of_includes(service, &includes))
        .collect()
}

/// The directories with the modules of the architecture that login programs have; all where that is not known.
fn directories(tree: &Tree) -> Vec<String> {
    let all = security_directories(tree);
    let mut programs = LOGIN_PROGRAMS.iter();
    let wanted = programs.find_map(|program| Architecture::of(tree, program));
    let is_native = |directory: &&String| {
        let permit = format!("{directory}/pam_permit.so");
        Architecture::of(tree, &permit).is_some_and(|found| Some(found) == wanted)
    };
    let native: Vec<String> = all.iter().filter(is_native).cloned().collect();
    match native.is_empty() {
        true => all,
        false => native,
    }
}

/// Judges whether libpam finds and loads the module of a line, and nobody but root can change it.
fn of_file(tree: &Tree, directories: &[String], entry: &Entry) -> Option<Finding> {
    let candidates = match entry.module.starts_with('/') {
        true => vec![entry.module.clone()],
        false => {
            let paths = directories.iter();
            paths
                .map(|directory| format!("{directory}/{}", entry.module))
                .collect()
        }
    };
    let mut places = candidates.iter();
    let found = places.find_map(|path| Some((path, tree.stat(path).ok()?)));
    match (found, is_ours(entry)) {
        (None, true) => Some(missing(entry, &candidates)),
        (None, false) => missing_other(entry, &candidates),
        (Some((path, facts)), true) => {
            unloadable(tree, directories, entry, path, &facts).or_else(|| of_module(path, &facts))
        }
        (Some(_), false) => None,
    }
}

/// The fate of logins where the module of a line cannot be loaded.
fn effect(entry: &Entry) -> &'static str {
    match (entry.control.denies_unknown, entry.silent) {
        (true, _) => "every login here is refused, root's too",
        (false, true) => "logins go on without it, in silence",
        (false, false) => "logins go on without it",
    }
}

fn missing(entry: &Entry, candidates: &[String]) -> Finding {
    let place = match candidates {
        [] => String::from("no directory with PAM modules was found"),
        places => format!("not at {}", places.join(" or ")),
    };
    Finding::problem(Area::Pam, format!("{} is missing: {place}", entry.module))
        .at(&entry.location)
        .advise(format!("{}; run make install", effect(entry)))
}

/// Another module of a stack with the module, where the stack fails without it. What libpam would put for `$ISA` is not
/// known.
fn missing_other(entry: &Entry, candidates: &[String]) -> Option<Finding> {
    let is_known = !candidates.is_empty() && !entry.module.contains('$');
    (is_known && entry.control.denies_unknown).then(|| {
        let said = format!(
            "{} is missing: not at {}",
            entry.module,
            candidates.join(" or ")
        );
        Finding::problem(Area::Pam, said)
            .at(&entry.location)
            .advise(format!(
                "{}; install what it belongs to, or put the file back as it was",
                effect(entry)
            ))
    })
}

/// A file in the module's place that libpam cannot load.
fn unloadable(
    tree: &Tree,
    directories: &[String],
    entry: &Entry,
    path: &str,
    facts: &Stat,
) -> Option<Finding> {
    let reason = defect(tree, directories, path, facts)?;
    let said = format!("{path} cannot be loaded: {reason}");
    let finding = Finding::problem(Area::Pam, said).at(&entry.location);
    Some(finding.advise(format!("{}; run make install", effect(entry))))
}

/// Returns why a program that uses PAM could not load a module.
fn defect(tree: &Tree, directories: &[String], path: &str, facts: &Stat) -> Option<&'static str> {
    if FileType::from_raw_mode(facts.st_mode) != FileType::RegularFile {
        return Some("it is no regular file");
    }
    let flags = tree.file_system(path).map(|(_, space)| space.f_flag);
    if tree.is_host() && flags.is_ok_and(|flags| flags.contains(StatVfsMountFlags::NOEXEC)) {
        return Some("its file system is mounted with noexec");
    }
    let mut permits = directories
        .iter()
        .map(|directory| format!("{directory}/pam_permit.so"));
    let wanted = permits.find_map(|permit| Architecture::of(tree, &permit))?;
    match Architecture::of(tree, path) {
        None => Some("it is no shared object"),
        Some(found) if found != wanted => Some("it is of another architecture than other modules"),
        Some(_) => is_cut_off(tree, path).then_some("its end is missing"),
    }
}

/// The class, the byte order and the machine of an ELF file (elf(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Architecture([u8; 4]);

impl Architecture {
    fn of(tree: &Tree, path: &str) -> Option<Self> {
        match header(tree, path)? {
            [
                0x7f,
                b'E',
                b'L',
                b'F',
                class,
                order,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                low,
                high,
                ..,
            ] => Some(Self([class, order, low, high])),
            _ => None,
        }
    }
}

/// The first bytes of a file: the header of an ELF file of 64 bits.
fn header(tree: &Tree, path: &str) -> Option<[u8; 64]> {
    let mut bytes = [0; 64];
    tree.file(path).ok()?.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// Whether a file ends before its section headers do, which are last. Said of ELF files of 64 bits in little-endian order
/// alone.
fn is_cut_off(tree: &Tree, path: &str) -> bool {
    let end = || {
        let header = header(tree, path).filter(|header| header.get(4..6) == Some(&[2, 1]))?;
        let offset = u64::from_le_bytes(header.get(40..48)?.try_into().ok()?);
        let size = u16::from_le_bytes(header.get(58..60)?.try_into().ok()?);
        let number = u16::from_le_bytes(header.get(60..62)?.try_into().ok()?);
        let table = u64::from(size).checked_mul(number.into())?;
        let length = tree.file(path).ok()?.metadata().ok()?.len();
        Some(offset.checked_add(table)? > length)
    };
    end().unwrap_or(false)
}

fn of_module(path: &str, facts: &Stat) -> Option<Finding> {
    let changeable = facts.st_uid != 0 || facts.st_mode & 0o022 != 0;
    changeable.then(|| {
        Finding::problem(
            Area::Pam,
            format!("{path} can be changed by others than root"),
        )
        .advise(format!(
            "it may not be what was installed: run make install again, and then chown root {path} && chmod 0644 {path}"
        ))
    })
}

/// A jump that was to land behind [`DENY`] and lands on it, since the module's line was put in between.
fn onto_denial(jump: &Jump) -> Option<Finding> {
    let onto = jump.to.as_ref()?;
    let is_wrong = onto.name() == DENY && onto.control.denies && jump.over.iter().any(is_ours);
    is_wrong.then(|| {
        let from = &jump.from;
        let said = format!(
            "`{} {}` jumps over {MODULE} onto {DENY}",
            from.control.text, from.module
        );
        let ours = jump.over.iter().find(|entry| is_ours(entry));
        Finding::problem(Area::Pam, said)
            .at(&ours.unwrap_or(from).location)
            .advise(format!(
                "whom the jump is for is refused, root too: move {MODULE} below the line behind {DENY}"
            ))
    })
}

/// A service file of another distribution: one finding for all that it needs.
fn of_includes(service: &str, missing: &[MissingInclude]) -> Option<Finding> {
    let mut targets: Vec<&str> = Vec::new();
    for MissingInclude { target, .. } in missing {
        if !targets.contains(&target.as_str()) {
            targets.push(target);
        }
    }
    let said = format!(
        "{service} includes files that do not exist: {}",
        targets.join(", ")
    );
    let finding = Finding::problem(Area::Pam, said).at(&missing.first()?.location);
    Some(finding.advise(
        "every login here is refused, root's too: service files of another distribution name other files; put yours \
         back, and add the module's line alone",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECTORY: &str = "usr/lib/x86_64-linux-gnu/security";

    /// An ELF header of 64 bits, little-endian, for a machine, whose section headers end where the text does.
    fn elf(machine: u8) -> String {
        let mut bytes = [0_u8; 64];
        bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
        bytes[18] = machine;
        bytes[40] = 64;
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn found(stack: &str, more: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
        let permit = format!("{DIRECTORY}/pam_permit.so");
        let elf = elf(62);
        let own = [
            ("etc/pam.d/sshd", stack),
            (permit.as_str(), elf.as_str()),
            ("usr/sbin/sshd", elf.as_str()),
        ];
        let (_root, tree) = Tree::of_files([&own, more].concat());
        let found = findings(&tree, ["sshd"].into_iter()).into_iter();
        found
            .map(|finding| (finding.summary, finding.advice))
            // Whoever runs the tests owns the fabricated module.
            .filter(|(summary, _)| !summary.contains("changed by others"))
            .collect()
    }

    #[test]
    fn files_that_cannot_be_loaded() {
        let ours = format!("{DIRECTORY}/pam_jns.so");
        let elsewhere = "usr/lib/i386-linux-gnu/security/pam_jns.so";
        let foreign = ("usr/lib/i386-linux-gnu/security/pam_permit.so", elf(3));
        let foreign = (foreign.0, foreign.1.as_str());
        let (right, wrong) = (elf(62), elf(3));
        let cut = right.replacen('\u{40}', "\u{7f}", 1);
        let refused = "every login here is refused, root's too; run make install";
        let on = "logins go on without it; run make install";
        let tolerant = "[success=ok module_unknown=ignore default=bad]";
        for (control, files, part, advice) in [
            ("required", vec![], "is missing: not at", refused),
            ("requisite", vec![], "is missing: not at", refused),
            ("optional", vec![], "is missing: not at", on),
            (tolerant, vec![], "is missing: not at", on),
            (
                "required",
                vec![foreign, (elsewhere, wrong.as_str())],
                "is missing: not at /usr/lib/x86_64-linux-gnu/security/pam_jns.so",
                refused,
            ),
            (
                "required",
                vec![(ours.as_str(), "")],
                "no shared object",
                refused,
            ),
            (
                "required",
                vec![(ours.as_str(), &wrong)],
                "another architecture",
                refused,
            ),
            (
                "required",
                vec![(ours.as_str(), &cut)],
                "its end is missing",
                refused,
            ),
        ] {
            let found = found(&format!("session {control} pam_jns.so\n"), &files);
            assert_eq!(found.len(), 1, "{control} {part}: {found:?}");
            assert!(found[0].0.contains(part), "{found:?}");
            assert_eq!(found[0].1.as_deref(), Some(advice));
        }
        let fine = found("session required pam_jns.so\n", &[(&ours, &right)]);
        assert_eq!(fine, []);
    }

    #[test]
    fn stacks_that_refuse_everybody() {
        let ours = (format!("{DIRECTORY}/pam_jns.so"), elf(62));
        let deny = (format!("{DIRECTORY}/pam_deny.so"), elf(62));
        let files = [&ours, &deny].map(|(path, text)| (path.as_str(), text.as_str()));
        let session = "session required pam_jns.so\n";
        let block = "auth [success=1 default=ignore] pam_permit.so\n";
        let inside = format!(
            "{block}auth optional pam_jns.so\nauth requisite pam_deny.so\nauth required pam_permit.so\n{session}"
        );
        let behind = format!(
            "{block}auth requisite pam_deny.so\nauth required pam_permit.so\nauth optional pam_jns.so\n{session}"
        );
        for (stack, parts) in [
            (inside, &["jumps over pam_jns onto pam_deny"][..]),
            (behind, &[]),
            (format!("auth required pam_jns.so\n{session}"), &[]),
            (
                format!("@include none\n{session}"),
                &["includes files that do not exist: none"],
            ),
            (
                format!("auth include none\n{session}"),
                &["includes files that do not exist: none"],
            ),
            (
                format!("session required pam_none.so\n{session}"),
                &["pam_none.so is missing"],
            ),
            (format!("session optional pam_none.so\n{session}"), &[]),
            (format!("session required $ISA/pam_none.so\n{session}"), &[]),
            (
                "session required pam_none.so\n@include none\n".to_owned(),
                &[],
            ),
        ] {
            let found = found(&stack, &files);
            assert_eq!(found.len(), parts.len(), "{stack}: {found:?}");
            for ((summary, advice), part) in found.iter().zip(parts) {
                assert!(summary.contains(part), "{summary}");
                assert!(advice.as_ref().unwrap().contains("root"), "{advice:?}");
            }
        }
    }

    #[test]
    fn who_may_change_the_module() {
        let mut facts = rustix::fs::stat("/").unwrap();
        for (uid, mode, is_finding) in [
            (0, 0o100_644, false),
            (0, 0o100_664, true),
            (9, 0o100_644, true),
        ] {
            facts.st_uid = uid;
            facts.st_mode = mode;
            assert_eq!(
                of_module("/m.so", &facts).is_some(),
                is_finding,
                "{uid} {mode:o}"
            );
        }
    }
}
