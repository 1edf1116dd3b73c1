//! The directory where instances live (`settings.store`).

pub mod layout;
