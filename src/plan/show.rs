//! A plan as text: one line a step.

use super::{Instance, Lifetime, Plan, Shape, Step, View};
use crate::error::Origin;
use crate::policy::value::{Component, Size};
use std::fmt;

/// The columns of a line: what is covered, by what, with which mount attributes, and why.
type Row = [String; 4];

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.steps.iter().map(row);
        let variables = self.environment.iter().map(|(name, variable)| {
            let value = format!("is {}", visible(&variable.value));
            [
                format!("${name}"),
                value,
                String::new(),
                visible_origin(&variable.origin),
            ]
        });
        let rows: Vec<Row> = steps.chain(variables).collect();
        f.write_str(&aligned(&rows))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&aligned(&[row(self)]))
    }
}

fn row(step: &Step) -> Row {
    let mut words = vec![step.view.to_string()];
    if step.create {
        words.push("created if missing".to_owned());
    }
    if step.optional {
        words.push("optional".to_owned());
    }
    [
        visible(step.path.as_str()),
        words.join(", "),
        step.attributes.words().join(","),
        visible_origin(&step.origin),
    ]
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Instance {
                instance,
                shape,
                keep,
            } => [vec![instance.to_string()], shape.words(), kept(keep)].concat(),
            Self::Memory {
                size,
                inodes,
                shape,
                keep,
            } => {
                let inodes = inodes.map(|inodes| format!("{inodes} files"));
                let size = format!("memory of {}", short(*size));
                let bounds = std::iter::once(size).chain(inodes).collect();
                [bounds, shape.words(), kept(keep)].concat()
            }
            Self::Bind { source, recursive } => {
                let whole = recursive.then(|| "with all beneath it".to_owned());
                let source = format!("bind of {}", visible(source.as_str()));
                std::iter::once(source).chain(whole).collect()
            }
            Self::Nothing { keep } => [vec!["nothing".to_owned()], kept(keep)].concat(),
        };
        f.write_str(&words.join(", "))
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "private {}", visible(self.directory.as_str()))?;
        match self.lifetime {
            Lifetime::Kept => Ok(()),
            Lifetime::Session => f.write_str(" for the session"),
        }
    }
}

/// A size with the largest unit that divides it.
fn short(size: Size) -> String {
    let Size::Bytes(bytes) = size else {
        return size.to_string();
    };
    let units = [("T", 40_u32), ("G", 30), ("M", 20), ("K", 10)];
    let divides = |(_, power): &&(&str, u32)| bytes.trailing_zeros() >= *power;
    match units.iter().find(divides) {
        Some((unit, power)) => format!("{}{unit}", bytes.checked_shr(*power).unwrap_or(0)),
        None => bytes.to_string(),
    }
}

impl Shape {
    fn words(&self) -> Vec<String> {
        let mode = self.mode.map(|mode| format!("mode {mode}"));
        let owner = self.owner.map(|owner| format!("owner {owner}"));
        let group = self.group.map(|group| format!("group {group}"));
        [mode, owner, group].into_iter().flatten().collect()
    }
}

fn kept(keep: &[Component]) -> Vec<String> {
    let names: Vec<String> = keep.iter().map(|name| visible(name.as_str())).collect();
    let any = !names.is_empty();
    any.then(|| format!("keeps {}", names.join(" ")))
        .into_iter()
        .collect()
}

fn visible_origin(origin: &Origin) -> String {
    visible(&origin.to_string())
}

/// Text without control characters: a plan goes to terminals and logs.
fn visible(text: &str) -> String {
    let shown = text.chars().map(|character| match character.is_control() {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    });
    shown.collect()
}

fn aligned(rows: &[Row]) -> String {
    let mut widths = [0_usize; 4];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let lines = rows.iter().map(|row| line(row, &widths));
    lines.collect::<Vec<_>>().join("\n")
}

fn line(row: &Row, widths: &[usize; 4]) -> String {
    let cells = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:width$}"));
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}
