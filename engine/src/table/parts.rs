//! A table as it is kept: what is small as values, what is large as places in an [`Arena`].

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::lookup::Lookup;
use super::sets::SetAt;
use super::spec::{Piece, Status};
use super::{Arena, KNOWN, MAX_PARTS, Reads};
use crate::decision::is_header_name;
use crate::needs::{Group, Needs};

/// All of it but the arena.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parts {
    /// Other names of the own trust domain.
    pub(super) own_names: Lookup,
    pub(super) allow: Option<Side>,
    pub(super) deny: Option<Side>,
    /// What denies in any case.
    pub(super) base: Option<Side>,
    pub(super) status: Status,
    /// Of the request and of the response.
    pub(super) changes: Option<[Changes; 2]>,
}

/// What allows, or what denies.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Side {
    pub(super) clauses: Vec<Clause>,
    /// The numbers that methods have in the clauses.
    pub(super) methods: Lookup,
    pub(super) callers: Callers,
    /// Clauses of every path.
    pub(super) every: Option<SetAt>,
    pub(super) exact: Lookup,
    /// By the number of a path's parts.
    pub(super) closed: Vec<Vec<Shape>>,
    /// Of paths that may go on.
    pub(super) open: Vec<Shape>,
}

/// The clauses of each caller. Keys are pieces of a principal as it stands: `NS/sa/SA` is one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Callers {
    pub(super) own_account: Lookup,
    pub(super) own_namespace: Lookup,
    pub(super) account: Lookup,
    pub(super) namespace: Lookup,
    pub(super) trust_domain: Lookup,
    pub(super) principal: Lookup,
    pub(super) authenticated: Option<SetAt>,
    pub(super) anonymous: Option<SetAt>,
    pub(super) everyone: Option<SetAt>,
}

/// Paths with variables at the same places, by their other parts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Shape {
    /// How many parts are looked at.
    pub(super) parts: u8,
    /// How many a path must have.
    pub(super) least: u32,
    /// A bit for each part that is text, the first one's the lowest.
    pub(super) literal: u32,
    pub(super) paths: Lookup,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Clause {
    pub(super) methods: Option<SetAt>,
    pub(super) tests: Vec<Test>,
}

/// See [`super::spec::Test`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Test {
    HeaderBegins(String, String),
    HeaderExact(String, String),
    HeaderPrefix(String, String),
    HeaderPresent(String),
    HeaderAbsent(String),
    Host(Lookup, Vec<String>),
    Port(SetAt),
    Source(Vec<(IpAddr, u8)>),
    Metadata(String, Vec<String>, Lookup),
}

/// What happens to one side's headers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Changes {
    /// In the order of their names.
    pub(super) set: Vec<(String, Vec<Piece>)>,
    pub(super) remove: Vec<String>,
}

type Checked = Result<(), &'static str>;

impl Parts {
    /// The parts and the arena of bytes, not checked.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, Arena)> {
        let (parts, rest) = postcard::take_from_bytes::<Self>(bytes).ok()?;
        let ((sets, words, text), rest) = postcard::take_from_bytes::<(u32, u32, u32)>(rest).ok()?;
        let (sets, rest) = numbers(rest, sets)?;
        let (words, rest) = numbers(rest, words)?;
        let text = (usize::try_from(text).ok()? == rest.len()).then(|| rest.to_vec())?;
        Some((parts, Arena { sets, words, text }))
    }

    /// Checks every place in it.
    pub(super) fn check(&self, arena: &Arena) -> Checked {
        let Self { own_names, allow, deny, base, status: _, changes } = self;
        let mut check = Check { arena, sets: bounds(arena)?, left: arena.words.len() };
        check.lookup(own_names, |_| true)?;
        for side in [allow, deny, base].into_iter().flatten() {
            check.side(side)?;
        }
        for Changes { set, remove } in changes.iter().flatten() {
            let names = set.iter().map(|(name, _)| name).chain(remove);
            if !names.into_iter().all(|name| is_header_name(name)) {
                return Err("a table changes a header that cannot be");
            }
            if !set.is_sorted_by(|(a, _), (b, _)| a < b) {
                return Err("headers of a table are out of order");
            }
        }
        Ok(())
    }

    /// What it looks at.
    pub(super) fn reads(&self) -> Reads {
        let Self { own_names: _, allow, deny, base, status: _, changes } = self;
        let mut groups = vec![Group::Http];
        let (mut every_header, mut filters) = (false, BTreeSet::new());
        if allow.is_some() || base.is_some() {
            groups.extend([Group::SourceNames, Group::SourcePrincipal]);
        }
        for side in [allow, deny, base].into_iter().flatten() {
            let Callers { own_account, own_namespace, .. } = &side.callers;
            if own_account.entries > 0 || own_namespace.entries > 0 {
                groups.push(Group::DestinationPrincipal);
            }
            for test in side.clauses.iter().flat_map(|clause| &clause.tests) {
                match test {
                    Test::HeaderBegins(..) => groups.push(Group::Headers),
                    Test::HeaderExact(..)
                    | Test::HeaderPrefix(..)
                    | Test::HeaderPresent(_)
                    | Test::HeaderAbsent(_) => {
                        groups.push(Group::Headers);
                        every_header = true;
                    }
                    Test::Host(..) => {}
                    Test::Port(_) => groups.push(Group::DestinationAddress),
                    Test::Source(_) => groups.push(Group::SourceAddress),
                    Test::Metadata(filter, ..) => {
                        groups.push(Group::Metadata);
                        filters.insert(filter.clone());
                    }
                }
            }
        }
        let pieces = changes.iter().flatten().flat_map(|changes| &changes.set).flat_map(|(_, pieces)| pieces);
        for piece in pieces {
            match piece {
                Piece::Text(_) | Piece::Principal => {}
                Piece::Namespace | Piece::ServiceAccount => groups.push(Group::DestinationPrincipal),
                Piece::Header(_) => groups.push(Group::Headers),
            }
        }
        Reads {
            groups: Needs::of_groups(groups, filters),
            known: Needs::of_groups(KNOWN, BTreeSet::new()),
            every_header,
        }
    }
}

