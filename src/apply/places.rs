//! The places that steps cover, found or made, and what they show there.

use super::believed;
use super::findings::Findings;
use super::forms::{Node, created_form};
use super::instances::Instances;
use super::located::{Located, settle};
use super::session_view::SessionView;
use super::views::name_servers;
use crate::error::{Error, Result};
use crate::kernel::fs::directory::{Draft, Publication};
use crate::kernel::fs::walk::Place;
use crate::plan::{Step, View};
use rustix::fs::AtFlags;

/// Whether the path of a step is missing, and the rule says that it is made.
pub(super) fn has_to_be_made(step: &Step, view: SessionView<'_, '_>) -> bool {
    let found = || view.open(step.path.as_str());
    step.create && found().is_err_and(|error| error.is_missing())
}

/// Opens the step's path, made where the rule says so, and a bind's source. Sources are the caller's own
/// view, whatever the plan puts on top of them. Nothing where the step is not needed.
pub(super) fn locate<'p>(
    step: &'p Step,
    view: SessionView<'_, 'p>,
    instances: &mut Instances<'p>,
    findings: &mut Findings,
) -> Result<Option<Located<'p>>> {
    if let View::NameServers = step.view {
        return name_servers::locate(step, view, instances, findings);
    }
    let source = open_source(step, view)?;
    let place = match view.open(step.path.as_str()) {
        Err(missing) if step.create && missing.is_missing() => {
            make(step, node_for(source.as_ref()), view, instances)
        }
        found => found,
    };
    let place = place.map_err(|error| error.at_key(&step.location, "path"))?;
    Ok(Some(Located {
        step,
        place,
        source,
    }))
}

/// Opens what is bound. A device is opened by the file system that is on it.
fn open_source(step: &Step, view: SessionView<'_, '_>) -> Result<Option<Place>> {
    match &step.view {
        View::Bind { source, .. } => {
            let opened = view.context.walker.open(source.as_str(), &[]);
            opened
                .map(Some)
                .map_err(|error| error.at_key(&step.location, "source"))
        }
        View::FileSystem(_)
        | View::Instance { .. }
        | View::Memory { .. }
        | View::Overlay { .. }
        | View::Devices
        | View::Terminals
        | View::NameServers
        | View::Nothing { .. } => Ok(None),
    }
}

/// A mount point is of the type of what is bound to it.
fn node_for(source: Option<&Place>) -> Node {
    match source {
        Some(source) if !source.is_directory() => Node::File,
        Some(_) | None => Node::Directory,
    }
}

/// What is made for the missing path of a step, without its name.
struct New<'s> {
    draft: Draft,
    /// The directory that it is in.
    parent: Place,
    name: &'s str,
}

impl<'s> New<'s> {
    fn make(step: &'s Step, node: Node, view: SessionView<'_, '_>) -> Result<Self> {
        let (path, context) = (step.path.as_str(), view.context);
        let (parent, name) = view.open_parent(path)?;
        let form = context.permitted_form(created_form(step, &parent, node, context.uid()));
        believed::check_new_path(step, &parent, form, context)?;
        let draft = match node {
            Node::File => Draft::file(&parent.descriptor, form, path)?,
            Node::Directory => Draft::directory(&parent.descriptor, form, path)?.0,
        };
        Ok(Self {
            draft,
            parent,
            name,
        })
    }
}

/// Makes the missing path of a step.
fn make<'p>(
    step: &'p Step,
    node: Node,
    view: SessionView<'_, 'p>,
    instances: &mut Instances<'p>,
) -> Result<Place> {
    let path = step.path.as_str();
    let New {
        mut draft,
        parent,
        name,
    } = New::make(step, node, view)?;
    if draft.publish(name, path)? == Publication::Done {
        settle(draft, &parent, view, instances);
    }
    view.open(path)
}

/// Locates a step whose path is missing at what would be made there, which never gets its name: it goes with the draft.
pub(super) fn locate_unnamed<'p>(
    step: &'p Step,
    view: SessionView<'_, 'p>,
) -> Result<(Draft, Located<'p>)> {
    let source = open_source(step, view)?;
    let New {
        draft,
        parent,
        name,
    } = New::make(step, node_for(source.as_ref()), view)?;
    // A link that leads nowhere has the name: nothing is made there, and the path is missing still.
    if rustix::fs::statat(&parent.descriptor, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Err(view.open(step.path.as_str()).map_or_else(
            |missing| missing,
            |_| Error::new("make", &step.path, "somebody has made it meanwhile"),
        ));
    }
    let below = parent.path.trim_end_matches('/');
    let mut place = view.open(&format!("{below}/{}", draft.name()))?;
    place.path = format!("{below}/{name}");
    let located = Located {
        step,
        place,
        source,
    };
    Ok((draft, located))
}
