//! The line of a session stack that calls the module, and the policy that it names.

use super::stack::{self, Action, Entry, Stack};
use super::tree::Tree;
use crate::policy::Source;

/// The module's name.
pub const MODULE: &str = "pam_jns";

/// The policies that `config=` arguments name, each once.
pub fn policies(tree: &Tree) -> Vec<Source> {
    let names = stack::services(tree).names;
    let lines = names.iter().filter_map(|name| line_of(tree, name));
    lines.fold(Vec::new(), |mut all, entry| {
        let source = source_of(&entry);
        if source != Source::System && !all.contains(&source) {
            all.push(source);
        }
        all
    })
}

/// The policy that a line of ours makes the module read.
pub fn source_of(entry: &Entry) -> Source {
    let arguments = entry.arguments.iter();
    let mut paths = arguments.filter_map(|argument| argument.strip_prefix("config="));
    paths
        .next_back()
        .map_or(Source::System, |path| Source::File(path.to_owned()))
}

/// The line that calls the module for a service; nothing when no line does.
pub fn line_of(tree: &Tree, service: &str) -> Option<Entry> {
    let entries = stack::read(tree, service, "session").entries;
    let position = position_of_ours(&entries)?;
    entries.into_iter().nth(position)
}

/// Returns what comes before the line of ours that everybody's sessions go through.
pub fn before_ours(entries: &[Entry]) -> &[Entry] {
    let ours = position_of_ours(entries);
    ours.and_then(|at| entries.get(..at)).unwrap_or_default()
}

/// Returns what comes after the line of ours that everybody's sessions go through.
pub fn after_ours(entries: &[Entry]) -> &[Entry] {
    let ours = position_of_ours(entries);
    let split = ours.and_then(|at| entries.split_at_checked(at));
    split
        .and_then(|(_, from)| from.get(1..))
        .unwrap_or_default()
}

/// Whether the module stands in a stack.
pub fn has_line(stack: &Stack) -> bool {
    stack.entries.iter().any(is_ours)
}

/// Whether a line calls the module.
pub fn is_ours(entry: &Entry) -> bool {
    entry.name() == MODULE
}

/// The line of ours that everybody's sessions go through, or else the one that root's alone do.
pub fn position_of_ours(entries: &[Entry]) -> Option<usize> {
    let everybodys = |at: &usize| !is_for_root_alone(entries.get(..*at).unwrap_or_default());
    let ours = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| is_ours(entry));
    let mut places = ours.map(|(at, _)| at);
    places.clone().find(everybodys).or_else(|| places.next())
}

/// Whether only root's sessions come to the line that follows these.
pub fn is_for_root_alone(before: &[Entry]) -> bool {
    let test = before.last().filter(|entry| is_for_root(entry));
    test.is_some_and(|entry| entry.control.success == Action::Continue)
}

/// Whether a line asks for root.
pub fn is_for_root(entry: &Entry) -> bool {
    let test = entry.arguments.join(" ");
    let tests = ["uid = 0", "uid eq 0", "user = root"];
    entry.name() == "pam_succeed_if" && tests.iter().any(|said| test.ends_with(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_named_by_arguments() {
        let (_root, tree) = Tree::of_files([
            (
                "etc/pam.d/sshd",
                "session required pam_jns.so config=/etc/a.toml\n",
            ),
            (
                "etc/pam.d/su",
                "session required pam_jns.so config=/etc/a.toml\n",
            ),
            ("etc/pam.d/login", "session required pam_jns.so\n"),
        ]);
        assert_eq!(policies(&tree), [Source::File("/etc/a.toml".into())]);
    }
}
