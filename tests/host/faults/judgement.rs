//! What is right after a fault: everything of the session, or nothing of it.

use super::trace;
use crate::kernel::{exists, tree};
use crate::machine::STORE;
use crate::report::{Report, code, difference};
use std::path::Path;

/// The layer of the policy.
const LAYER: &str = "/mnt/var/lib/jns/user/2001/mnt-o";

/// What says whose it is.
pub const NOTE: &str = "/mnt/var/lib/jns/user/2001/%account";

/// A session that nothing happened to.
pub struct Whole {
    view: Vec<String>,
    variables: Vec<String>,
    files: Vec<String>,
    propagated: Vec<String>,
}

impl Whole {
    pub fn of(report: &Report) -> Self {
        let view = view(report);
        assert!(view.len() > 8, "every step is attached: {view:#?}");
        Self {
            view,
            variables: variables(report, "variables-after"),
            files: files(),
            propagated: propagated(report),
        }
    }

    /// What is wrong with a session that was opened: it has everything, in other namespaces of these kinds.
    pub fn compare(&self, report: &Report, namespaces: &[&str]) -> Vec<String> {
        let mut problems = self.compare_view(report);
        problems.compare("the files", &self.files, &files());
        let before = process(report, "before");
        let (after, closed) = (process(report, "after"), process(report, "closed"));
        problems.compare("the process", &before, &after);
        problems.compare("the process at its end", &before, &closed);
        let exchanged = report.exchanged("before", "after");
        problems.compare("the namespaces", namespaces, &exchanged);
        problems.silent(report);
        problems.0
    }

    /// What is wrong with a command in somebody's session: it has everything, and is where it was called. At its end
    /// it is in that session again, in which nothing has been mounted.
    pub fn compare_command(&self, report: &Report, log: &[String]) -> Vec<String> {
        // What the policy did not give the caller, and could not be shown, is logged.
        let left_out = |point: &str| {
            let message = format!("{point} of the caller's session left out");
            log.iter().any(|line| line.contains(&message))
        };
        // Where the target has one of its own at the path, that is listed, too.
        let point = |mount: &str| mount.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut points: Vec<String> = self.view.iter().map(|mount| point(mount)).collect();
        points.sort();
        points.dedup();
        points.retain(|point| left_out(point));
        let without = |mut lines: Vec<String>, is_at: &dyn Fn(&str, &str) -> bool| {
            for point in &points {
                let found = lines.iter().position(|line| is_at(line, point));
                found.map(|found| lines.remove(found));
            }
            lines
        };
        let expected = without(self.view.clone(), &|line, at| point(line) == at);
        let view = view(report);
        let mut problems = self.compare_variables(report);
        problems.compare("the view", &expected, &view);
        problems.compare("the files", &self.files, &files());
        let (before, after) = (process(report, "before"), process(report, "after"));
        problems.compare("the process", &before, &after);
        // Where it was before may not be in the report; it is in the command then.
        let closed = report.namespace("closed");
        let left = ["before", "after"].into_iter();
        let mut left = left.filter(|label| report.namespace(label) == closed);
        let left = left.next().unwrap_or("before");
        let (before, closed) = (
            process_without_path(report, left),
            process_without_path(report, "closed"),
        );
        problems.compare("the process at its end", &before, &closed);
        let (before, closed) = (mounts(report, left), mounts(report, "closed"));
        problems.compare("the mounts at its end", &before, &closed);
        let exchanged = report.exchanged("before", "after");
        problems.compare("the namespaces", &["mnt", "ipc", "uts", "net"], &exchanged);
        problems.silent(report);
        let is_reported = log.iter().any(|line| line.contains("stays in it"));
        let expected = without(self.propagated.clone(), &|line, at| line == at);
        if !is_reported {
            problems.compare("where mounts travel", &expected, &propagated(report));
        }
        problems.0
    }

    /// What is wrong with a command that did not come about: the process is in the session in which it was called,
    /// exactly as before, and the log says why.
    pub fn compare_as_before(&self, report: &Report, log: &[String]) -> Vec<String> {
        let mut problems = Problems::default();
        for label in ["after", "closed"] {
            problems.compare(label, &report.state("before"), &report.state(label));
        }
        let (before, after) = (
            variables(report, "variables-before"),
            variables(report, "variables-after"),
        );
        problems.compare("the variables", &before, &after);
        let mut files = files();
        files.retain(|path| !self.files.contains(path));
        problems.compare("the files", &[], &files);
        if !log.iter().any(|line| line.starts_with("<83>")) {
            problems.0.push("  the log gives no reason".to_owned());
        }
        problems.silent(report);
        problems.0
    }

