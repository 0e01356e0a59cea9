//! From paths to templates. A place becomes `{id}` where enough different ids were seen in it, and only there; a
//! path whose ids are too few stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use super::look;
use super::tally::Seen;

/// A template, or a path that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// As it is written in a declaration.
    pub(super) text: String,
    pub(super) kind: Kind,
    /// Whether it stands for more paths than are kept.
    pub(super) more: bool,
    pub(super) seen: Seen,
    /// The paths that it stands for, the most frequent first.
    pub(super) paths: Vec<(String, u64)>,
}

/// What a template is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A path, word for word.
    Literal,
    /// A path that looks as if it had ids, of which too few were seen.
    FewIds,
    /// It has variables.
    Variable,
    /// It ends in `{**}`, as was asked for.
    Open,
}

/// What is enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence<'o> {
    /// Different values of a variable.
    pub(super) min_values: usize,
    /// Different words in one place that make it a variable; 0 for never.
    pub(super) vary: usize,
    /// Beginnings of paths, with a slash at the end, below which all is meant.
    pub(super) open: &'o [String],
}

struct Path<'p> {
    text: &'p str,
    /// After the leading slash.
    segments: Vec<&'p str>,
    /// Which of them are variable.
    mask: Vec<bool>,
    seen: Seen,
}

/// The templates of what one caller asked by one method.
pub(super) fn generalise(paths: &BTreeMap<String, Seen>, evidence: Evidence<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    let mut rest: Vec<Path<'_>> = paths
        .iter()
        .map(|(text, seen)| {
            let segments: Vec<&str> = text.strip_prefix('/').unwrap_or(text).split('/').collect();
            let mask = segments.iter().map(|segment| look::is_id(segment)).collect();
            Path { text, segments, mask, seen: *seen }
        })
        .collect();
    for prefix in evidence.open {
        let (below, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|path| path.text.starts_with(prefix.as_str()));
        rest = others;
        if below.len() >= evidence.min_values.max(1) {
            found.push(Found::new(format!("{prefix}{{**}}"), Kind::Open, &below));
        } else {
            rest.extend(below);
        }
    }
    vary(&mut rest, evidence.vary);
    let mut alike: BTreeMap<(usize, Vec<Option<&str>>), Vec<Path<'_>>> = BTreeMap::new();
    for path in rest {
        alike.entry((path.segments.len(), path.shape())).or_default().push(path);
    }
    for group in alike.into_values() {
        settle(group, evidence.min_values.max(1), &mut found);
    }
    found.sort_by(|a, b| a.text.cmp(&b.text));
    found
}

/// Makes places variable that have very many different words below the same beginning. Never the first: all that a
/// service has would be one variable.
fn vary(paths: &mut [Path<'_>], least: usize) {
    let longest = paths.iter().map(|path| path.segments.len()).max().unwrap_or(0);
    if least == 0 {
        return;
    }
    for at in 1..longest {
        let mut words: BTreeMap<Vec<Option<&str>>, BTreeSet<&str>> = BTreeMap::new();
        for path in paths.iter() {
            if let Some(word) = path.word(at) {
                words.entry(path.before(at)).or_default().insert(word);
            }
        }
        words.retain(|_, words| words.len() >= least);
        if words.is_empty() {
            continue;
        }
        for path in paths.iter_mut() {
            let is_variable = path.word(at).is_some() && words.contains_key(&path.before(at));
            if let Some(mask) = path.mask.get_mut(at).filter(|_| is_variable) {
                *mask = true;
            }
        }
    }
}

/// A group of paths of one shape: a template if each of its places has enough values; else the place that has the
/// fewest is no variable, and what is left is looked at value by value.
fn settle(group: Vec<Path<'_>>, least: usize, found: &mut Vec<Found>) {
    let Some(first) = group.first() else { return };
    let places = first.mask.iter().enumerate().filter(|(_, is_variable)| **is_variable).map(|(at, _)| at);
    let values = |at: usize| {
        group.iter().filter_map(|path| path.segments.get(at).copied()).collect::<BTreeSet<&str>>().len()
    };
    let weakest = places.map(|at| (values(at), at)).min();
    match weakest {
        None => found.extend(group.iter().map(|path| {
            let kind = if path.segments.iter().any(|segment| look::is_id(segment)) {
                Kind::FewIds
            } else {
                Kind::Literal
            };
            Found::new(path.text.to_owned(), kind, std::slice::from_ref(path))
        })),
        Some((count, _)) if count >= least => {
            found.push(Found::new(first.template(), Kind::Variable, &group))
        }
        Some((_, at)) => {
            let mut by_value: BTreeMap<&str, Vec<Path<'_>>> = BTreeMap::new();
            for mut path in group {
                if let Some(mask) = path.mask.get_mut(at) {
                    *mask = false;
                }
                if let Some(value) = path.segments.get(at).copied() {
                    by_value.entry(value).or_default().push(path);
                }
            }
            by_value.into_values().for_each(|group| settle(group, least, found));
        }
    }
}

impl<'p> Path<'p> {
    fn parts(&self) -> impl Iterator<Item = Option<&'p str>> {
        self.segments.iter().zip(&self.mask).map(|(segment, is_variable)| (!is_variable).then_some(*segment))
    }

    fn shape(&self) -> Vec<Option<&'p str>> {
        self.parts().collect()
    }

    fn before(&self, at: usize) -> Vec<Option<&'p str>> {
        self.parts().take(at).collect()
    }

    /// The segment at a place, if it is no variable, nor the nothing after a slash at the end.
    fn word(&self, at: usize) -> Option<&'p str> {
        let segment = self.segments.get(at).copied().filter(|segment| !segment.is_empty());
        segment.filter(|_| self.mask.get(at) == Some(&false))
    }

    fn template(&self) -> String {
        let mut count = 0_u32;
        let mut text = String::new();
        for part in self.parts() {
            text.push('/');
            match part {
                Some(segment) => text.push_str(segment),
                None => {
                    count += 1;
                    text.push_str(&if count == 1 { "{id}".to_owned() } else { format!("{{id{count}}}") });
                }
            }
        }
        text
    }
}

