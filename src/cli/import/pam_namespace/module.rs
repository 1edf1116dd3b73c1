//! The arguments that a PAM service gives to pam_namespace.so.

use super::notes::Notes;
use crate::cli::host::{Entry, Tree, stack};
use crate::cli::import::remark::Remark;
use crate::error::{Error, Result};

/// The module's name.
const MODULE: &str = "pam_namespace";

/// Arguments that change which directories there are, or which users have them.
const DECISIVE: [&str; 3] = ["gen_hash", "ignore_instance_parent_mode", "unmnt_only"];

/// The arguments of the module, as far as a policy has to know them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Module {
    /// `gen_hash`.
    pub hashes: bool,
    /// `ignore_instance_parent_mode`.
    pub any_parent: bool,
    /// `ignore_config_error`.
    pub forgives: bool,
    /// `unmount_on_close`.
    pub cleans: bool,
    /// The line that calls the module.
    pub line: Option<Entry>,
}

/// Reads the arguments in the session stack of `service`.
///
/// # Errors
///
/// The service does not call pam_namespace.
pub fn of_service(tree: &Tree, service: &str, remarks: &mut Vec<Remark>) -> Result<Module> {
    let mut lines = lines(tree, service).into_iter();
    let missing = "no line of its session stack calls pam_namespace.so";
    let line = lines
        .next()
        .ok_or_else(|| Error::new("import the PAM service", service, missing))?;
    let mut module = Module::default();
    let mut notes = Notes::new(&line.location, remarks);
    for argument in &line.arguments {
        module.add(argument, &mut notes);
    }
    for again in lines.filter(|again| again.arguments != line.arguments) {
        let said = format!("this line gives other arguments than {}", line.location);
        Notes::new(&again.location, remarks).left_out(said);
    }
    module.line = Some(line);
    Ok(module)
}

fn lines(tree: &Tree, service: &str) -> Vec<Entry> {
    let entries = stack::read(tree, service, "session").entries;
    entries
        .into_iter()
        .filter(|entry| entry.name() == MODULE)
        .collect()
}

/// Tells of arguments that would count, where no service is named whose arguments do.
pub fn tell_unheeded(tree: &Tree, remarks: &mut Vec<Remark>) {
    for service in stack::services(tree).names {
        for line in lines(tree, &service) {
            let decisive = line
                .arguments
                .iter()
                .find(|argument| DECISIVE.contains(&argument.as_str()));
            let known = remarks
                .iter()
                .any(|remark| remark.location == line.location);
            if let Some(argument) = decisive.filter(|_| !known) {
                let said = format!("`{argument}` counts only with --service {service}");
                Notes::new(&line.location, remarks).left_out(said);
            }
        }
    }
}

impl Module {
    fn add(&mut self, argument: &str, notes: &mut Notes<'_>) {
        match argument {
            "gen_hash" => self.hashes = true,
            "ignore_instance_parent_mode" => self.any_parent = true,
            "ignore_config_error" => self.forgives = true,
            "unmount_on_close" => self.cleans = true,
            // What these ask for is always so here, or stands in the line for the module itself.
            "debug" | "mount_private" | "unmnt_remnt" | "no_unmount_on_close" => {}
            "unmnt_only" => notes.left_out(
                "`unmnt_only`: sessions of this service only leave the directories of the caller; leave pam_jns.so out of \
                 its stack",
            ),
            "require_selinux" => {
                notes.left_out("`require_selinux`: logins are not refused where SELinux is disabled");
            }
            "use_current_context" | "use_default_context" => notes.left_out(format!(
                "`{argument}`: the context that counts is the one of the session to be"
            )),
            _ => notes.doubtful(format!("pam_namespace has no argument `{argument}`, and passes over it")),
        }
    }

    /// Says why a line that is wrong has no rule, and what becomes of a login for it.
    pub fn tell_mistake(&self, reason: &str, notes: &mut Notes<'_>) {
        match self.forgives {
            true => notes.left_out(format!("{reason}; pam_namespace passes over this line")),
            false => notes.left_public(format!(
                "{reason}; pam_namespace refuses every login for this line"
            )),
        }
    }
}
