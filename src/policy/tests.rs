//! The whole language at once.

use super::*;

#[allow(dead_code)]
fn wrong(text: &str) -> Vec<String> {
    match Policy::parse(&[("p", text.as_bytes())]) {
        Ok(loaded) => loaded
            .warnings
            .list
            .iter()
            .map(ToString::to_string)
            .collect(),
        Err(found) => found.list.iter().map(|found| found.render(false)).collect(),
    }
}