impl Found {
    fn new(text: String, kind: Kind, group: &[Path<'_>]) -> Self {
        let mut seen = Seen::NEVER;
        group.iter().for_each(|path| seen.add(path.seen));
        let mut paths: Vec<(String, u64)> =
            group.iter().map(|path| (path.text.to_owned(), path.seen.count)).collect();
        paths.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Self { text, kind, more: false, seen, paths }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates(paths: &[&str], evidence: Evidence<'_>) -> Vec<String> {
        let paths = paths.iter().map(|path| ((*path).to_owned(), Seen::once(None))).collect();
        generalise(&paths, evidence).into_iter().map(|found| found.text).collect()
    }

    const THREE: Evidence<'_> = Evidence { min_values: 3, vary: 10, open: &[] };

    #[test]
    fn enough_values_make_a_variable() {
        let found = templates(&["/users/1", "/users/2", "/users/3", "/users/me", "/users", "/users/"], THREE);
        assert_eq!(found, ["/users", "/users/", "/users/me", "/users/{id}"]);
        assert_eq!(templates(&["/users/1", "/users/2"], THREE), ["/users/1", "/users/2"]);
        let found = templates(&["/a/1/b/1", "/a/2/b/1", "/a/3/b/1", "/a/3/b/2"], THREE);
        assert_eq!(found, ["/a/3/b/2", "/a/{id}/b/1"]);
        let found = templates(&["/a/1/b/1", "/a/2/b/2", "/a/3/b/3"], THREE);
        assert_eq!(found, ["/a/{id}/b/{id2}"]);
    }

    #[test]
    fn many_words_make_a_variable_but_not_the_first() {
        let words: Vec<String> =
            (b'a'..=b'j').map(|letter| format!("/p/w{}/x", char::from(letter))).collect();
        let mut paths: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(templates(&paths, THREE), ["/p/{id}/x"]);
        assert_eq!(templates(&paths, Evidence { vary: 0, ..THREE }).len(), 10);
        assert_eq!(templates(&paths, Evidence { vary: 11, ..THREE }).len(), 10);
        paths.push("/p/other/y");
        assert_eq!(templates(&paths, THREE), ["/p/other/y", "/p/{id}/x"]);
        let words: Vec<String> = (b'a'..=b'z').map(|letter| format!("/w{}", char::from(letter))).collect();
        let paths: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(templates(&paths, THREE).len(), 26);
    }

    #[test]
    fn open_ends_are_asked_for() {
        let paths = ["/s/a/b.css", "/s/c.js", "/s/d/", "/s", "/t/a"];
        let open = ["/s/".to_owned()];
        assert_eq!(templates(&paths, Evidence { open: &open, ..THREE }), ["/s", "/s/{**}", "/t/a"]);
        let found = templates(&["/s/a", "/s/b"], Evidence { open: &open, ..THREE });
        assert_eq!(found, ["/s/a", "/s/b"]);
    }
}
