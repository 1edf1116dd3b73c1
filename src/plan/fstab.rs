//! fstab(5), read as mount(8) reads it, with everything refused that would be ignored there.

mod escape;
mod options;

use super::step::{FileSystem, Medium, Step, View};
use crate::error::Error;
use crate::path::AbsPath;
use crate::policy::{Diagnostic, Diagnostics, Fault, Report, Severity, Text};
use escape::{unescape, unquoted};
use options::Options;
use std::ops::Range;

/// The mounts of an fstab(5) file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fstab {
    /// A step for each entry that is to be mounted, in the order of the file.
    pub steps: Vec<Step>,
    /// Entries that mount(8) passes over as well.
    pub warnings: Diagnostics,
}

/// Types whose file systems need no device: what their entries name as a source is a word.
const WITHOUT_DEVICE: &[&str] = &[
    "9p",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "overlay",
    "proc",
    "pstore",
    "ramfs",
    "securityfs",
    "sysfs",
    "tmpfs",
    "tracefs",
    "virtiofs",
];

/// Types that mount(8) leaves to a program of that type's own, `/sbin/mount.nfs` for example.
const WITH_HELPER: &[&str] = &[
    "cifs", "davfs", "fuse", "fuseblk", "nfs", "nfs4", "smb3", "sshfs",
];

/// The directory in which udev links devices by what is known of them.
const TAGS: &[(&str, &str)] = &[
    ("UUID=", "/dev/disk/by-uuid"),
    ("LABEL=", "/dev/disk/by-label"),
    ("PARTUUID=", "/dev/disk/by-partuuid"),
    ("PARTLABEL=", "/dev/disk/by-partlabel"),
    ("ID=", "/dev/disk/by-id"),
];

/// A field of a line, its escapes resolved.
struct Field {
    value: String,
    span: Range<usize>,
}

/// The fields of a line.
struct Entry {
    source: Field,
    target: Field,
    kind: Field,
    options: Range<usize>,
}

impl Fstab {
    /// The mounts of the file `name` with that text.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, at its line and column.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, Diagnostics> {
        let mut report = Report::default();
        let text = report.decode(0, name, bytes);
        let steps = text.map_or_else(Vec::new, |text| steps(&text, &mut report));
        let refused = report.is_refusal();
        let found = report.finish();
        if refused {
            return Err(found);
        }
        Ok(Self {
            steps,
            warnings: found,
        })
    }

    /// Reads the text of an fstab(5) file, and puts what is wrong with it into one line.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it, and how many more there are.
    pub fn of(name: &str, bytes: &[u8]) -> crate::error::Result<Self> {
        Self::parse(name, bytes).map_err(|found| in_one_line(&found))
    }
}

/// The first error, and how many more there are.
fn in_one_line(found: &Diagnostics) -> Error {
    let is_error = |one: &&Diagnostic| one.severity == Severity::Error;
    let Some(first) = found.list.iter().find(is_error) else {
        return Error::new("use", "the fstab", "something is wrong with it");
    };
    let place = first
        .place
        .as_ref()
        .map(|place| format!(":{}:{}", place.line, place.column));
    let rest = found.errors().saturating_sub(1).saturating_add(found.more);
    let more = (rest > 0).then(|| format!("; and {rest} more"));
    Error::new(
        "use",
        format_args!("{}{}", first.file, place.unwrap_or_default()),
        format_args!("{}{}", first.one_line(), more.unwrap_or_default()),
    )
}

fn steps(text: &Text<'_>, report: &mut Report) -> Vec<Step> {
    let mut reader = Reader { text, report };
    let mut start = 0_usize;
    let mut steps = Vec::new();
    for line in text.body().split('\n') {
        let end = start.saturating_add(line.len());
        let content = line.strip_suffix('\r').unwrap_or(line);
        let span = start..start.saturating_add(content.len());
        steps.extend(reader.line(&span));
        start = end.saturating_add(1);
    }
    steps
}

struct Reader<'r, 't> {
    text: &'r Text<'t>,
    report: &'r mut Report,
}

impl Reader<'_, '_> {
    fn line(&mut self, line: &Range<usize>) -> Option<Step> {
        let fields = fields(self.text.slice(line), line.start);
        let first = fields.first()?;
        if self.text.slice(first).starts_with('#') {
            return None;
        }
        let entry = self.entry(&fields, line)?;
        self.step(&entry)
    }

    fn entry(&mut self, fields: &[Range<usize>], line: &Range<usize>) -> Option<Entry> {
        let [source, target, kind, rest @ ..] = fields else {
            return self.refuse(
                line,
                Fault::new("an entry is a source, a mount point, a type and options"),
            );
        };
        self.numbers(rest.get(1..).unwrap_or_default())?;
        Some(Entry {
            source: self.field(source)?,
            target: self.field(target)?,
            kind: self.field(kind)?,
            options: rest.first().cloned().unwrap_or(kind.end..kind.end),
        })
    }

    /// The frequency of dump(8) and the order of fsck(8), which are nothing to a session.
    fn numbers(&mut self, fields: &[Range<usize>]) -> Option<()> {
        for (index, span) in fields.iter().enumerate() {
            let word = self.text.slice(span);
            if word.starts_with('#') {
                return Some(());
            }
            if index > 1 {
                let fault = Fault::new("an entry has six fields");
                return self.refuse(span, fault.help("a blank in a field is written as \\040"));
            }
            if word.parse::<i32>().is_err() {
                let fault = Fault::new("the fifth and sixth field are numbers");
                return self.refuse(span, fault);
            }
        }
        Some(())
    }

