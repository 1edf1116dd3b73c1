//! Sessions and their namespaces beyond one login: the pins that keep shared namespaces, and the ledger. All of it is
//! under `/run/jns`, root's alone, and made at the first login:
//!
//! ```text
//!  lock/<uid>         around joining, creating and removing namespaces of a user
//!  ns/.vault          the mount namespace in which pins are bound
//!  ns/<key>           a pin: the number of the namespace and, in the vault, the namespace itself, bound to the file
//!  namespace/<inode>  what is known of a namespace that the module has made
//!  session/<id>       what is known of a session
//!  stamp/<name>       what shaped a plan, so that the next login need not make it again
//! ```
//!
//! Nothing here is the truth about life: a session lives as long as its processes, and a namespace too.

mod ancestors;
pub(crate) mod census;
pub mod clock;
mod command;
mod create;
pub mod elsewhere;
mod ending;
pub mod join;
pub mod ledger;
pub mod lock;
pub mod memory;
pub mod namespace;
pub mod origin;
pub mod pin;
pub mod pin_key;
pub mod place;
mod planned;
pub mod runtime;
pub mod runtime_directory;
mod store_use;
mod subject;
pub mod unused_pins;
pub mod vault;
pub mod volumes;

pub use crate::kernel::process::{self, Process};
pub use command::Command;
pub use ledger::{NamespaceRecord, PolicyFile, SessionRecord};
pub use lock::Lock;
pub use namespace::SessionNamespace;
pub use pin::Pins;
pub use pin_key::PinKey;
pub use place::{OpenPlace, Place};
pub use planned::PlannedSession;
pub use runtime::Runtime;
pub use subject::subject_of;
pub use vault::Vault;

/// The directory of cached plans in `/run/jns`: what shaped a plan, by user and service. They may be removed at any
/// time.
pub const CACHED_PLANS: &str = "stamp";
