//! What is said of all nodes, and of some.

use super::hosts;
use crate::cli::import::remark::Remark;
use crate::error::Location;
use std::collections::BTreeMap;

/// The options that Slurm knows, in small letters and without underscores.
const KNOWN: &[&str] = &[
    "autobasepath",
    "basepath",
    "clonensepilog",
    "clonensepilogwait",
    "clonensflags",
    "clonensscript",
    "clonensscriptwait",
    "dirs",
    "entirestepinns",
    "initscript",
    "shared",
    "usernsscript",
];

/// A value, and where it stands.
#[derive(Debug, Clone)]
pub struct Value {
    /// The line.
    pub location: Location,
    /// The text.
    pub text: String,
}

/// The options that are said in one place, by their names in small letters and without underscores.
pub type Options = BTreeMap<String, Value>;

/// Options for all nodes, or for some.
#[derive(Debug, Default)]
pub struct Layer {
    /// The expression for the nodes; none for all.
    pub nodes: Option<Value>,
    /// What is said.
    pub options: Options,
}

impl Layer {
    /// Adds an option; a remark says what Slurm does not know.
    pub fn add(&mut self, key: &str, value: Value, remarks: &mut Vec<Remark>) {
        let name = key.to_ascii_lowercase().replace('_', "");
        match KNOWN.contains(&name.as_str()) {
            true => {
                self.options.insert(name, value);
            }
            false => remarks.push(Remark::left_out(
                &value.location,
                format!("Slurm knows no option `{key}`"),
            )),
        }
    }
}

/// The options that a node has: what is said of it before what is said of all. Remarks name what is for other nodes.
pub fn of_node(layers: Vec<Layer>, node: Option<&str>, remarks: &mut Vec<Remark>) -> Options {
    let (some, all): (Vec<Layer>, Vec<Layer>) =
        layers.into_iter().partition(|layer| layer.nodes.is_some());
    let mut options: Options = all.into_iter().flat_map(|layer| layer.options).collect();
    for layer in some {
        let Some(nodes) = layer.nodes else { continue };
        match node {
            Some(node) if hosts::contains(&nodes.text, node) => options.extend(layer.options),
            Some(node) => {
                let message = format!("{} is not {node}", nodes.text);
                remarks.push(Remark::left_out(&nodes.location, message));
            }
            None => {
                let message = format!("it is for {}; --node says which node this is", nodes.text);
                remarks.push(Remark::left_public(&nodes.location, message));
            }
        }
    }
    options
}
