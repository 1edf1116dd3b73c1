//! The XML document, and the lines of its elements.

use crate::cli::import::input::Input;
use crate::error::{Error, Location, Result};
use roxmltree::{Document, Node, ParsingOptions};

/// More nodes than any such file has: elements, texts and comments.
const NODES: u32 = 1 << 16;

/// A configuration of pam_mount's.
pub struct File<'d> {
    input: &'d Input,
    root: Node<'d, 'd>,
    /// The places of the newlines, in bytes.
    newlines: Vec<usize>,
}

/// Parses the document.
///
/// # Errors
///
/// It is no XML, or declares entities: some name others by the thousand.
pub fn parse(input: &Input) -> Result<Document<'_>> {
    let fail = |reason: String| Error::new("read", &input.file, reason);
    if input.text.contains("<!ENTITY") {
        return Err(fail("it declares entities, which are not read".to_owned()));
    }
    let options = ParsingOptions {
        allow_dtd: true,
        nodes_limit: NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(&input.text, options)
        .map_err(|error| fail(error.to_string()).at(&input.at(line_of(error))))
}

fn line_of(error: roxmltree::Error) -> usize {
    usize::try_from(error.pos().row).unwrap_or(0)
}

impl<'d> File<'d> {
    /// Takes the file from the document that it holds.
    ///
    /// # Errors
    ///
    /// The document is none of pam_mount's.
    pub fn of(input: &'d Input, document: &'d Document<'d>) -> Result<Self> {
        let root = document.root_element();
        if !root.has_tag_name("pam_mount") {
            let reason = format!("it is a <{}>, and no <pam_mount>", root.tag_name().name());
            return Err(Error::new("read", &input.file, reason));
        }
        let newlines = input.text.match_indices('\n').map(|(at, _)| at).collect();
        Ok(Self {
            input,
            root,
            newlines,
        })
    }

    /// The elements of the file, without those that are in others.
    pub fn elements(&self) -> impl Iterator<Item = Node<'d, 'd>> + use<'d> {
        self.root.children().filter(Node::is_element)
    }

    /// The line on which an element begins.
    pub fn location(&self, node: Node<'_, '_>) -> Location {
        let start = node.range().start;
        let before = self.newlines.partition_point(|newline| *newline < start);
        self.input.at(before.saturating_add(1))
    }
}
