//! Reads a pattern in the syntax of Go's `regexp/syntax` (Perl flags).

use super::super::unicode::{self, MAX, Ranges};
use super::set;
use super::{Fault, MAX_DEPTH, MAX_WORK};

/// Go's bound on counted repetition, nested counts multiplied.
const MAX_REPEAT: u32 = 1000;

/// A condition on a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Look {
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    Word,
    NotWord,
}

/// What a pattern means.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Node {
    Empty,
    /// One code point.
    Char(u32),
    /// One of a set; clean ranges.
    Class(Ranges),
    Look(Look),
    /// A group whose text is wanted, from 1.
    Capture(usize, Box<Node>),
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
        greedy: bool,
    },
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
}

/// A pattern that has been read.
pub(super) struct Parsed {
    pub(super) node: Node,
    /// Names of the groups; the first is the whole.
    pub(super) names: Vec<Option<String>>,
    /// What reading it took, in ranges handled.
    pub(super) work: u64,
}

#[derive(Clone, Copy)]
pub(super) struct Flags {
    pub(super) fold: bool,
    /// `^` and `$` at lines.
    lines: bool,
    /// `.` takes line ends.
    dot_all: bool,
    lazy: bool,
}

/// Part of the pattern, with what bounds it.
struct Item {
    node: Node,
    depth: u32,
    /// Counts of the repetitions inside that were written with braces, as nested lists of them.
    counts: Counts,
}

/// The nesting of counted repetitions.
#[derive(Clone, Default)]
struct Counts(Vec<(u32, Counts)>);

impl Counts {
    /// Whether at most `n` copies are made of anything inside; Go divides on the way down.
    fn fit(&self, n: u32) -> bool {
        self.0.iter().all(|(count, inner)| {
            *count == 0 || (*count <= n && inner.fit(n.checked_div(*count).unwrap_or(0)))
        })
    }
}

/// A group that is open: what it had read before, and what to do when it closes.
struct Open {
    capture: Option<usize>,
    flags: Flags,
    done: Vec<Item>,
    alternatives: Vec<Item>,
}

pub(super) struct Parser {
    pub(super) chars: Vec<char>,
    pub(super) at: usize,
    pub(super) flags: Flags,
    /// The alternative that is being read.
    items: Vec<Item>,
    /// Alternatives of the group that is being read.
    alternatives: Vec<Item>,
    open: Vec<Open>,
    names: Vec<Option<String>>,
    work: u64,
}

/// Reads a pattern.
pub(super) fn parse(pattern: &str) -> Result<Parsed, Fault> {
    let flags = Flags { fold: false, lines: false, dot_all: false, lazy: false };
    let mut parser = Parser {
        chars: pattern.chars().collect(),
        at: 0,
        flags,
        items: Vec::new(),
        alternatives: Vec::new(),
        open: Vec::new(),
        names: vec![None],
        work: 0,
    };
    let mut repeated = false;
    while let Some(c) = parser.next() {
        repeated = parser.step(c, repeated)?;
        parser.spend(1)?;
    }
    if !parser.open.is_empty() {
        return Err(Fault::Syntax);
    }
    let node = parser.close()?.node;
    Ok(Parsed { node, names: parser.names, work: parser.work })
}

