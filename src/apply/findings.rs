//! The findings of a plan's preparation. Who joins its namespace looks whether they still hold, and the log tells what
//! was left out.

use super::applied::{Applied, ShownPath};
use super::session_view::SessionView;
use crate::error::Error;
use crate::kernel::fs::device::Multiplexer;
use crate::kernel::fs::entries::{Found, MOST_MATCHES};
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::walk::Place;
use crate::kernel::mount::runtime_directory::PARENT;
use crate::path::{AbsPath, ViewPath};
use crate::plan::{NewRoot, Step};
use std::fmt::Display;

/// The things that were found while a plan was prepared.
#[derive(Default)]
pub(super) struct Findings {
    /// Directories and files of the host that appear in the session.
    sources: Vec<ShownPath>,
    /// The entries that `keep` has found in directories of the host.
    visible: Vec<Found>,
    /// The number of entries that the patterns of `keep` have matched so far.
    matches: usize,
    /// Sources that would have been used, had they existed: paths in the view of the host.
    missing: Vec<ViewPath>,
    /// The reasons why a step was left out, or an entry is not visible; a line each.
    notes: Vec<String>,
    /// The way in which terminals are opened in the directory for devices, where it is built.
    pub(super) multiplexer: Option<Multiplexer>,
    /// Whether a volume was left out.
    lacks_volume: bool,
}

impl Findings {
    /// Notes a place of the caller's that the session sees, by the path that led there: who joins its namespace looks
    /// whether that still leads there, by way of the same links or others.
    pub(super) fn note_source(&mut self, path: &str, place: &Place) {
        // One of an fstab may have repeated slashes; without links it leads there, too.
        let path = ViewPath::new(path).unwrap_or_else(|_| ViewPath::walked(&place.path));
        self.sources.push(ShownPath {
            path,
            identity: FileIdentity::of(&place.status),
            form: None,
        });
    }

    /// Notes a place of the session's that is seen through what covers it. Where this login builds it, it is no place of
    /// the caller's, and is not recorded.
    pub(super) fn note_shown(&mut self, place: &Place, view: SessionView<'_, '_>) {
        if !view.covers.have(&place.path) {
            self.note_source(view.path_of_caller(&place.path).as_str(), place);
        }
    }

    /// Notes what was found for `keep` in a directory of the session's, unless this login builds that.
    pub(super) fn note_visible(&mut self, found: Found, view: SessionView<'_, '_>) {
        if !view.covers.have(&found.directory) {
            self.visible.push(Found {
                directory: view.path_of_caller(&found.directory).to_string(),
                ..found
            });
        }
    }

    /// Notes a path of the caller's that is missing.
    pub(super) fn note_missing(&mut self, path: ViewPath) {
        self.missing.push(path);
    }

    /// Notes a path of the session's that is missing. What this login builds is not the host's: a path in it says nothing there.
    fn note_missing_in(&mut self, view: SessionView<'_, '_>, path: &AbsPath) {
        if !view.covers.have(path.as_str()) {
            self.missing.push(view.path_of_caller(path.as_str()));
        }
    }

    /// Takes the lines that were noted so far.
    pub(super) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Notes that a step is not taken, and why.
    pub(super) fn leave_out(&mut self, step: &Step, reason: &Error, view: SessionView<'_, '_>) {
        if !view.context.is_of_every_root(step) {
            self.notes.push(format!("{} left out: {reason}", step.path));
            self.note_lacking(step, view);
        }
    }

    /// A namespace that lacks the step is of no use to other logins once there is what the step needs.
    fn note_lacking(&mut self, step: &Step, view: SessionView<'_, '_>) {
        let is_absent = |path: &&AbsPath| {
            let found = view.context.walker.open(path.as_str(), &[]);
            found.is_err_and(|error| error.is_absent())
        };
        match step.view.source().filter(is_absent) {
            Some(source) if view.root.is_some() => self.note_missing(ViewPath::from(source)),
            Some(source) => self.note_missing_in(view, source),
            None => self.note_missing_in(view, &step.path),
        }
    }

    /// Notes that the session has no root directory of its own although the plan has one.
    pub(super) fn leave_out_root(&mut self, wanted: &NewRoot, reason: &Error) {
        self.notes.push(format!("/ stays as it is: {reason}"));
        self.note_missing(ViewPath::from(&wanted.path));
    }

    /// Notes that the runtime directories of all users are visible, as they are on the host.
    pub(super) fn note_runtime_directories(&mut self, reason: &Error) {
        self.notes
            .push(format!("{PARENT} shows all users' directories: {reason}"));
    }

    /// Notes that a volume is not opened although the plan has it.
    pub(super) fn leave_out_volume(&mut self, path: &AbsPath, reason: &Error) {
        self.notes.push(format!("{path} left out: {reason}"));
        self.lacks_volume = true;
    }

    /// Notes that an entry does not stay visible although the step's `keep` has it.
    pub(super) fn note_hidden(&mut self, step: &Step, path: &str, reason: impl Display) {
        let location = &step.location;
        self.notes
            .push(format!("{path} not kept: {reason} ({location})"));
    }

    /// Counts a match of a pattern of `keep`, and returns how it stands to what patterns may show.
    pub(super) fn count_match(&mut self) -> Matches {
        self.matches = self.matches.saturating_add(1);
        if self.matches <= MOST_MATCHES {
            Matches::Permitted
        } else if self.matches == MOST_MATCHES.saturating_add(1) {
            Matches::FirstTooMany
        } else {
            Matches::TooMany
        }
    }

    /// Moves what was found to what the login gets.
    pub(super) fn move_to(&mut self, applied: &mut Applied) {
        let Self {
            sources,
            visible,
            matches: _,
            missing,
            notes,
            multiplexer: _,
            lacks_volume,
        } = std::mem::take(self);
        applied.sources = sources;
        applied.kept = visible;
        applied.missing = missing;
        applied.notes = notes;
        applied.lacks_volume = lacks_volume;
    }
}

/// The number of matches of all patterns of `keep`, compared with what they may show.
pub(super) enum Matches {
    Permitted,
    FirstTooMany,
    TooMany,
}
