//! job_container.conf, which later versions call namespace.conf: lines of `Key=Value`.

use super::layers::{Layer, Value};
use crate::cli::import::input::Input;
use crate::cli::import::remark::Remark;
use crate::error::Location;

/// Reads the lines; a remark names those that are not understood.
pub fn layers(input: &Input, remarks: &mut Vec<Remark>) -> Vec<Layer> {
    let mut layers = vec![Layer::default()];
    for (location, line) in joined(input) {
        let pairs = match pairs(&line) {
            Ok(pairs) => pairs,
            Err(reason) => {
                remarks.push(Remark::left_public(&location, reason));
                continue;
            }
        };
        let mut layer = Layer::default();
        for (key, text) in pairs {
            let location = location.clone();
            let value = Value { location, text };
            match key.eq_ignore_ascii_case("NodeName") {
                true => layer.nodes = Some(value),
                false => layer.add(&key, value, remarks),
            }
        }
        layers.push(layer);
    }
    layers
}

/// The lines without comments. One that ends in a backslash goes on in the next.
fn joined(input: &Input) -> Vec<(Location, String)> {
    let mut lines: Vec<(Location, String)> = Vec::new();
    let mut goes_on = false;
    for (location, line) in input.lines() {
        let line = line.split('#').next().unwrap_or_default().trim_end();
        let (text, is_open) = match line.strip_suffix('\\') {
            Some(text) => (text, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, last)) => last.push_str(text),
            None => lines.push((location, text.to_owned())),
        }
        goes_on = is_open;
    }
    lines
}

/// The keys of a line and their values, which may stand in quotes.
fn pairs(line: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or_else(|| malformed(rest))?;
        let (key, after) = (key.trim_end(), after.trim_start());
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(malformed(rest));
        }
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(|| malformed(rest))?,
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        pairs.push((key.to_owned(), value.to_owned()));
        rest = next.trim_start();
    }
    Ok(pairs)
}

fn malformed(text: &str) -> String {
    format!("`{text}` is no KEY=VALUE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_keys_and_values() {
        let found = pairs(" NodeName=n[1-2]  Dirs = \"/tmp, /x\" Shared=true ").unwrap();
        let said: Vec<String> = found
            .iter()
            .map(|(key, value)| format!("{key}:{value}"))
            .collect();
        assert_eq!(said, ["NodeName:n[1-2]", "Dirs:/tmp, /x", "Shared:true"]);
        for line in ["odd", "=x", "a b=c", "a=\"b"] {
            assert!(pairs(line).is_err(), "{line}");
        }
    }
}