    /// The same for a session in another root directory, which is also where the process works then.
    pub fn compare_elsewhere(&self, report: &Report) -> Vec<String> {
        let mut problems = self.compare_view(report);
        problems.compare("the files", &self.files, &files());
        problems.there_and_back(report);
        problems.silent(report);
        problems.0
    }

    /// What is wrong with a session that was refused when everything was made for it: the user's instances have their
    /// names by then, and others may be in them. They stay, whole.
    pub fn compare_refused(&self, report: &Report, log: &[String]) -> Vec<String> {
        let mut problems = of_refused_process(report, log);
        problems.compare("the files", &self.files, &files());
        problems.0
    }

    /// What is wrong after a close, or an end of the handle, that something happened to: both succeeded, and what they
    /// left is known.
    pub fn compare_closed(&self, report: &Report) -> Vec<String> {
        for call in ["close", "end"] {
            if report.codes(call) != [code::SUCCESS] {
                let (codes, output) = (report.values(call), &report.output);
                return vec![format!("{call} gave {codes:?}, {output:?}")];
            }
        }
        let mut problems = self.compare_view(report);
        problems.compare("the files", &self.files, &files_without_leftovers());
        problems.there_and_back(report);
        problems.silent(report);
        problems.0
    }

    /// What is wrong with the next session after one that was killed: nothing hinders it, and what the killed
    /// one left is known.
    pub fn compare_next(&self, report: &Report) -> Vec<String> {
        if report.codes("open") != [code::SUCCESS] {
            return vec!["  the next login is refused".to_owned()];
        }
        let mut problems = self.compare_view(report);
        problems.compare("the files", &self.files, &files_without_leftovers());
        problems.0
    }

    /// What is wrong with a session that another process may have hindered: it has everything.
    pub fn compare_other(&self, report: &Report) -> Vec<String> {
        match report.codes("open")[..] {
            [code::SUCCESS] => self.compare_view(report).0,
            ref other => vec![format!("  open gave {other:?}, {:?}", report.output)],
        }
    }

    /// The same for a command after another one.
    pub fn compare_other_command(&self, report: &Report) -> Vec<String> {
        match report.codes("open")[..] {
            [code::SUCCESS, code::SUCCESS] => self.compare_view(report).0,
            ref other => vec![format!(
                "  the next one gave {other:?}, {:?}",
                report.output
            )],
        }
    }

    fn compare_view(&self, report: &Report) -> Problems {
        let mut problems = self.compare_variables(report);
        problems.compare("the view", &self.view, &view(report));
        problems
    }

    fn compare_variables(&self, report: &Report) -> Problems {
        let mut problems = Problems::default();
        let variables = variables(report, "variables-after");
        problems.compare("the variables", &self.variables, &variables);
        problems
    }
}

/// What is wrong with a session that was refused: there is nothing of it, and the log says why.
pub fn of_refused(report: &Report, files_before: &[String], log: &[String]) -> Vec<String> {
    let mut problems = of_refused_process(report, log);
    problems.compare("the files", files_before, &files_of_refused(files_before));
    problems.0
}

/// What is wrong with the process of a session that was refused.
fn of_refused_process(report: &Report, log: &[String]) -> Problems {
    let mut problems = Problems::default();
    // The vault is the host's, and stays for whoever comes next.
    let state = |label| {
        let mut state = report.state(label);
        state.retain(|line| !line.contains(" /run/jns/ns/.vault "));
        state
    };
    problems.compare("the process", &state("before"), &state("after"));
    let (before, after) = (
        variables(report, "variables-before"),
        variables(report, "variables-after"),
    );
    problems.compare("the variables", &before, &after);
    if !log.iter().any(|line| line.starts_with("<83>")) {
        problems.0.push("  the log gives no reason".to_owned());
    }
    problems.silent(report);
    problems
}

/// The state of the process without what a session has of its own.
fn process<'r>(report: &'r Report, label: &str) -> Vec<&'r str> {
    let mut state = report.state_without_view(label);
    let own = ["namespace ipc ", "namespace uts ", "namespace net "];
    state.retain(|line| !own.iter().any(|own| line.starts_with(own)));
    state
}

