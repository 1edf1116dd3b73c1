//! The schedule of `jns gc`: finds out whether systemd or cron(8) runs it from time to time.

use super::tree::Tree;
use super::units::UNIT_DIRECTORIES;

/// Root's tables of cron(8), which an ordinary user may not read.
const TABLES: [&str; 3] = [
    "/etc/crontab",
    "/var/spool/cron/crontabs/root",
    "/var/spool/cron/root",
];

/// Directories of tables and of scripts that cron runs.
const JOBS: [&str; 5] = [
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/periodic/15min",
    "/etc/periodic/hourly",
];

/// Whether an enabled timer, a table or a script of cron's does.
pub fn runs_gc(tree: &Tree) -> bool {
    is_timer_enabled(tree) || is_cron_job(tree)
}

fn is_timer_enabled(tree: &Tree) -> bool {
    let wants = UNIT_DIRECTORIES.map(|directory| format!("{directory}/timers.target.wants"));
    wants
        .iter()
        .any(|directory| tree.exists(&format!("{directory}/jns-gc.timer")))
}

fn is_cron_job(tree: &Tree) -> bool {
    let own = TABLES.map(str::to_owned).into_iter();
    let dropped = JOBS.iter().flat_map(|directory| {
        let names = tree.list(directory).into_iter();
        names.map(move |name| format!("{directory}/{name}"))
    });
    own.chain(dropped)
        .filter_map(|file| tree.read(&file).ok())
        .any(|text| text.lines().any(collects))
}

/// Whether a line of a table or a script runs `jns gc`.
fn collects(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_comment = words.first().is_some_and(|word| word.starts_with('#'));
    let runs = words.windows(2).any(
        |pair| matches!(pair, [command, "gc"] if *command == "jns" || command.ends_with("/jns")),
    );
    runs && !is_comment
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
            assert_eq!(collects(line), expected, "{line}");
        }
    }
}
