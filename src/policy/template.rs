//! Text with facts about the login in it: `/tmp-inst/{user}`.

/// Text that may hold `{user}`, `{uid}`, `{gid}`, `{group}`, `{home}`, `{service}` and `{session}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template {
    written: String,
}

/// A template of an absolute path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathTemplate(Template);
