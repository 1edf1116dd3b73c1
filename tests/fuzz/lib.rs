//! What the targets share with tests/language, which asks it of the seeds.

#[path = "../language/cast.rs"]
pub mod cast;
#[path = "../language/judges.rs"]
pub mod judges;
