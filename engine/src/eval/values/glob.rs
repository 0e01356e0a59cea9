//! Patterns of `glob.match`, as OPA's glob library reads them (`gobwas/glob`).

use regorus::Value;

use super::super::regex::{self, Fault, Node, Regex};
use super::super::unicode::MAX;

/// Deepest nesting of `{…}`.
const MAX_DEPTH: usize = 50;

/// The characters that `*` and `?` do not take; none where OPA has an error.
pub(super) fn separators(delimiters: &Value) -> Option<Vec<char>> {
    match delimiters {
        Value::Null => Some(Vec::new()),
        Value::Array(items) if items.is_empty() => Some(vec!['.']),
        Value::Array(items) => items.iter().map(single).collect(),
        _ => None,
    }
}

fn single(item: &Value) -> Option<char> {
    let Value::String(item) = item else { return None };
    let mut chars = item.chars();
    chars.next().filter(|_| chars.next().is_none())
}

/// The sequence that is being read, and the alternatives before it.
#[derive(Default)]
struct Level {
    sequence: Vec<Node>,
    alternatives: Vec<Node>,
}

impl Level {
    fn end(&mut self) {
        let sequence = Node::Concat(std::mem::take(&mut self.sequence));
        self.alternatives.push(sequence);
    }
}

/// The program for a pattern.
pub(super) fn compile(pattern: &str, separators: &[char]) -> Result<Regex, Fault> {
    let apart = regex::clean(separators.iter().map(|c| (u32::from(*c), u32::from(*c))).collect());
    let one = Node::Class(regex::negate(&apart));
    let any = |node| Node::Repeat { node: Box::new(node), min: 0, max: None, greedy: false };
    let mut chars = pattern.chars().peekable();
    let mut levels = vec![Level::default()];
    while let Some(c) = chars.next() {
        let inside = levels.len() > 1;
        let node = match c {
            '{' => {
                levels.push(Level::default());
                if levels.len() > MAX_DEPTH {
                    return Err(Fault::Large);
                }
                continue;
            }
            ',' if inside => {
                levels.last_mut().ok_or(Fault::Syntax)?.end();
                continue;
            }
            '}' if inside => {
                let mut level = levels.pop().ok_or(Fault::Syntax)?;
                level.end();
                Node::Alternate(level.alternatives)
            }
            '*' if chars.next_if_eq(&'*').is_some() => any(Node::Class(vec![(0, MAX)])),
            '*' => any(one.clone()),
            '?' => one.clone(),
            '[' => class(&mut chars)?,
            '\\' => Node::Char(chars.next().ok_or(Fault::Syntax)?.into()),
            c => Node::Char(c.into()),
        };
        levels.last_mut().ok_or(Fault::Syntax)?.sequence.push(node);
    }
    match (levels.pop(), levels.is_empty()) {
        (Some(level), true) => Regex::whole(level.sequence),
        _ => Err(Fault::Syntax),
    }
}

/// What follows `[`: one range, or characters one by one.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Node, Fault> {
    let negated = chars.next_if_eq(&'!').is_some();
    let first = chars.next().ok_or(Fault::Syntax)?;
    let mut ranges = Vec::new();
    // A backslash before `-` is the low end of a range.
    if chars.next_if_eq(&'-').is_some() {
        let high = chars.next().ok_or(Fault::Syntax)?;
        if high < first || chars.next() != Some(']') {
            return Err(Fault::Syntax);
        }
        ranges.push((u32::from(first), u32::from(high)));
    } else {
        let mut next = Some(first);
        loop {
            let c = match next.ok_or(Fault::Syntax)? {
                ']' => break,
                '\\' => chars.next().ok_or(Fault::Syntax)?,
                c => c,
            };
            ranges.push((c.into(), c.into()));
            next = chars.next();
        }
        if ranges.is_empty() {
            return Err(Fault::Syntax);
        }
    }
    let ranges = regex::clean(ranges);
    Ok(Node::Class(if negated { regex::negate(&ranges) } else { ranges }))
}
