//! The policy language: where it is read, what it may say, which rules a login selects.
//!
//! ```text
//!  files ──► text ──► TOML tree ──► fields ──► Settings, Rules ──► checks across rules ──► Policy
//!                          every stage reports to one list of diagnostics
//! ```

mod advice;
pub mod believed;
mod check;
pub mod diagnostic;
mod digest;
mod document;
mod fields;
mod load;
mod parts;
pub mod pattern;
mod per;
pub mod principal;
mod read;
mod report;
pub mod rule;
pub mod select;
pub mod settings;
pub mod source;
pub mod store;
pub mod template;
mod text;
pub mod value;

pub(crate) use check::{covers_store, lacks_labels};
pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity};
pub use digest::Sha256;
pub use fields::word;
pub(crate) use fields::{Vocabulary, nearest, word_of};
pub use load::{Dependence, Loaded, Policy, UnknownPrincipal};
pub(crate) use parts::StoreUse;
pub(crate) use read::HELPER_TIMEOUT;
pub(crate) use report::{Fault, Report};
pub use rule::{Kind, Rule, Selectors};
pub use select::{Decision, Exemption, Ruling, Selection, select};
pub use settings::{Elsewhere, Enforcement, Namespaces, Settings};
pub use source::Source;
pub(crate) use text::Text;
