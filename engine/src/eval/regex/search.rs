//! Searches a text for a program.

use super::parse::Look;
use super::program::{Regex, State, index};

/// Bits of memory for what has been visited: a megabyte.
const MAX_VISITS: usize = 1 << 23;

/// Where the groups of a match are, in bytes.
pub(in super::super) type Match = Vec<Option<(usize, usize)>>;

/// The text is too long for the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct TooLong;

enum Job {
    Visit(u32, usize),
    /// A mark as it was before.
    Restore(u32, Option<usize>),
}

struct Search<'r, 't> {
    regex: &'r Regex,
    text: &'t str,
    /// A bit for every state at every position.
    visited: Vec<u64>,
    jobs: Vec<Job>,
    marks: Vec<Option<usize>>,
}

impl Regex {
    /// Whether the pattern is anywhere in `text`.
    pub(in super::super) fn is_match(&self, text: &str) -> Result<bool, TooLong> {
        if let Some(rest) = self.literal(text) {
            return Ok(rest);
        }
        Ok(Search::new(self, text, 0)?.find(0).is_some())
    }

    /// The answer where the prefix alone says it.
    fn literal(&self, text: &str) -> Option<bool> {
        if self.prefix.is_empty() {
            return None;
        }
        let found = if self.anchored { text.starts_with(&self.prefix) } else { text.contains(&self.prefix) };
        if found { None } else { Some(false) }
    }

    /// The matches from the left, none overlapping, and nothing right after another match; up to `limit`.
    pub(in super::super) fn find_all(&self, text: &str, limit: usize) -> Result<Vec<Match>, TooLong> {
        let mut found: Vec<Match> = Vec::new();
        let mut search = Search::new(self, text, self.groups().saturating_mul(2))?;
        let (mut at, mut before) = (0_usize, None);
        while found.len() < limit && at <= text.len() {
            let Some((start, end)) = search.find(at) else { break };
            let accepted = end != at || before != Some(start);
            at = if end == at { next(text, at) } else { end };
            before = Some(end);
            if accepted {
                let groups = search.marks.chunks(2).map(|pair| match pair {
                    [Some(from), Some(to)] => Some((*from, *to)),
                    _ => None,
                });
                found.push(std::iter::once(Some((start, end))).chain(groups.skip(1)).collect());
            }
            search.forget(end);
        }
        Ok(found)
    }
}

/// The position after the character at `at`, or after the end.
fn next(text: &str, at: usize) -> usize {
    let width = text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
    at.saturating_add(width)
}

impl<'r, 't> Search<'r, 't> {
    fn new(regex: &'r Regex, text: &'t str, marks: usize) -> Result<Self, TooLong> {
        let bits = regex.states.len().saturating_mul(text.len().saturating_add(1));
        if bits > MAX_VISITS {
            return Err(TooLong);
        }
        Ok(Self {
            regex,
            text,
            visited: vec![0; bits.div_ceil(64)],
            jobs: Vec::new(),
            marks: vec![None; marks],
        })
    }

    /// The match that begins leftmost at or after `from`, and of those the preferred one.
    fn find(&mut self, from: usize) -> Option<(usize, usize)> {
        let mut start = from;
        loop {
            if self.regex.anchored && start > 0 {
                return None;
            }
            if !self.regex.prefix.is_empty() && !self.regex.anchored {
                start = start.saturating_add(self.text.get(start..)?.find(&self.regex.prefix)?);
            }
            if let Some(end) = self.from(start) {
                return Some((start, end));
            }
            start = next(self.text, start);
            if start > self.text.len() {
                return None;
            }
        }
    }

    /// Notes a visit; whether it is the first.
    fn visit(&mut self, state: u32, at: usize) -> bool {
        let bit = at.saturating_mul(self.regex.states.len()).saturating_add(index(state));
        let Some(word) = self.visited.get_mut(bit / 64) else { return false };
        let mask = 1_u64 << (bit % 64);
        let first = *word & mask == 0;
        *word |= mask;
        first
    }

    /// Forgets what was visited at a position: there the match before ended. What was visited further on
    /// led nowhere, and will not the next time.
    fn forget(&mut self, at: usize) {
        let states = self.regex.states.len();
        let first = at.saturating_mul(states);
        for bit in first..first.saturating_add(states) {
            if let Some(word) = self.visited.get_mut(bit / 64) {
                *word &= !(1_u64 << (bit % 64));
            }
        }
    }

    /// The end of the preferred match that begins at `start`.
    fn from(&mut self, start: usize) -> Option<usize> {
        self.jobs.clear();
        self.marks.fill(None);
        self.jobs.push(Job::Visit(self.regex.start, start));
        while let Some(job) = self.jobs.pop() {
            match job {
                Job::Restore(slot, before) => {
                    if let Some(mark) = self.marks.get_mut(index(slot)) {
                        *mark = before;
                    }
                }
                Job::Visit(state, at) => {
                    if let Some(end) = self.follow(state, at) {
                        return Some(end);
                    }
                }
            }
        }
        None
    }

    /// Goes on from a state until there is no way, leaving what to try next as jobs.
    fn follow(&mut self, mut state: u32, mut at: usize) -> Option<usize> {
        while self.visit(state, at) {
            state = match *self.regex.states.get(index(state))? {
                State::Match => return Some(at),
                State::Never => return None,
                State::Split(first, second) => {
                    self.jobs.push(Job::Visit(second, at));
                    first
                }
                State::Mark(slot, next) => {
                    if let Some(mark) = self.marks.get_mut(index(slot)) {
                        self.jobs.push(Job::Restore(slot, *mark));
                        *mark = Some(at);
                    }
                    next
                }
                State::Look(look, next) => {
                    if !self.holds(look, at) {
                        return None;
                    }
                    next
                }
                State::Char(wanted, next) => {
                    at = at.saturating_add(self.char(at, |c| c == wanted)?);
                    next
                }
                State::Class(class, next) => {
                    let class = self.regex.classes.get(index(class))?;
                    at = at.saturating_add(self.char(at, |c| class.has(c))?);
                    next
                }
                State::Line(next) => {
                    at = at.saturating_add(self.char(at, |c| c != '\n')?);
                    next
                }
                State::Any(next) => {
                    at = at.saturating_add(self.char(at, |_| true)?);
                    next
                }
            };
        }
        None
    }

    /// The width of the character at `at`, if there is one that is wanted.
    fn char(&self, at: usize, wanted: impl Fn(char) -> bool) -> Option<usize> {
        let byte = *self.text.as_bytes().get(at)?;
        let c = if byte < 128 { char::from(byte) } else { self.text.get(at..)?.chars().next()? };
        wanted(c).then(|| c.len_utf8())
    }

    fn holds(&self, look: Look, at: usize) -> bool {
        let bytes = self.text.as_bytes();
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at);
        let word = |byte: Option<&u8>| byte.is_some_and(|b| *b == b'_' || b.is_ascii_alphanumeric());
        match look {
            Look::LineStart => before.is_none_or(|b| *b == b'\n'),
            Look::LineEnd => after.is_none_or(|b| *b == b'\n'),
            Look::TextStart => at == 0,
            Look::TextEnd => at == bytes.len(),
            Look::Word => word(before) != word(after),
            Look::NotWord => word(before) == word(after),
        }
    }
}
