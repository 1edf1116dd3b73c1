//! The third word of a line: how instances are distinguished, and flags behind colons.

use super::notes::Notes;

/// The way in which instances are distinguished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By the user's name.
    User,
    /// By the SELinux context of the session.
    Context,
    /// By its level alone.
    Level,
    /// Each session has one.
    Tmpdir,
    /// Each session has one in memory.
    Tmpfs,
}

const METHODS: [(&str, Method); 5] = [
    ("user", Method::User),
    ("context", Method::Context),
    ("level", Method::Level),
    ("tmpdir", Method::Tmpdir),
    ("tmpfs", Method::Tmpfs),
];

/// The flags of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `create`: the directory is made if it is missing.
    pub create: Option<Create>,
    /// `iscript=`: the script, as the line has it.
    pub script: Option<String>,
    /// `noinit`: no script is run.
    pub no_init: bool,
    /// `shared`: without the user's name.
    pub shared: bool,
    /// `mntopts=`, which only tmpfs has.
    pub mount: Option<String>,
}

/// `create=MODE,OWNER,GROUP`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Create {
    /// Permission bits.
    pub mode: Option<u32>,
    /// A user's name.
    pub owner: Option<String>,
    /// A group's name.
    pub group: Option<String>,
}

/// Reads the third word.
///
/// # Errors
///
/// Why pam_namespace refuses it.
pub fn read(word: &str, notes: &mut Notes<'_>) -> Result<(Method, Flags), String> {
    let mut parts = word.split(':').filter(|part| !part.is_empty());
    let name = parts.next().ok_or("the method is empty")?;
    let method = METHODS.iter().find(|(known, _)| *known == name);
    let (_, method) = method.ok_or_else(|| format!("there is no method `{name}`"))?;
    let mut flags = Flags::default();
    for flag in parts {
        flags.add(flag, *method, notes);
    }
    if flags.shared && !matches!(method, Method::Context | Method::Level) {
        notes.doubtful(format!(
            "`shared` says nothing to the method `{name}`: each has an instance"
        ));
    }
    Ok((*method, flags))
}

impl Flags {
    /// Whatever begins as a flag does is that flag to pam_namespace.
    fn add(&mut self, flag: &str, method: Method, notes: &mut Notes<'_>) {
        let names = ["create", "noinit", "iscript", "shared", "mntopts"];
        let found = names
            .iter()
            .find_map(|name| Some((*name, flag.strip_prefix(name)?)));
        let Some((name, rest)) = found else {
            notes.doubtful(format!(
                "pam_namespace passes over the flag `{flag}`, which it does not know"
            ));
            return;
        };
        let value = rest.strip_prefix('=');
        let takes_value = matches!(name, "create" | "iscript" | "mntopts");
        if value.is_none() && !rest.is_empty() || value.is_some() && !takes_value {
            notes.doubtful(format!("`{flag}` is `{name}` to pam_namespace"));
        }
        match (name, value) {
            ("create", value) => self.create = Some(create(value.unwrap_or_default(), notes)),
            ("noinit", _) => self.no_init = true,
            ("shared", _) => self.shared = true,
            ("iscript", Some(script)) if !script.is_empty() => {
                self.script = Some(script.to_owned())
            }
            ("mntopts", Some(options)) if method == Method::Tmpfs => {
                self.mount = Some(options.to_owned());
            }
            ("mntopts", Some(_)) => {
                notes.doubtful("`mntopts` says nothing to other methods than tmpfs")
            }
            _ => {}
        }
    }
}

fn create(text: &str, notes: &mut Notes<'_>) -> Create {
    let mut values = text.splitn(3, ',');
    let mut next = || values.next().filter(|value| !value.is_empty());
    Create {
        mode: next().map(|text| mode(text, notes)),
        owner: next().map(str::to_owned),
        group: next().map(str::to_owned),
    }
}

/// A mode; without a leading 0 it is a decimal number to pam_namespace.
fn mode(text: &str, notes: &mut Notes<'_>) -> u32 {
    let theirs = as_c_reads(text) & 0o7777;
    let octal = u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777);
    match octal {
        Some(octal) if octal == theirs => octal,
        Some(octal) => {
            notes.different(format!(
                "pam_namespace takes the mode {text} for a decimal number and makes {theirs:04o} of it; here it is \
                 {octal:04o}"
            ));
            octal
        }
        None => {
            notes.doubtful(format!(
                "`{text}` is no octal mode, and {theirs:04o} to pam_namespace"
            ));
            theirs
        }
    }
}

/// The number at the start of `text`, as strtoul(3) reads it with base 0.
fn as_c_reads(text: &str) -> u32 {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(hexadecimal), _) => (hexadecimal, 16),
        (None, Some(octal)) => (octal, 8),
        (None, None) => (lower.as_str(), 10),
    };
    let digits = digits.chars().map_while(|c| c.to_digit(radix));
    digits.fold(0_u32, |number, digit| {
        number.wrapping_mul(radix).wrapping_add(digit)
    })
}
