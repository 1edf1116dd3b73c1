//! namespace.yaml.

use super::layers::{Layer, Value};
use crate::cli::import::input::Input;
use crate::cli::import::remark::Remark;
use crate::error::{Error, Location, Result};
use saphyr_parser::{Event, Parser, Span};

/// How deep such a file is, and some more.
const DEPTH: usize = 16;

/// A value of YAML.
enum Content {
    Scalar(String),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(Node, Node)>),
}

/// A value of YAML, and where it begins.
struct Node {
    location: Location,
    content: Content,
}

/// Reads the document.
///
/// # Errors
///
/// It is no YAML, has anchors, is deeper than such a file, or no mapping.
pub fn layers(input: &Input, remarks: &mut Vec<Remark>) -> Result<Vec<Layer>> {
    let mut reader = Reader {
        input,
        events: Parser::new_from_str(&input.text),
    };
    let mut layers = Vec::new();
    for (key, node) in pairs(reader.document()?)? {
        match key.as_str() {
            "defaults" => layers.push(layer(node, remarks)?),
            "node_confs" => {
                for conf in elements(node)? {
                    layers.push(of_nodes(conf, remarks)?);
                }
            }
            "disable_bpf_token" => {
                let message = "Slurm constrains devices by itself, and no rule does";
                remarks.push(Remark::left_out(&node.location, message));
            }
            _ => remarks.push(Remark::left_out(
                &node.location,
                format!("Slurm knows no `{key}`"),
            )),
        }
    }
    Ok(layers)
}

/// An element of `node_confs`.
fn of_nodes(node: Node, remarks: &mut Vec<Remark>) -> Result<Layer> {
    let location = node.location.clone();
    let mut found = Layer::default();
    let mut nodes = None;
    for (key, node) in pairs(node)? {
        match key.as_str() {
            "nodes" => nodes = Some(value(node)?),
            "options" => found = layer(node, remarks)?,
            _ => remarks.push(Remark::left_out(
                &node.location,
                format!("Slurm knows no `{key}`"),
            )),
        }
    }
    found.nodes = Some(nodes.ok_or_else(|| wrong("`nodes` is missing", &location))?);
    Ok(found)
}

fn layer(node: Node, remarks: &mut Vec<Remark>) -> Result<Layer> {
    let mut layer = Layer::default();
    for (key, node) in pairs(node)? {
        layer.add(&key, value(node)?, remarks);
    }
    Ok(layer)
}

/// A text, or the texts of a list with commas between them.
fn value(node: Node) -> Result<Value> {
    let location = node.location.clone();
    let text = match node.content {
        Content::Scalar(text) => text,
        Content::List(_) | Content::Map(_) => {
            let texts: Result<Vec<String>> = elements(node)?.into_iter().map(text).collect();
            texts?.join(",")
        }
    };
    Ok(Value { location, text })
}

fn text(node: Node) -> Result<String> {
    match node.content {
        Content::Scalar(text) => Ok(text),
        Content::List(_) | Content::Map(_) => Err(wrong("a text is expected", &node.location)),
    }
}

fn elements(node: Node) -> Result<Vec<Node>> {
    match node.content {
        Content::List(list) => Ok(list),
        Content::Scalar(_) | Content::Map(_) => Err(wrong("a list is expected", &node.location)),
    }
}

fn pairs(node: Node) -> Result<Vec<(String, Node)>> {
    match node.content {
        Content::Map(map) => map
            .into_iter()
            .map(|(key, value)| Ok((text(key)?, value)))
            .collect(),
        Content::Scalar(_) | Content::List(_) => {
            Err(wrong("a mapping is expected", &node.location))
        }
    }
}

fn wrong(reason: &str, location: &Location) -> Error {
    Error::new("read", &location.file, reason).at(location)
}

struct Reader<'i> {
    input: &'i Input,
    events: Parser<'i, saphyr_parser::StrInput<'i>>,
}

impl<'i> Reader<'i> {
    /// The first document.
    fn document(&mut self) -> Result<Node> {
        loop {
            let (event, location) = self.next()?;
            if !matches!(event, Event::StreamStart | Event::DocumentStart(_)) {
                return self.node(event, location, DEPTH);
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'i>, Location)> {
        let fail = |reason: &str, line| wrong(reason, &self.input.at(line));
        match self.events.next_event() {
            Some(Ok((event, Span { start, .. }))) => Ok((event, self.input.at(start.line()))),
            Some(Err(error)) => Err(fail(&error.to_string(), error.marker().line())),
            None => Err(fail("it is no YAML document", 0)),
        }
    }

    /// The value that begins with `event`; it may have values of so many levels within.
    fn node(&mut self, event: Event<'i>, location: Location, levels: usize) -> Result<Node> {
        let Some(levels) = levels.checked_sub(1) else {
            return Err(wrong("it is deeper than such a file", &location));
        };
        let content = match event {
            Event::Scalar(text, _, 0, _) => Content::Scalar(text.into_owned()),
            Event::SequenceStart(0, _) => Content::List(self.list(levels)?),
            Event::MappingStart(0, _) => Content::Map(self.map(levels)?),
            Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::MappingStart(..)
            | Event::Alias(_) => {
                return Err(wrong("anchors and aliases are not read", &location));
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(wrong("a value is missing", &location)),
        };
        Ok(Node { location, content })
    }

    fn list(&mut self, levels: usize) -> Result<Vec<Node>> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(list),
                (event, location) => list.push(self.node(event, location, levels)?),
            }
        }
    }

    fn map(&mut self, levels: usize) -> Result<Vec<(Node, Node)>> {
        let mut map = Vec::new();
        loop {
            let (event, location) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(map);
            }
            let key = self.node(event, location, levels)?;
            let (event, location) = self.next()?;
            map.push((key, self.node(event, location, levels)?));
        }
    }
}
