//! The file that lists the host's name servers, in a root directory that has none.

use crate::apply::findings::Findings;
use crate::apply::forms::form_of_root;
use crate::apply::instances::Instances;
use crate::apply::located::{Located, settle};
use crate::apply::session_view::SessionView;
use crate::error::{Error, Result};
use crate::kernel::fs::directory::Draft;
use crate::kernel::fs::walk::{self, Place, file_type};
use crate::path::ViewPath;
use crate::path::is_within;
use crate::plan::{Step, View};
use rustix::fs::FileType;

/// The number of links that may lead, one after the other, to where name servers are listed.
const MAX_LINKS: usize = 8;

/// Finds where the session looks for name servers, if it finds nothing there, and the host's. The file is made, to be
/// covered by the host's.
pub(in crate::apply) fn locate<'p>(
    step: &'p Step,
    view: SessionView<'_, 'p>,
    instances: &mut Instances<'p>,
    findings: &mut Findings,
) -> Result<Option<Located<'p>>> {
    let path = step.path.as_str();
    let hosts = match walk::open_plainly(path) {
        Err(missing) if missing.is_missing() => {
            findings.note_missing(ViewPath::walked(path));
            return Ok(None);
        }
        found => found?,
    };
    if file_type(&hosts.status) != FileType::RegularFile {
        return Ok(None);
    }
    let place = match view.open(path) {
        Err(missing) if missing.is_missing() => make_file(path, view, instances)?,
        // What was made for an earlier session.
        Ok(empty) if is_empty_file(&empty) => empty,
        found => return found.map(|_| None),
    };
    Ok(Some(Located {
        step,
        place,
        source: Some(hosts),
    }))
}

/// Makes the file where the links at a path lead.
fn make_file<'p>(
    path: &str,
    view: SessionView<'_, 'p>,
    instances: &mut Instances<'p>,
) -> Result<Place> {
    let landing = follow_links(path, view)?;
    let (above, name) = landing.rsplit_once('/').unwrap_or(("", path));
    make_directories(above, view)?;
    let (parent, _) = view.open_parent(&landing)?;
    let mut draft = Draft::file(&parent.descriptor, form_of_root(0o644), &landing)?;
    draft.publish(name, &landing)?;
    settle(draft, &parent, view, instances);
    view.open(&landing)
}

/// Follows the links at a path to where they lead, although nothing is there.
fn follow_links(path: &str, view: SessionView<'_, '_>) -> Result<String> {
    let mut landing = path.to_owned();
    for _ in 0..MAX_LINKS {
        let (parent, name) = match view.open_parent(&landing) {
            Err(missing) if missing.is_missing() => return Ok(landing),
            found => found?,
        };
        let Ok(target) = rustix::fs::readlinkat(&parent, name, Vec::new()) else {
            return Ok(landing);
        };
        landing = joined(&parent.path, &target.to_string_lossy());
    }
    Err(Error::new("use", landing, "too many links lead there"))
}

/// Makes the directories of a path that are missing, in memory only: what is on disk is the
/// administrator's.
fn make_directories(path: &str, view: SessionView<'_, '_>) -> Result<()> {
    let missing = match view.open(path) {
        Err(missing) if missing.is_missing() => missing,
        found => return found.map(drop),
    };
    let Some((above, name)) = path.rsplit_once('/') else {
        return Err(missing);
    };
    if !is_in_memory(path, view) {
        return Err(missing);
    }
    make_directories(above, view)?;
    let (parent, _) = view.open_parent(path)?;
    let (mut draft, _) = Draft::directory(&parent.descriptor, form_of_root(0o755), path)?;
    draft.publish(name, path)?;
    draft.keep();
    Ok(())
}

fn is_in_memory(path: &str, view: SessionView<'_, '_>) -> bool {
    view.covers.views().iter().any(|built| {
        matches!(built.step.view, View::Memory { .. }) && is_within(path, built.target.path())
    })
}

fn is_empty_file(place: &Place) -> bool {
    file_type(&place.status) == FileType::RegularFile && place.status.st_size == 0
}

/// Resolves a link's target from the directory that holds the link, whose path has no links.
fn joined(directory: &str, target: &str) -> String {
    let mut names: Vec<&str> = match target.starts_with('/') {
        true => Vec::new(),
        false => directory
            .split('/')
            .filter(|name| !name.is_empty())
            .collect(),
    };
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn a_target_is_joined_to_the_directory_of_its_link() {
        for (directory, target, expected) in [
            ("/etc", "../run/resolv.conf", "/run/resolv.conf"),
            ("/etc", "/run/resolv.conf", "/run/resolv.conf"),
            ("/etc", "./a//b", "/etc/a/b"),
            ("", "../../a", "/a"),
        ] {
            assert_eq!(joined(directory, target), expected, "{directory} {target}");
        }
    }
}
