//! The program that opens a volume, as pam_mount runs it.

use super::general::General;
use super::option::{self, Opt};
use super::text::{self, is_true, template};
use roxmltree::Node;

/// A program, and how it is run.
#[derive(Debug)]
pub struct Program {
    /// The command that mounts the volume, as templates.
    pub open: Vec<String>,
    /// The command that unmounts it; none where the module does.
    pub close: Vec<String>,
    /// Whether it is run as root, and not as the user.
    pub is_roots: bool,
    /// Whether it reads the login password from its standard input.
    pub password: bool,
    /// What it does in another way than pam_mount's.
    pub notes: Vec<String>,
}

/// The file systems that mount(8) mounts without a password.
const PLAIN: &[&str] = &[
    "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "iso9660", "nfs", "nfs4", "ntfs3",
    "squashfs", "udf", "vfat", "virtiofs", "xfs",
];

/// The attributes that a dm-crypt volume alone has, and the options of mount.crypt(8) for them.
const ENCRYPTED: &[(&str, &str)] = &[
    ("cipher", "cipher"),
    ("fskeycipher", "fsk_cipher"),
    ("fskeyhash", "fsk_hash"),
    ("fskeypath", "keyfile"),
    ("header", "header"),
];

/// The options by which a CIFS share needs no password.
const WITHOUT_PASSWORD: &[&str] = &["guest", "cred", "credentials"];

/// The programs for FUSE that are known: their name, an argument, and whether they always read a password.
const FUSE: &[(&str, Option<&str>, bool)] = &[
    ("encfs", Some("--stdinpass"), true),
    ("gocryptfs", Some("-quiet"), true),
    ("sshfs", None, false),
];

/// The type of a volume's file system, in small letters.
pub fn kind(node: Node<'_, '_>) -> String {
    let kind = node
        .attribute("fstype")
        .unwrap_or("auto")
        .to_ascii_lowercase();
    let is_encrypted = ENCRYPTED
        .iter()
        .any(|(key, _)| node.attribute(*key).is_some());
    match kind.as_str() {
        "auto" if is_encrypted => "crypt".to_owned(),
        _ => kind,
    }
}

/// Finds the program for a volume.
///
/// # Errors
///
/// Why there is none.
pub fn of(
    node: Node<'_, '_>,
    kind: &str,
    target: &str,
    options: &[Opt],
    general: &General<'_>,
) -> Result<Program, String> {
    let element = match kind {
        "cifs" => "cifsmount",
        "crypt" => "cryptmount",
        "fuse" => "fusemount",
        "nfs" | "nfs4" => "nfsmount",
        _ => "lclmount",
    };
    if general.has_program(element) {
        return Err(format!(
            "<{element}> names the program, which `open` in [[volume]] could name"
        ));
    }
    let source = node.attribute("path").ok_or("`path` is missing")?;
    let program = match kind {
        "fuse" => fuse(node, source, target, options)?,
        "cifs" => cifs(node, source, target, options)?,
        "crypt" | "crypto_luks" => crypt(node, source, target, options)?,
        "nfs" | "nfs4" => local(
            kind,
            &with_server(node, source, ":")?,
            target,
            options,
            false,
        ),
        "davfs" if option::has(options, "username") => {
            local(kind, &template(source)?, target, options, true)
        }
        _ if PLAIN.contains(&kind) => local(kind, &text::path(source)?, target, options, false),
        _ => return Err(without(kind, source)),
    };
    let is_roots = node
        .attribute("noroot")
        .map_or(kind != "fuse", |text| !is_true(text));
    Ok(Program {
        is_roots,
        ..program
    })
}

/// Why no program is known for a type.
fn without(kind: &str, source: &str) -> String {
    match kind {
        "auto" => {
            format!("`fstype` does not say what {source} is; of an encrypted one it is \"crypt\"")
        }
        "smbfs" | "ncpfs" => {
            format!("Linux has no file system of type {kind} any more; cifs is what smbfs was")
        }
        "aufs" | "overlay" | "unionfs" => {
            format!("no [[volume]] opens one of type {kind}; see [[overlay]]")
        }
        "davfs" => "without the option `username`, mount.davfs(8) reads a name before the password"
            .to_owned(),
        _ => format!(
            "whether what mounts a file system of type {kind} reads the password is not known"
        ),
    }
}

/// The source of a volume on a server.
fn with_server(node: Node<'_, '_>, source: &str, between: &str) -> Result<String, String> {
    match node.attribute("server") {
        Some(server) => Ok(format!(
            "{}{between}{}",
            template(server)?,
            template(source)?
        )),
        None => template(source),
    }
}

fn arguments(words: &[&str], options: &str) -> Vec<String> {
    let options = ["-o", options].into_iter().filter(|_| !options.is_empty());
    words
        .iter()
        .copied()
        .chain(options)
        .map(str::to_owned)
        .collect()
}