/// The same without the path of the working directory: one that could not be read leads nowhere, to the same directory.
fn process_without_path<'r>(report: &'r Report, label: &str) -> Vec<&'r str> {
    let mut state = process(report, label);
    state.retain(|line| !line.starts_with("cwd /") && *line != "cwd ?");
    state
}

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn compare<S: AsRef<str> + PartialEq>(&mut self, what: &str, expected: &[S], found: &[S]) {
        let difference = difference(expected, found);
        if !difference.is_empty() {
            self.0.push(format!("  {what}:\n{difference}"));
        }
    }

    /// The process that has closed its session is wholly where it was when that had been opened, and wholly back where
    /// it was before, or there still, when its handle has ended.
    fn there_and_back(&mut self, report: &Report) {
        let of = |label| {
            let mut state = process(report, label);
            let all = report.state(label).into_iter();
            state.extend(all.filter(|line| line.starts_with("namespace ")));
            state
        };
        self.compare("the process that has closed", &of("after"), &of("closed"));
        let ended = of("ended");
        let [back, there] = ["before", "after"].map(|label| difference(&of(label), &ended));
        if !back.is_empty() && !there.is_empty() {
            self.0.push(format!(
                "  the process is not back:\n{back}  nor there:\n{there}"
            ));
        }
    }

    fn silent(&mut self, report: &Report) {
        if !(report.output.stdout.is_empty() && report.output.stderr.is_empty()) {
            self.0.push(format!("  output: {:?}", report.output));
        }
    }
}

/// Everything on the machine except what the driver and the trace write, and what the kernel makes and removes in the
/// work directory of an overlay. What was set aside is named without the time of that.
pub fn files() -> Vec<String> {
    assert!(!exists(trace::FILE));
    let mut files: Vec<String> = tree("/mnt").iter().map(|path| timeless(path)).collect();
    let kernels = ["2001", "2001.former-"].map(|user| format!("{STORE}/user/{user}/mnt-o/work/"));
    files.retain(|path| !kernels.iter().any(|kernels| path.starts_with(kernels)));
    files
}

fn timeless(path: &str) -> String {
    const FORMER: &str = ".former-";
    match path.split_once(FORMER) {
        Some((before, rest)) => {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}{FORMER}{rest}")
        }
        None => path.to_owned(),
    }
}

/// The same without what a session that did not end properly may leave: entries that had no name yet, and
/// directories of sessions.
fn files_without_leftovers() -> Vec<String> {
    let sessions = format!("{STORE}/session/");
    let is_known = |path: &String| path.contains("/.jns-") || path.starts_with(&sessions);
    files().into_iter().filter(|path| !is_known(path)).collect()
}

/// The same without the path that the policy has made where it is missing: other sessions may have covered
/// it by then, and it stays even when the login that made it fails. So does a layer that had its name when that
/// of another instance failed: it is whole and empty, and another login may write to it by then: what says whose it is
/// stays with it.
fn files_of_refused(before: &[String]) -> Vec<String> {
    let is_made = |path: &String| path == super::CREATED && !before.contains(path);
    let stays = exists(LAYER) && !before.iter().any(|path| path == LAYER);
    let is_of_layer = |path: &String| {
        let above = LAYER.starts_with(&format!("{path}/")) && path.starts_with(STORE);
        let is_note = path == NOTE;
        above || is_note || Path::new(path).starts_with(LAYER)
    };
    let is_left = |path: &String| stays && is_of_layer(path) && !before.contains(path);
    let mut files = files();
    files.retain(|path| !is_made(path) && !is_left(path));
    files
}

fn variables(report: &Report, label: &str) -> Vec<String> {
    let values = report.values(label).into_iter();
    let mut variables: Vec<_> = values.map(str::to_owned).collect();
    variables.sort();
    variables
}

/// What is mounted where, without the numbers that differ between two sessions, and without the directory
/// of pins, which is the host's and there from the first pin on, and what is in it.
fn view(report: &Report) -> Vec<String> {
    let mounts = report.values("after mount").into_iter();
    let mounts = mounts.filter(|mount| !mount.contains(" /run/jns/ns"));
    let mut view: Vec<_> = mounts
        .map(|mount| trace::without_numbers(without_layers(mount)))
        .collect();
    view.sort();
    view
}

/// A mount without the paths of an overlay's layers, which had no name yet when that was made.
fn without_layers(mount: &str) -> &str {
    mount
        .split_once(" rw,lowerdir")
        .map_or(mount, |(mount, _)| mount)
}

/// The mount table as it was under the label.
fn mounts<'r>(report: &'r Report, label: &str) -> Vec<&'r str> {
    report.values(&format!("{label} mount"))
}

/// The mount points of a view to which, or from which, mounts travel.
fn propagated(report: &Report) -> Vec<String> {
    let mounts = report.values("after mount").into_iter();
    let words = mounts.map(|mount| mount.split(' ').collect::<Vec<_>>());
    let travels = |word: &&str| word.starts_with("shared:") || word.starts_with("master:");
    let travelling = words.filter(|words| words.iter().any(travels));
    let mut points: Vec<_> = travelling.map(|words| words[4].to_owned()).collect();
    points.retain(|point| !point.starts_with("/run/jns/ns"));
    points.sort();
    points
}
