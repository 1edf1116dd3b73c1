//! namespace.conf(5) as a policy that keeps every instance where it is.

mod accounts;
mod line;
mod memory;
mod method;
mod module;
mod notes;
mod rule;
mod setting;
mod syntax;
mod users;

use super::imported::Imported;
use super::input::{self, Input};
use super::policy::Policy;
use super::remark::Remark;
use crate::cli::arguments::PamNamespace;
use crate::cli::host::Tree;
use crate::cli::outcome::reason;
use crate::error::{Error, Result};
use module::Module;
use rule::settings;
use setting::Setting;

const MAIN: &str = "/etc/security/namespace.conf";
const DROP_INS: &str = "/etc/security/namespace.d";

/// Reads the configuration that the arguments name.
///
/// # Errors
///
/// A file cannot be read as text, or the service does not call pam_namespace.
pub fn run(arguments: &PamNamespace) -> Result<Imported> {
    let tree = tree(arguments)?;
    let inputs = match arguments.files.as_slice() {
        [] => installed(&tree)?,
        files => files
            .iter()
            .map(|name| input::read(name))
            .collect::<Result<Vec<_>>>()?,
    };
    let mut remarks = Vec::new();
    let module = module(arguments, &tree, &mut remarks)?;
    convert(&inputs, &Setting::of(tree, module)?, remarks)
}

/// Imports one file of this system, under a module without arguments.
///
/// # Errors
///
/// `bytes` are no text.
pub fn of_bytes(bytes: &[u8]) -> Result<Imported> {
    let input = input::of(MAIN, bytes)?;
    let setting = Setting::of(Tree::host(), Module::default())?;
    convert(&[input], &setting, Vec::new())
}

fn tree(arguments: &PamNamespace) -> Result<Tree> {
    match &arguments.root {
        None => Ok(Tree::host()),
        Some(root) => Tree::under(root).map_err(|e| Error::new("open", root.display(), reason(&e))),
    }
}

/// The files that pam_namespace reads, in its order.
fn installed(tree: &Tree) -> Result<Vec<Input>> {
    let names = tree
        .entries(DROP_INS)
        .map_err(|e| Error::new("list", DROP_INS, reason(&e)))?
        .into_iter();
    let drop_ins = names.filter(|name| name.ends_with(".conf") && !name.starts_with('.'));
    let others = drop_ins.map(|name| format!("{DROP_INS}/{name}"));
    let paths = std::iter::once(MAIN.to_owned()).chain(others);
    paths.map(|path| input::read_in(tree, &path)).collect()
}

fn module(arguments: &PamNamespace, tree: &Tree, remarks: &mut Vec<Remark>) -> Result<Module> {
    if let Some(service) = &arguments.service {
        return module::of_service(tree, service, remarks);
    }
    if arguments.files.is_empty() {
        module::tell_unheeded(tree, remarks);
    }
    Ok(Module::default())
}

fn convert(inputs: &[Input], setting: &Setting, mut remarks: Vec<Remark>) -> Result<Imported> {
    let lines = inputs.iter().flat_map(Input::lines);
    let mut drafts = Vec::new();
    for (location, text) in lines {
        if let Some(line) = line::read(&location, text, setting, &mut remarks) {
            drafts.extend(rule::draft(&line, setting, &mut remarks)?);
        }
    }
    let reconciled = rule::reconciled(drafts, &mut remarks);
    let place = |remark: &Remark| {
        let file = inputs
            .iter()
            .position(|input| input.file == remark.location.file);
        (
            file.map_or(0, |file| file.saturating_add(1)),
            remark.location.line,
        )
    };
    remarks.sort_by_key(place);
    Ok(Imported {
        policy: Policy {
            head: head(inputs, setting),
            settings: Some(settings()),
            rules: reconciled.into_iter().map(|draft| draft.table).collect(),
        },
        remarks,
    })
}

fn head(inputs: &[Input], setting: &Setting) -> Vec<String> {
    let files: Vec<&str> = inputs.iter().map(|input| input.file.as_ref()).collect();
    let mut head = vec![format!("What pam_namespace did by {}.", files.join(", "))];
    if let Some(line) = &setting.module.line {
        let debug = line.arguments.iter().any(|argument| argument == "debug");
        let arguments = if debug { " debug" } else { "" };
        head.push(format!(
            "{}: {} becomes pam_jns.so{arguments}.",
            line.location, line.module
        ));
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy as Understood;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// A system without any files.
    fn setting(module: Module, selinux: bool) -> (tempfile::TempDir, Setting) {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::under(root.path()).unwrap();
        let setting = Setting {
            tree,
            module,
            selinux,
            accounts: accounts::Accounts::default(),
        };
        (root, setting)
    }

    fn imported(text: &str, module: Module, selinux: bool) -> Imported {
        let (_root, setting) = setting(module, selinux);
        let input = Input {
            file: Arc::from("n.conf"),
            text: text.to_owned(),
        };
        convert(&[input], &setting, Vec::new()).unwrap()
    }

    /// Words that mean something in one place or another, and some that do nowhere.
    fn word() -> impl Strategy<Value = String> {
        let known = proptest::sample::select(vec![
            "/tmp",
            "/tmp/",
            "/tmp-inst/",
            "/var/tmp",
            "/var/tmp/tmp-inst/",
            "/t//i/./p-",
            "/",
            "/proc/self",
            "/var",
            "$HOME",
            "$HOME/$USER.inst/",
            "$HOMEDIR/x",
            "/scratch$HOME/",
            "/i/$USER/$UID-",
            "/{a}/",
            "..",
            "tmpfs",
            "user",
            "level",
            "context:shared",
            "tmpdir:create=0700,root",
            "user:create=700,,daemon:noinit",
            "user:create=foo",
            "user:iscript=x.sh",
            "tmpfs:mntopts=size=1M,nosuid,ro,rw",
            "tmpfs:mntopts=size=0,uid=1,,x",
            "tmpfs:mntopts=noatime,relatime,nr_inodes=0,mode=9",
            "root,adm",
            "~alice",
            "~",
            "2001,@wheel,*,a b",
            "\"",
            "\"a b\" c",
            "\\",
            "#",
        ]);
        prop_oneof![9 => known.prop_map(str::to_owned), 1 => "\\PC{0,12}"]
    }

    proptest! {
        #[test]
        fn what_is_written_is_a_policy(
            lines in prop::collection::vec(prop::collection::vec(word(), 0..6), 0..12),
            hashes: bool, any_parent: bool, selinux: bool,
        ) {
            let lines: Vec<String> = lines.iter().map(|words| words.join(" ")).collect();
            let module = Module { hashes, any_parent, ..Module::default() };
            let written = imported(&lines.join("\n"), module, selinux).policy.to_string();
            let judged = Understood::parse(&[("", written.as_bytes())]);
            prop_assert!(judged.is_ok(), "{written}\n{:?}", judged.err());
        }

        /// Nothing is lost in silence: a line that says something has a rule or a remark.
        #[test]
        fn each_line_has_a_rule_or_a_remark(words in prop::collection::vec(word(), 1..6)) {
            let line = words.join(" ");
            let found = imported(&line, Module::default(), false);
            let says_something = !syntax::uncommented(&line).is_empty();
            let is_heard = !found.policy.rules.is_empty() || !found.remarks.is_empty();
            prop_assert_eq!(says_something, is_heard, "{}", line);
        }
    }
}
