//! One thing that the doctor has to say.

use crate::cli::terminal::{Screen, Tone};
use crate::error::Location;
use crate::error::harmless;
use serde_json::{Value, json};

/// The weight of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Right: as it should be.
    Ok,
    /// Worth knowing: something that could not be tried, or that is right on some machines.
    Note,
    /// Logins work, but not as an administrator would expect.
    Warning,
    /// Logins fail, or get no namespace.
    Problem,
}

/// The part of the system that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// The running kernel.
    Kernel,
    /// The rights of this process, and so of the daemons beside it.
    Privileges,
    /// The policy files.
    Policy,
    /// The directory of the instances.
    Store,
    /// The PAM stacks and the module's file.
    Pam,
    /// sshd's configuration.
    Sshd,
    /// The systemd units of daemons, and what runs `jns gc`.
    Units,
}

/// A finding, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The part of the system that was looked at.
    pub area: Area,
    /// The weight of the finding.
    pub level: Level,
    /// The finding, in one line.
    pub summary: String,
    /// The advice about it.
    pub advice: Option<String>,
    /// The line it is about.
    pub location: Option<Location>,
}

impl Level {
    /// The word that reports use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Ok => Tone::Good,
            Self::Note => Tone::Faint,
            Self::Warning => Tone::Warning,
            Self::Problem => Tone::Bad,
        }
    }
}

impl Area {
    /// The word that reports use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Privileges => "privileges",
            Self::Policy => "policy",
            Self::Store => "store",
            Self::Pam => "pam",
            Self::Sshd => "sshd",
            Self::Units => "units",
        }
    }
}

impl Finding {
    fn new(area: Area, level: Level, summary: String) -> Self {
        Self {
            area,
            level,
            summary,
            advice: None,
            location: None,
        }
    }

    /// Something that is as it should be.
    pub fn ok(area: Area, summary: impl Into<String>) -> Self {
        Self::new(area, Level::Ok, summary.into())
    }

    /// Something worth knowing.
    pub fn note(area: Area, summary: impl Into<String>) -> Self {
        Self::new(area, Level::Note, summary.into())
    }

    /// Something to act on.
    pub fn warning(area: Area, summary: impl Into<String>) -> Self {
        Self::new(area, Level::Warning, summary.into())
    }

    /// Something that keeps logins from their namespaces.
    pub fn problem(area: Area, summary: impl Into<String>) -> Self {
        Self::new(area, Level::Problem, summary.into())
    }

    /// Adds the advice about the finding.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Adds the line that the finding is about.
    #[must_use]
    pub fn at(mut self, location: &Location) -> Self {
        self.location = Some(location.clone());
        self
    }

    /// The lines of the report.
    pub fn render(&self, screen: Screen) -> String {
        let level = screen.paint(self.level.tone(), &format!("{:<8}", self.level.word()));
        let place = match &self.location {
            Some(location) => format!(" ({location})"),
            None => String::new(),
        };
        let mut text = format!(
            "  {level} {}\n",
            harmless(&format!("{}{place}", self.summary))
        );
        if let Some(advice) = &self.advice {
            text.push_str(&format!("           {}\n", harmless(advice)));
        }
        text
    }

    /// The finding as JSON.
    pub fn as_json(&self) -> Value {
        json!({
            "area": self.area.word(),
            "level": self.level.word(),
            "summary": self.summary,
            "advice": self.advice,
            "file": self.location.as_ref().map(|location| location.file.as_ref()),
            "line": self.location.as_ref().map(|location| location.line),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_where_and_what_to_do() {
        let finding = Finding::problem(Area::Pam, "no such file")
            .at(&Location::new("/etc/pam.d/su", 3))
            .advise("make it");
        assert_eq!(
            finding.render(Screen { colour: false }),
            "  problem  no such file (/etc/pam.d/su:3)\n           make it\n"
        );
        assert_eq!(
            finding.as_json(),
            json!({"area": "pam", "level": "problem", "summary": "no such file",
                   "advice": "make it", "file": "/etc/pam.d/su", "line": 3})
        );
    }
}
