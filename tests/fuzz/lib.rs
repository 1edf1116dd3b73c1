//! What the targets share with tests/language, which asks it of the seeds.

#[path = "../language/accounts.rs"]
pub mod accounts;
#[path = "../language/judges.rs"]
pub mod judges;