    fn field(&mut self, span: &Range<usize>) -> Option<Field> {
        match unescape(self.text.slice(span)) {
            Ok(value) => Some(Field {
                value,
                span: span.clone(),
            }),
            Err(reason) => self.refuse(span, Fault::new(reason)),
        }
    }

    fn step(&mut self, entry: &Entry) -> Option<Step> {
        let target = self.target(entry);
        let options = Options::read(self.text, &entry.options, self.report);
        let (path, options) = (target?, options?);
        let view = self.view(entry, &options)?;
        if options.left_out {
            return None;
        }
        Some(Step {
            path,
            view,
            attributes: options.attributes,
            propagation: options.propagation,
            create: options.create,
            optional: options.optional,
            inherit: false,
            location: self.text.location(entry.source.span.start),
        })
    }

    /// The mount point; nothing, with a warning, for what mount(8) passes over.
    fn target(&mut self, entry: &Entry) -> Option<AbsPath> {
        let Field { value, span } = &entry.target;
        let passed_over = |what: &str| Fault::new(what).help("the entry is left out");
        if entry.kind.value == "swap" {
            let fault = passed_over("swap space is no file system");
            self.report.warning(self.text, &entry.kind.span, fault);
            return None;
        }
        if value == "/" {
            let fault = passed_over("the root directory is there already");
            self.report.warning(self.text, span, fault);
            return None;
        }
        self.path(value, span)
    }

    fn path(&mut self, value: &str, span: &Range<usize>) -> Option<AbsPath> {
        match AbsPath::new(&tidy(value)) {
            Ok(path) => Some(path),
            Err(reason) => self.refuse(span, Fault::new(reason)),
        }
    }

    fn view(&mut self, entry: &Entry, options: &Options) -> Option<View> {
        if let Some(recursive) = options.bind {
            self.refuse_all(&options.unknown_to_binds())?;
            let source = self.path(&entry.source.value, &entry.source.span)?;
            return Some(View::Bind { source, recursive });
        }
        self.kind(&entry.kind)?;
        self.refuse_all(&options.unsupported())?;
        Some(View::FileSystem(FileSystem {
            kind: entry.kind.value.clone(),
            medium: self.medium(entry)?,
            options: options.passed_on(),
        }))
    }

    fn kind(&mut self, kind: &Field) -> Option<()> {
        let Field { value, span } = kind;
        let helper = WITH_HELPER.contains(&value.as_str()) || value.starts_with("fuse.");
        let fault = match value.as_str() {
            "none" => Fault::new("the type is missing").help("a bind has the option `bind`"),
            "auto" => Fault::new("the type has to be named").help("`blkid` tells it"),
            many if many.contains(',') => Fault::new("one type has to be named"),
            _ if helper => Fault::new(format!(
                "a file system of type {value} needs a program that mounts it, which is not run"
            ))
            .help("use a [[volume]], or bind what the host has mounted"),
            _ => return Some(()),
        };
        self.refuse(span, fault)
    }

    fn medium(&mut self, entry: &Entry) -> Option<Medium> {
        let Field { value, span } = &entry.source;
        let tag = TAGS.iter().find_map(|(tag, directory)| {
            let name = value.strip_prefix(tag)?;
            Some(format!("{directory}/{}", name_of_link(unquoted(name))))
        });
        let plain = WITHOUT_DEVICE.contains(&entry.kind.value.as_str());
        match tag {
            Some(link) => self.path(&link, span).map(Medium::Device),
            None if value.starts_with('/') && !plain => self.path(value, span).map(Medium::Device),
            None => Some(Medium::Named(value.clone())),
        }
    }

    fn refuse_all(&mut self, faults: &[(Range<usize>, Fault)]) -> Option<()> {
        for (span, fault) in faults {
            self.report.error(self.text, span, fault.clone());
        }
        faults.is_empty().then_some(())
    }

    fn refuse<T>(&mut self, span: &Range<usize>, fault: Fault) -> Option<T> {
        self.report.error(self.text, span, fault);
        None
    }
}

/// The places of the fields of a line, whose first byte is at `start`: blanks and tabs separate them.
fn fields(line: &str, start: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = start;
    for word in line.split([' ', '\t']) {
        let end = at.saturating_add(word.len());
        if !word.is_empty() {
            found.push(at..end);
        }
        at = end.saturating_add(1);
    }
    found
}

/// A path without repeated and trailing slashes.
#[must_use]
pub(crate) fn tidy(path: &str) -> String {
    let names = path.split('/').filter(|name| !name.is_empty());
    let joined = names.collect::<Vec<_>>().join("/");
    match path.starts_with('/') {
        true => format!("/{joined}"),
        false => joined,
    }
}

/// The name that udev gives to a link for a label: what could not stand in a file's name everywhere is
/// written as `\x20`.
fn name_of_link(label: &str) -> String {
    let mut name = String::new();
    for character in label.chars() {
        let plain = character.is_ascii_alphanumeric() || "#+-.:=@_".contains(character);
        if plain || !character.is_ascii() {
            name.push(character);
        } else {
            name.push_str(&format!("\\x{:02x}", u32::from(character)));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_becomes_a_name_as_udev_writes_it() {
        for (label, name) in [
            ("root", "root"),
            ("a b", "a\\x20b"),
            ("a/b", "a\\x2fb"),
            ("ä", "ä"),
            ("EFI-1.0_x", "EFI-1.0_x"),
        ] {
            assert_eq!(name_of_link(label), name);
        }
    }
}
