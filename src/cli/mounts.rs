//! The mounts of a namespace as /proc/PID/mountinfo lists them (proc_pid_mountinfo(5)).

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its number.
    pub id: u64,
    /// What of its file system it shows.
    pub root: String,
    /// Where it is.
    pub point: String,
    /// The type of its file system.
    pub kind: String,
    /// What is mounted, as the file system calls it.
    pub source: String,
}

/// The mounts of the process `pid`, `thread-self` for the calling thread; none where they cannot be read.
pub fn of_process(pid: impl std::fmt::Display) -> Vec<Mount> {
    let text = std::fs::read(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    parse(&String::from_utf8_lossy(&text))
}

fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let (place, what) = line.split_once(" - ")?;
    let mut place = place.split(' ');
    let mut what = what.split(' ');
    Some(Mount {
        id: place.next()?.parse().ok()?,
        root: unescaped(place.nth(2)?),
        point: unescaped(place.next()?),
        kind: what.next()?.to_owned(),
        source: unescaped(what.next()?),
    })
}

/// The kernel writes as three octal digits what would end a field or a line.
fn unescaped(field: &str) -> String {
    let table = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let replace = |text: String, (code, plain): (&str, &str)| text.replace(code, plain);
    table.into_iter().fold(field.to_owned(), replace)
}

impl Mount {
    /// Whether `path` is this mount's, or lies below it.
    pub fn is_above(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.point.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let line = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue";
        let expected = Mount {
            id: 36,
            root: "/mnt1".to_owned(),
            point: "/mnt 2".to_owned(),
            kind: "ext3".to_owned(),
            source: "/dev/root".to_owned(),
        };
        assert_eq!(parse(line), [expected]);
        assert_eq!(parse("36 35 98:0\n\nx - y"), []);
    }

    #[test]
    fn a_mount_is_above_what_lies_below_it() {
        let line = |point: &str| format!("1 1 0:1 / {point} rw - tmpfs none rw");
        let table = [
            ("/", "/tmp", true),
            ("/tmp", "/tmp", true),
            ("/tmp", "/tmp/a", true),
            ("/tmp", "/tmpfile", false),
            ("/tmp/a", "/tmp", false),
        ];
        for (point, path, expected) in table {
            let mounts = parse(&line(point));
            assert_eq!(
                mounts.first().unwrap().is_above(path),
                expected,
                "{point} {path}"
            );
        }
    }
}