impl Parser {
    pub(super) fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at.saturating_add(ahead)).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at = self.at.saturating_add(1);
        Some(c)
    }

    pub(super) fn next_is(&mut self, wanted: char) -> bool {
        let found = self.peek(0) == Some(wanted);
        self.at = self.at.saturating_add(usize::from(found));
        found
    }

    pub(super) fn spend(&mut self, work: usize) -> Result<(), Fault> {
        self.work = self.work.saturating_add(u64::try_from(work).unwrap_or(u64::MAX));
        if self.work > MAX_WORK { Err(Fault::Large) } else { Ok(()) }
    }

    pub(super) fn push(&mut self, node: Node) {
        self.items.push(Item { node, depth: 1, counts: Counts::default() });
    }

    /// One token; whether it was a repetition, which must not be repeated again.
    fn step(&mut self, c: char, repeated: bool) -> Result<bool, Fault> {
        match c {
            '(' => self.group()?,
            '|' => {
                let item = concat(std::mem::take(&mut self.items))?;
                self.alternatives.push(item);
            }
            ')' => {
                let inner = self.close()?;
                let open = self.open.pop().ok_or(Fault::Syntax)?;
                (self.items, self.alternatives, self.flags) = (open.done, open.alternatives, open.flags);
                self.items.push(match open.capture {
                    Some(at) => deeper(inner, |node| Node::Capture(at, Box::new(node)))?,
                    None => inner,
                });
            }
            '^' => self.push(Node::Look(if self.flags.lines { Look::LineStart } else { Look::TextStart })),
            '$' => self.push(Node::Look(if self.flags.lines { Look::LineEnd } else { Look::TextEnd })),
            '.' if self.flags.dot_all => self.push(Node::Class(vec![(0, MAX)])),
            '.' => self.push(Node::Class(vec![(0, 9), (11, MAX)])),
            '[' => self.class()?,
            '*' => return self.repeat(0, None, false, repeated),
            '+' => return self.repeat(1, None, false, repeated),
            '?' => return self.repeat(0, Some(1), false, repeated),
            '{' => match self.counts()? {
                Some((min, max)) => return self.repeat(min, max, true, repeated),
                None => self.literal('{'.into()),
            },
            '\\' => self.escape()?,
            c => self.literal(c.into()),
        }
        Ok(false)
    }

    pub(super) fn literal(&mut self, c: u32) {
        let mut ring = vec![(c, c)];
        if self.flags.fold {
            let mut other = unicode::fold(c);
            while other != c && ring.len() < 5 {
                ring.push((other, other));
                other = unicode::fold(other);
            }
        }
        self.push(if ring.len() == 1 { Node::Char(c) } else { Node::Class(set::clean(ring)) });
    }

    /// The alternatives of the innermost open group.
    fn close(&mut self) -> Result<Item, Fault> {
        let last = concat(std::mem::take(&mut self.items))?;
        let mut alternatives = std::mem::take(&mut self.alternatives);
        if alternatives.is_empty() {
            return Ok(last);
        }
        alternatives.push(last);
        join(alternatives, Node::Alternate)
    }

    /// What follows `(`.
    fn group(&mut self) -> Result<(), Fault> {
        let flags = self.flags;
        let capture = if self.peek(0) == Some('?') {
            let name_at = match (self.peek(1), self.peek(2), self.peek(3)) {
                (Some('P'), Some('<'), Some(_)) => Some(3),
                (Some('<'), Some(_), _) => Some(2),
                _ => None,
            };
            self.at = self.at.saturating_add(name_at.unwrap_or(1));
            match name_at {
                Some(_) => Some(Some(self.name()?)),
                // Flags alone open no group.
                None if !self.flags()? => return Ok(()),
                None => None,
            }
        } else {
            Some(None)
        };
        let capture = capture.map(|name| {
            self.names.push(name);
            self.names.len().saturating_sub(1)
        });
        let (done, alternatives) = (std::mem::take(&mut self.items), std::mem::take(&mut self.alternatives));
        self.open.push(Open { capture, flags, done, alternatives });
        if self.open.len() > usize::try_from(MAX_DEPTH).unwrap_or(0) {
            return Err(Fault::Large);
        }
        Ok(())
    }

    fn name(&mut self) -> Result<String, Fault> {
        let mut name = String::new();
        loop {
            match self.next() {
                Some('>') if !name.is_empty() => return Ok(name),
                Some(c) if c == '_' || c.is_ascii_alphanumeric() => name.push(c),
                _ => return Err(Fault::Syntax),
            }
        }
    }

    /// What follows `(?`: whether it opens a group.
    fn flags(&mut self) -> Result<bool, Fault> {
        let (mut flags, mut on, mut seen) = (self.flags, true, false);
        loop {
            match self.next().ok_or(Fault::Syntax)? {
                'i' => flags.fold = on,
                'm' => flags.lines = on,
                's' => flags.dot_all = on,
                'U' => flags.lazy = on,
                '-' if on => {
                    (on, seen) = (false, false);
                    continue;
                }
                end @ (':' | ')') if on || seen => {
                    self.flags = flags;
                    return Ok(end == ':');
                }
                _ => return Err(Fault::Syntax),
            }
            seen = true;
        }
    }

    fn repeat(&mut self, min: u32, max: Option<u32>, counted: bool, repeated: bool) -> Result<bool, Fault> {
        let lazy = self.next_is('?') != self.flags.lazy;
        if repeated {
            return Err(Fault::Syntax);
        }
        let item = self.items.pop().ok_or(Fault::Syntax)?;
        let counts = if counted {
            Counts(vec![(max.unwrap_or(min), item.counts.clone())])
        } else {
            item.counts.clone()
        };
        if counted && (min >= 2 || max.is_some_and(|max| max >= 2)) && !counts.fit(MAX_REPEAT) {
            return Err(Fault::Syntax);
        }
        let repeat = |node| Node::Repeat { node: Box::new(node), min, max, greedy: !lazy };
        let mut item = deeper(item, repeat)?;
        item.counts = counts;
        self.items.push(item);
        Ok(true)
    }

    /// What follows `{`, if it is a repetition.
    fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>, Fault> {
        let start = self.at;
        let counts = self.count().and_then(|min| {
            let max = match (self.next_is(','), self.peek(0)) {
                (false, _) => Some(min),
                (true, Some('}')) => None,
                (true, _) => Some(self.count()?),
            };
            self.next_is('}').then_some((min, max))
        });
        match counts {
            None => {
                self.at = start;
                Ok(None)
            }
            Some((min, max)) if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || max < min) => {
                Err(Fault::Syntax)
            }
            found => Ok(found),
        }
    }

    /// A decimal number without leading zeros; a large one is as good as any other.
    fn count(&mut self) -> Option<u32> {
        if self.peek(0) == Some('0') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
            return None;
        }
        let mut value = None;
        while let Some(digit) = self.peek(0).filter(char::is_ascii_digit).and_then(|c| c.to_digit(10)) {
            self.at = self.at.saturating_add(1);
            value = Some(value.unwrap_or(0_u32).saturating_mul(10).saturating_add(digit));
        }
        value
    }
}

fn deeper(item: Item, wrap: impl FnOnce(Node) -> Node) -> Result<Item, Fault> {
    let depth = item.depth.saturating_add(1);
    if depth > MAX_DEPTH {
        return Err(Fault::Large);
    }
    Ok(Item { node: wrap(item.node), depth, counts: item.counts })
}

fn concat(items: Vec<Item>) -> Result<Item, Fault> {
    join(items, Node::Concat)
}

fn join(mut items: Vec<Item>, wrap: impl FnOnce(Vec<Node>) -> Node) -> Result<Item, Fault> {
    if items.len() <= 1 {
        let empty = Item { node: Node::Empty, depth: 1, counts: Counts::default() };
        return Ok(items.pop().unwrap_or(empty));
    }
    let depth = items.iter().map(|item| item.depth).max().unwrap_or(0).saturating_add(1);
    if depth > MAX_DEPTH {
        return Err(Fault::Large);
    }
    let (nodes, counts): (Vec<_>, Vec<_>) = items.into_iter().map(|item| (item.node, item.counts)).unzip();
    let counts = Counts(counts.into_iter().flat_map(|counts| counts.0).collect());
    Ok(Item { node: wrap(nodes), depth, counts })
}
