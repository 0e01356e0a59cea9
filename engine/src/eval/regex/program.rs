//! From what a pattern means to the states that are searched.

use super::parse::{self, Look, Node};
use super::set::Class;
use super::{Fault, MAX_STATES};

/// A state; what it holds last is the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The end of the pattern.
    Match,
    /// One character.
    Char(char, u32),
    /// A character of a class, by its index.
    Class(u32, u32),
    /// Any character but a line end.
    Line(u32),
    /// Any character.
    Any(u32),
    /// A code point that no text has.
    Never,
    /// A condition on the position.
    Look(Look, u32),
    /// Where a group begins or ends.
    Mark(u32, u32),
    /// The first if it leads to a match, else the second.
    Split(u32, u32),
}

/// A compiled pattern.
#[derive(Debug)]
pub(in super::super) struct Regex {
    pub(super) states: Vec<State>,
    pub(super) classes: Vec<Class>,
    pub(super) start: u32,
    /// It begins with `^`.
    pub(super) anchored: bool,
    /// What every match begins with.
    pub(super) prefix: String,
    names: Vec<Option<String>>,
    work: u64,
}

impl Regex {
    /// Compiles `pattern`.
    pub(in super::super) fn new(pattern: &str) -> Result<Self, Fault> {
        let parsed = parse::parse(pattern)?;
        Self::compile(&parsed.node, parsed.names, parsed.work)
    }

    fn compile(node: &Node, names: Vec<Option<String>>, work: u64) -> Result<Self, Fault> {
        let mut compiler = Compiler { states: vec![State::Match], classes: Vec::new() };
        let start = compiler.node(node, 0)?;
        let Compiler { states, classes } = compiler;
        let (anchored, prefix) = beginning(&states, start);
        Ok(Self { states, classes, start, anchored, prefix, names, work })
    }

    /// A program that matches all of a text: the parts one after another.
    pub(in super::super) fn whole(parts: Vec<Node>) -> Result<Self, Fault> {
        let ends = [Node::Look(Look::TextStart), Node::Look(Look::TextEnd)];
        let [start, end] = ends;
        let all = std::iter::once(start).chain(parts).chain(std::iter::once(end)).collect();
        Self::compile(&Node::Concat(all), vec![None], 0)
    }

    /// Groups, the whole match included.
    pub(in super::super) fn groups(&self) -> usize {
        self.names.len()
    }

    /// The first group of a name that `wanted` takes, in order.
    pub(in super::super) fn named<'r>(&'r self, name: &'r str) -> impl Iterator<Item = usize> + 'r {
        self.names.iter().enumerate().filter(move |(_, own)| own.as_deref() == Some(name)).map(|(at, _)| at)
    }

    /// Number of states.
    pub(in super::super) fn states(&self) -> u64 {
        u64::try_from(self.states.len()).unwrap_or(u64::MAX)
    }

    /// What compiling it took, in about 10 ns.
    pub(in super::super) fn work(&self) -> u64 {
        self.work.saturating_add(self.states())
    }
}

/// Whether a program begins at the start of the text only, and the characters it begins with.
fn beginning(states: &[State], start: u32) -> (bool, String) {
    let (mut anchored, mut prefix) = (false, String::new());
    let mut at = start;
    while let Some(state) = states.get(index(at)) {
        at = match state {
            State::Mark(_, next) => *next,
            State::Look(Look::TextStart, next) if prefix.is_empty() => {
                anchored = true;
                *next
            }
            State::Char(c, next) => {
                prefix.push(*c);
                *next
            }
            _ => break,
        };
    }
    (anchored, prefix)
}