fn program(open: Vec<String>, password: bool) -> Program {
    Program {
        open,
        close: Vec::new(),
        is_roots: true,
        password,
        notes: Vec::new(),
    }
}

fn local(kind: &str, source: &str, target: &str, options: &[Opt], password: bool) -> Program {
    let words = ["/bin/mount", "-t", kind, source, target];
    program(arguments(&words, &option::joined(options)), password)
}

/// A share: mount.cifs(8) reads the password from the descriptor that a variable names.
fn cifs(
    node: Node<'_, '_>,
    source: &str,
    target: &str,
    options: &[Opt],
) -> Result<Program, String> {
    let share = match node.attribute("server") {
        Some(_) => format!("//{}", with_server(node, source, "/")?),
        None => template(source)?,
    };
    let own = "user={user},uid={uid},gid={gid}";
    let all = match options {
        [] => own.to_owned(),
        [..] => format!("{own},{}", option::joined(options)),
    };
    let is_open = |(key, value): &Opt| {
        let ticket = key == "sec" && value.as_deref().is_some_and(|sec| sec.starts_with("krb5"));
        ticket || WITHOUT_PASSWORD.contains(&key.as_str())
    };
    let mount = ["/sbin/mount.cifs", share.as_str(), target];
    if options.iter().any(is_open) {
        return Ok(program(arguments(&mount, &all), false));
    }
    let words = [&["/usr/bin/env", "PASSWD_FD=0"], &mount[..]].concat();
    Ok(program(arguments(&words, &all), true))
}

/// A dm-crypt volume, by mount.crypt(8) of pam_mount.
fn crypt(
    node: Node<'_, '_>,
    source: &str,
    target: &str,
    options: &[Opt],
) -> Result<Program, String> {
    let mut all = options.to_vec();
    for (key, name) in ENCRYPTED {
        if let Some(value) = node.attribute(*key) {
            let value = match *key {
                "fskeypath" | "header" => text::path(value)?,
                _ => template(value)?,
            };
            all.push(((*name).to_owned(), Some(value)));
        }
    }
    // pam_mount's own, where only the key is named.
    if option::has(&all, "keyfile") && !option::has(&all, "fsk_hash") {
        all.push(("fsk_hash".to_owned(), Some("md5".to_owned())));
    }
    let source = text::path(source)?;
    let words = ["/sbin/mount.crypt", source.as_str(), target];
    Ok(Program {
        close: arguments(&["/sbin/umount.crypt", target], ""),
        ..program(arguments(&words, &option::joined(&all)), true)
    })
}

/// A file system in user space: `PROGRAM#SOURCE`.
fn fuse(node: Node<'_, '_>, path: &str, target: &str, options: &[Opt]) -> Result<Program, String> {
    let (name, source) = path
        .split_once('#')
        .ok_or("`path` of a FUSE file system is PROGRAM#SOURCE")?;
    let base = name.rsplit('/').next().unwrap_or_default();
    let known = FUSE.iter().find(|(known, ..)| *known == base);
    let Some((base, argument, password)) = known else {
        return Ok(unknown_fuse(&template(path)?, name, target, options));
    };
    let file = match name.starts_with('/') {
        true => template(name)?,
        false => format!("/usr/bin/{base}"),
    };
    let source = match *base {
        "sshfs" => template(source)?,
        _ => text::path(source)?,
    };
    let words: Vec<&str> = [file.as_str()]
        .into_iter()
        .chain(*argument)
        .chain([source.as_str(), target])
        .collect();
    match *base {
        "sshfs" => Ok(sshfs(node, &words, options)),
        _ => Ok(program(
            arguments(&words, &option::joined(options)),
            *password,
        )),
    }
}

/// sshfs(1) hands on the password itself, for which pam_mount has a program in between.
fn sshfs(node: Node<'_, '_>, words: &[&str], options: &[Opt]) -> Program {
    const OPTION: &str = "password_stdin";
    let mut all = options.to_vec();
    let is_wrapped = node.attribute("ssh").is_some_and(is_true) && !option::has(options, OPTION);
    if is_wrapped {
        all.push((OPTION.to_owned(), None));
    }
    let note = format!("sshfs hands the password to ssh by its option {OPTION}");
    Program {
        notes: is_wrapped.then_some(note).into_iter().collect(),
        ..program(
            arguments(words, &option::joined(&all)),
            option::has(&all, OPTION),
        )
    }
}

fn unknown_fuse(path: &str, name: &str, target: &str, options: &[Opt]) -> Program {
    let words = ["/sbin/mount.fuse", path, target];
    let note = format!(
        "whether {name} reads the password is not known; if it does not, take `password` out"
    );
    Program {
        notes: vec![note],
        ..program(arguments(&words, &option::joined(options)), true)
    }
}