struct Check<'a> {
    arena: &'a Arena,
    /// Where sets begin, and one more than their largest numbers.
    sets: Vec<(u32, u64)>,
    /// Words that lookups may still have: two that share theirs would be gone through twice.
    left: usize,
}

impl Check<'_> {
    fn side(&mut self, side: &Side) -> Checked {
        let Side { clauses, methods, callers, every, exact, closed, open } = side;
        let count = u64::try_from(clauses.len()).unwrap_or(u64::MAX);
        self.lookup(methods, |_| true)?;
        let Callers {
            own_account,
            own_namespace,
            account,
            namespace,
            trust_domain,
            principal,
            authenticated,
            anonymous,
            everyone,
        } = callers;
        for lookup in [own_account, own_namespace, account, namespace, trust_domain, principal, exact] {
            self.sets_of(lookup, count)?;
        }
        for set in [authenticated, anonymous, everyone, every].into_iter().flatten() {
            self.set(*set, count)?;
        }
        for (parts, shapes) in closed.iter().enumerate() {
            for shape in shapes {
                if usize::from(shape.parts) != parts {
                    return Err("a shape is not where it belongs");
                }
                self.shape(shape, count)?;
            }
        }
        open.iter().try_for_each(|shape| self.shape(shape, count))?;
        for Clause { methods, tests } in clauses {
            methods.iter().try_for_each(|set| self.set(*set, u64::MAX))?;
            for test in tests {
                match test {
                    Test::Host(texts, _) | Test::Metadata(_, _, texts) => self.lookup(texts, |_| true)?,
                    Test::Port(set) => self.set(*set, 1 << 16)?,
                    Test::Source(networks) => networks.iter().try_for_each(|(address, length)| {
                        let most = if address.is_ipv4() { 32 } else { 128 };
                        if *length > most { Err("a network is longer than an address") } else { Ok(()) }
                    })?,
                    Test::HeaderBegins(..)
                    | Test::HeaderExact(..)
                    | Test::HeaderPrefix(..)
                    | Test::HeaderPresent(_)
                    | Test::HeaderAbsent(_) => {}
                }
            }
        }
        Ok(())
    }

    fn shape(&mut self, shape: &Shape, clauses: u64) -> Checked {
        let Shape { parts, least, literal, paths } = shape;
        let beyond = literal.checked_shr(u32::from(*parts)).unwrap_or(0);
        if usize::from(*parts) > MAX_PARTS || u32::from(*parts) > *least || beyond != 0 {
            return Err("a shape has parts that cannot be");
        }
        self.sets_of(paths, clauses)
    }

    /// A lookup of sets of clauses.
    fn sets_of(&mut self, lookup: &Lookup, clauses: u64) -> Checked {
        self.charge(lookup)?;
        lookup.check(self.arena, |value| self.set(SetAt(value), clauses).is_ok())
    }

    fn lookup(&mut self, lookup: &Lookup, is_value: impl Fn(u32) -> bool) -> Checked {
        self.charge(lookup)?;
        lookup.check(self.arena, is_value)
    }

    fn charge(&mut self, lookup: &Lookup) -> Checked {
        let size = usize::try_from(lookup.entries.saturating_add(lookup.buckets)).unwrap_or(usize::MAX);
        self.left = self.left.checked_sub(size).ok_or("lookups share their words")?;
        Ok(())
    }

    fn set(&self, SetAt(at): SetAt, bound: u64) -> Checked {
        let found = self.sets.binary_search_by_key(&at, |(at, _)| *at).ok();
        match found.and_then(|found| self.sets.get(found)) {
            Some((_, own)) if *own <= bound => Ok(()),
            Some(_) => Err("a set has a number that is out of range"),
            None => Err("a set is out of range"),
        }
    }
}

/// Goes through the sets, which stand one behind the other.
fn bounds(arena: &Arena) -> Result<Vec<(u32, u64)>, &'static str> {
    let mut sets = Vec::new();
    let mut at = 0_usize;
    while at < arena.sets.len() {
        let place = u32::try_from(at).map_err(|_| "a table has too many sets")?;
        let set = arena.set(SetAt(place)).ok_or("a set is cut off")?;
        sets.push((place, set.bound().ok_or("the numbers of a set are out of order")?));
        at = at.saturating_add(set.size());
    }
    Ok(sets)
}

fn numbers(bytes: &[u8], count: u32) -> Option<(Vec<u32>, &[u8])> {
    let (bytes, rest) = bytes.split_at_checked(usize::try_from(count).ok()?.checked_mul(4)?)?;
    let (words, _) = bytes.as_chunks::<4>();
    Some((words.iter().map(|word| u32::from_le_bytes(*word)).collect(), rest))
}