pub(super) fn index(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

struct Compiler {
    states: Vec<State>,
    classes: Vec<Class>,
}

impl Compiler {
    fn push(&mut self, state: State) -> Result<u32, Fault> {
        if self.states.len() >= MAX_STATES {
            return Err(Fault::Large);
        }
        self.states.push(state);
        u32::try_from(self.states.len().saturating_sub(1)).map_err(|_| Fault::Large)
    }

    /// The first state of `node` when `next` follows it. Nodes nest to a known depth.
    fn node(&mut self, node: &Node, next: u32) -> Result<u32, Fault> {
        match node {
            Node::Empty => Ok(next),
            Node::Char(c) => self.push(char::from_u32(*c).map_or(State::Never, |c| State::Char(c, next))),
            Node::Class(ranges) => self.class(ranges, next),
            Node::Look(look) => self.push(State::Look(*look, next)),
            Node::Capture(group, inner) => {
                let slot = u32::try_from(*group).map_err(|_| Fault::Large)?.saturating_mul(2);
                let end = self.push(State::Mark(slot.saturating_add(1), next))?;
                let start = self.node(inner, end)?;
                self.push(State::Mark(slot, start))
            }
            Node::Concat(nodes) => nodes.iter().rev().try_fold(next, |next, node| self.node(node, next)),
            Node::Alternate(nodes) => {
                let mut starts = Vec::with_capacity(nodes.len());
                for node in nodes {
                    starts.push(self.node(node, next)?);
                }
                let last = starts.pop().unwrap_or(next);
                starts.into_iter().rev().try_fold(last, |rest, start| self.push(State::Split(start, rest)))
            }
            Node::Repeat { node, min, max, greedy } => self.repeat(node, *min, *max, *greedy, next),
        }
    }

    fn class(&mut self, ranges: &[(u32, u32)], next: u32) -> Result<u32, Fault> {
        match ranges {
            [(low, high)] if low == high => return self.node(&Node::Char(*low), next),
            [(0, high)] if *high >= super::super::unicode::MAX => return self.push(State::Any(next)),
            [(0, 9), (11, high)] if *high >= super::super::unicode::MAX => {
                return self.push(State::Line(next));
            }
            _ => {}
        }
        let class = Class::new(ranges);
        let at = match self.classes.iter().position(|known| *known == class) {
            Some(at) => at,
            None => {
                self.classes.push(class);
                self.classes.len().saturating_sub(1)
            }
        };
        let at = u32::try_from(at).map_err(|_| Fault::Large)?;
        self.push(State::Class(at, next))
    }

    fn split(&mut self, first: u32, second: u32, greedy: bool) -> Result<u32, Fault> {
        self.push(if greedy { State::Split(first, second) } else { State::Split(second, first) })
    }

    /// As Go writes repetitions out: `x{2,}` is `xx+`, `x{1,3}` is `x(x(x)?)?`.
    fn repeat(
        &mut self,
        node: &Node,
        min: u32,
        max: Option<u32>,
        greedy: bool,
        next: u32,
    ) -> Result<u32, Fault> {
        // Nothing is the same however often, and a repetition of the same kind needs no other around it.
        if matches!(simple(node), Node::Empty) {
            return Ok(next);
        }
        let same = |wanted_min: u32, wanted_max: Option<u32>| {
            matches!(simple(node), Node::Repeat { min, max, greedy: own, .. }
                if (*min, *max) == (wanted_min, wanted_max) && *own == greedy)
        };
        let copies = match (min, max) {
            (_, None) if min <= 1 && same(min, None) => return self.node(node, next),
            (0, None) => return self.star(node, greedy, next),
            (min, None) => {
                let start =
                    if same(1, None) { self.node(node, next)? } else { self.plus(node, greedy, next)? };
                (start, min.saturating_sub(1))
            }
            (min, Some(max)) => {
                let mut start = next;
                for optional in min..max {
                    let inner = self.node(node, start)?;
                    start = if optional == min && same(0, Some(1)) {
                        inner
                    } else {
                        self.split(inner, next, greedy)?
                    };
                }
                (start, min)
            }
        };
        (0..copies.1).try_fold(copies.0, |next, _| self.node(node, next))
    }

    fn star(&mut self, node: &Node, greedy: bool, next: u32) -> Result<u32, Fault> {
        if nullable(node) {
            // A repetition of what may be nothing is `(x+)?`, for the order of preference to be right.
            let start = self.plus(node, greedy, next)?;
            return self.split(start, next, greedy);
        }
        let (split, start) = self.turn(node, greedy, next)?;
        self.set(split, start, next, greedy);
        Ok(split)
    }

    fn plus(&mut self, node: &Node, greedy: bool, next: u32) -> Result<u32, Fault> {
        let (split, start) = self.turn(node, greedy, next)?;
        self.set(split, start, next, greedy);
        Ok(start)
    }

    /// A state that goes round again, and where that begins.
    fn turn(&mut self, node: &Node, greedy: bool, next: u32) -> Result<(u32, u32), Fault> {
        let split = self.split(next, next, greedy)?;
        Ok((split, self.node(node, split)?))
    }

    fn set(&mut self, split: u32, start: u32, next: u32, greedy: bool) {
        if let Some(state) = self.states.get_mut(index(split)) {
            *state = if greedy { State::Split(start, next) } else { State::Split(next, start) };
        }
    }
}

/// What `x{1}` and `x{0}` are, looked through.
fn simple(node: &Node) -> &Node {
    match node {
        Node::Repeat { min: 0, max: Some(0), .. } => &Node::Empty,
        Node::Repeat { node, min: 1, max: Some(1), .. } => simple(node),
        Node::Repeat { node: inner, .. } if matches!(simple(inner), Node::Empty) => &Node::Empty,
        node => node,
    }
}

/// Whether a node may match nothing; a condition counts as nothing.
fn nullable(node: &Node) -> bool {
    match node {
        Node::Empty | Node::Look(_) => true,
        Node::Char(_) | Node::Class(_) => false,
        Node::Capture(_, node) => nullable(node),
        Node::Repeat { node, min, .. } => *min == 0 || nullable(node),
        Node::Concat(nodes) => nodes.iter().all(nullable),
        Node::Alternate(nodes) => nodes.iter().any(nullable),
    }
}
