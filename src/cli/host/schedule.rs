//! The schedule of `jns gc`: finds out whether systemd or cron(8) runs it from time to time.

use super::tree::Tree;
use super::units::{UNIT_DIRECTORIES, unit_settings};
use crate::error::Location;

/// Root's tables of cron(8), which an ordinary user may not read.
const TABLES: [&str; 3] = [
    "/etc/crontab",
    "/var/spool/cron/crontabs/root",
    "/var/spool/cron/root",
];

/// Directories of tables.
const DIRECTORIES: [&str; 1] = ["/etc/cron.d"];

/// Directories of scripts that cron runs.
const SCRIPTS: [&str; 4] = [
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/periodic/15min",
    "/etc/periodic/hourly",
];

/// The directories where cron(8) looks for programs unless its table has a `PATH`.
const SEARCHED: &str = "/usr/bin:/bin";

/// Who runs a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// systemd, by the service of the timer.
    Systemd,
    /// cron(8).
    Cron,
}

/// A line that has `jns gc` run from time to time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Who runs it.
    pub runner: Runner,
    /// The program, as the line names it.
    pub program: String,
    /// The directories where the program is looked for, with `:` between them; nothing where they are not known.
    pub searched: Option<String>,
    /// The line.
    pub location: Location,
}

impl Job {
    /// The paths that the program may have; nothing where they are not known.
    pub fn candidates(&self) -> Vec<String> {
        let searched = self.searched.iter().flat_map(|list| list.split(':'));
        match self.program.starts_with('/') {
            true => vec![self.program.clone()],
            false => searched
                .map(|directory| format!("{directory}/{}", self.program))
                .collect(),
        }
    }
}

/// Whether the timer is enabled.
pub fn is_timer_enabled(tree: &Tree) -> bool {
    let wants = UNIT_DIRECTORIES.map(|directory| format!("{directory}/timers.target.wants"));
    wants
        .iter()
        .any(|directory| tree.exists(&format!("{directory}/jns-gc.timer")))
}

/// The line of the service that the timer starts; nothing where that runs something else.
pub fn job_of_timer(tree: &Tree) -> Option<Job> {
    let settings = unit_settings(tree, "jns-gc.service")?;
    let start = settings
        .into_iter()
        .find(|setting| setting.key == "ExecStart")?;
    // What stands before the program says how it is run (systemd.service(5)).
    let command = start.value.trim_start_matches(['-', '@', ':', '+', '!']);
    Some(Job {
        runner: Runner::Systemd,
        program: program_of(command)?.to_owned(),
        searched: None,
        location: start.location,
    })
}

/// The lines of cron's tables and scripts that run it.
pub fn jobs(tree: &Tree) -> Vec<Job> {
    let files_in = |directories: &'static [&str]| {
        directories.iter().flat_map(|directory| {
            let names = tree.list(directory).into_iter();
            names.map(move |name| format!("{directory}/{name}"))
        })
    };
    let tables = TABLES.map(str::to_owned).into_iter();
    let tables = tables.chain(files_in(&DIRECTORIES));
    let of_tables = tables.flat_map(|file| jobs_in(tree, &file, Some(SEARCHED)));
    let of_scripts = files_in(&SCRIPTS).flat_map(|file| jobs_in(tree, &file, None));
    of_tables.chain(of_scripts).collect()
}

/// The lines of one file. A `PATH` in a table holds for the lines below it (crontab(5)).
fn jobs_in(tree: &Tree, file: &str, searched: Option<&str>) -> Vec<Job> {
    let text = tree.read(file).unwrap_or_default();
    let mut searched = searched.map(str::to_owned);
    let mut jobs = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(path) = searched.as_mut().zip(path_of(line)) {
            *path.0 = path.1;
        }
        jobs.extend(program_of(line).map(|program| Job {
            runner: Runner::Cron,
            program: program.to_owned(),
            searched: searched.clone(),
            location: Location::new(file, number),
        }));
    }
    jobs
}

/// The value of a line `PATH=…`.
fn path_of(line: &str) -> Option<String> {
    let (name, value) = line.split_once('=')?;
    let value = value.trim().trim_matches(['"', '\'']);
    (name.trim() == "PATH").then(|| value.to_owned())
}

/// The program of a line of a table or a script that runs `jns gc`.
fn program_of(line: &str) -> Option<&str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_comment = words.first().is_some_and(|word| word.starts_with('#'));
    let is_program = |command: &str| command == "jns" || command.ends_with("/jns");
    let program = words.windows(2).find_map(|pair| match pair {
        [command, "gc"] if is_program(command) => Some(*command),
        _ => None,
    });
    program.filter(|_| !is_comment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_collect() {
        let table = [
            ("*/15 * * * * root jns gc", true),
            (
                "0 3 * * * root /usr/local/bin/jns gc --older-than 90d",
                true,
            ),
            ("exec jns gc", true),
            ("# */15 * * * * root jns gc", false),
            ("#jns gc", false),
            ("jns check", false),
            ("jns", false),
            ("git gc", false),
            ("mjns gc", false),
        ];
        for (line, expected) in table {
            assert_eq!(program_of(line).is_some(), expected, "{line}");
        }
    }

    #[test]
    fn programs_are_looked_for_in_the_path_of_the_table() {
        let table = "1 1 * * * root jns gc\nPATH = \"/opt:/bin\"\n1 1 * * * root jns gc\n1 1 * * * root /x/jns gc\n";
        let (_root, tree) = Tree::of_files([
            ("etc/cron.d/jns", table),
            ("etc/cron.daily/jns", "PATH=/opt\njns gc\n"),
        ]);
        let found = jobs(&tree);
        let found: Vec<(String, String)> = found
            .iter()
            .map(|job| (job.location.to_string(), job.candidates().join(" ")))
            .collect();
        let expected = [
            ("/etc/cron.d/jns:1", "/usr/bin/jns /bin/jns"),
            ("/etc/cron.d/jns:3", "/opt/jns /bin/jns"),
            ("/etc/cron.d/jns:4", "/x/jns"),
            ("/etc/cron.daily/jns:2", ""),
        ];
        assert_eq!(
            found,
            expected.map(|(place, paths)| (place.to_owned(), paths.to_owned()))
        );
    }
}
