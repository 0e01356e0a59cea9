//! Where two sets of clauses decide differently. Requests are gone through part by part, and as soon as the clauses
//! that may still match are the same on both sides, there is nothing to find.

use std::collections::{BTreeMap, BTreeSet};

use super::bits::Bits;
use super::clauses::Clause;
use super::values::{Attr, Dimension, Method, dimensions};
use crate::declare::judge::Request;

/// Steps for one group of callers; what would take more is said to be too much.
const MAX_STEPS: usize = 200_000;

/// The clauses of both sides, as sets of the numbers of `clauses`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sides {
    pub(super) old_allow: Bits,
    pub(super) old_deny: Bits,
    pub(super) new_allow: Bits,
    pub(super) new_deny: Bits,
}

/// Requests that one side allows and the other does not.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) gains: bool,
    /// The clause that makes the difference.
    pub(super) clause: usize,
    /// The clause that allows, where a deny makes the difference.
    pub(super) allow: Option<usize>,
    /// Methods of such requests.
    pub(super) methods: BTreeSet<Method>,
    /// Whether both sides allow some of what the clause speaks of.
    pub(super) in_part: bool,
    /// Whether there was too much to look at: then it may be so.
    pub(super) is_bounded: bool,
    /// One of the requests; `None` where nobody has looked.
    pub(super) example: Option<Request>,
}

/// What can be told about requests of a group of callers.
pub(super) struct Explored {
    pub(super) found: Vec<Found>,
    /// Every method that is told apart.
    pub(super) methods: BTreeSet<Method>,
}

type Key = (bool, usize, Option<usize>);

struct Explorer<'a> {
    dimensions: &'a [Dimension],
    sides: &'a Sides,
    /// By the number of parts that are chosen: clauses that ask for none of the others.
    free: Vec<Bits>,
    steps: usize,
    found: BTreeMap<Key, Found>,
    /// What both allow: clauses that may match there, and the method if it is chosen.
    same: BTreeSet<(Bits, Option<usize>)>,
    /// Whether a request is a gain or a loss, for certain.
    judge: &'a dyn Fn(&Request) -> Option<bool>,
    /// What every request has.
    base: Request,
}

/// Finds every kind of request that one side allows and the other does not.
pub(super) fn explore(
    clauses: &[&Clause],
    sides: &Sides,
    base: Request,
    judge: &dyn Fn(&Request) -> Option<bool>,
) -> Explored {
    let Some(dimensions) = dimensions(clauses) else {
        let mut explorer = Explorer::new(&[], sides, clauses.len(), base, judge);
        explorer.give_up(&Bits::of(clauses.len(), |_| true));
        return Explored { found: explorer.found.into_values().collect(), methods: BTreeSet::new() };
    };
    let mut explorer = Explorer::new(&dimensions, sides, clauses.len(), base, judge);
    explorer.walk(&Bits::of(clauses.len(), |_| true), &mut Vec::new());
    let (same, mut found) = (explorer.same, explorer.found);
    let all = dimensions.get(1).map(|dimension| dimension.values.as_slice()).unwrap_or_default();
    for ((_, clause, allow), found) in &mut found {
        let is_of = |at: &usize| match all.get(*at).map(|value| &value.attr) {
            Some(Attr::Method(methods)) => methods.iter().any(|method| found.methods.contains(method)),
            _ => true,
        };
        found.in_part = same.iter().any(|(bits, method)| {
            bits.has(*clause)
                && allow.is_none_or(|allow| bits.has(allow))
                && method.as_ref().is_none_or(is_of)
        });
    }
    let methods = all.iter().filter_map(|value| match &value.attr {
        Attr::Method(methods) => Some(methods.iter().cloned()),
        _ => None,
    });
    Explored { found: found.into_values().collect(), methods: methods.flatten().collect() }
}

impl<'a> Explorer<'a> {
    fn new(
        dimensions: &'a [Dimension],
        sides: &'a Sides,
        size: usize,
        base: Request,
        judge: &'a dyn Fn(&Request) -> Option<bool>,
    ) -> Self {
        let all = Bits::of(size, |_| true);
        let mut free = vec![all];
        for dimension in dimensions.iter().rev() {
            let before = free.last().cloned().unwrap_or_else(|| Bits::none(size));
            free.push(dimension.values.iter().fold(before, |free, value| free.and(&value.bits)));
        }
        free.reverse();
        Self { dimensions, sides, free, steps: 0, found: BTreeMap::new(), same: BTreeSet::new(), judge, base }
    }

    fn walk(&mut self, bits: &Bits, chosen: &mut Vec<usize>) {
        let Sides { old_allow, old_deny, new_allow, new_deny } = self.sides;
        let (old_allow, old_deny) = (old_allow.and(bits), old_deny.and(bits));
        let (new_allow, new_deny) = (new_allow.and(bits), new_deny.and(bits));
        if old_allow.is_empty() && new_allow.is_empty() {
            return;
        }
        // What matches whatever the other parts are.
        let sure = self.free.get(chosen.len()).map_or_else(|| bits.clone(), |free| free.and(bits));
        let is_sure = |side: &Bits| !side.and(&sure).is_empty();
        if is_sure(&old_deny) && is_sure(&new_deny) {
            return;
        }
        let allowed =
            [is_sure(&old_allow) && old_deny.is_empty(), is_sure(&new_allow) && new_deny.is_empty()];
        let denied = [old_allow.is_empty() || is_sure(&old_deny), new_allow.is_empty() || is_sure(&new_deny)];
        let is_same = old_allow == new_allow && old_deny == new_deny;
        match (allowed, denied) {
            ([true, true], _) => self.note_same(bits, chosen),
            _ if is_same => self.note_same(bits, chosen),
            (_, [true, true]) => {}
            ([_, true], [true, _]) => {
                self.note(true, &sure, (&new_allow, &old_allow), (&old_deny, &new_deny), chosen);
            }
            ([true, _], [_, true]) => {
                self.note(false, &sure, (&old_allow, &new_allow), (&new_deny, &old_deny), chosen);
            }
            _ => self.further(bits, chosen),
        }
    }

    fn further(&mut self, bits: &Bits, chosen: &mut Vec<usize>) {
        let Some(dimension) = self.dimensions.get(chosen.len()) else { return };
        for (at, value) in dimension.values.iter().enumerate() {
            self.steps = self.steps.saturating_add(1);
            if self.steps > MAX_STEPS {
                return self.give_up(bits);
            }
            chosen.push(at);
            self.walk(&bits.and(&value.bits), chosen);
            chosen.pop();
        }
    }

    fn note_same(&mut self, bits: &Bits, chosen: &[usize]) {
        self.same.insert((bits.clone(), chosen.get(1).copied()));
    }

    /// A difference: some clause allows on the one side, and on the other none does, or a deny holds.
    fn note(
        &mut self,
        gains: bool,
        sure: &Bits,
        (allows, not): (&Bits, &Bits),
        (denies, not_denies): (&Bits, &Bits),
        chosen: &[usize],
    ) {
        let allow = allows.and(sure);
        let (clause, allow) = match allow.without(not).first() {
            Some(clause) => (clause, None),
            None => match denies.without(not_denies).first() {
                Some(deny) => (deny, allow.first()),
                None => return,
            },
        };
        let key = (gains, clause, allow);
        let methods: Vec<Method> = match (chosen.get(1), self.dimensions.get(1)) {
            (Some(at), Some(dimension)) => {
                dimension.values.get(*at).into_iter().flat_map(methods_of).collect()
            }
            (None, Some(dimension)) => dimension.values.iter().flat_map(methods_of).collect(),
            (_, None) => Vec::new(),
        };
        let example = match self.found.get(&key).and_then(|found| found.example.clone()) {
            Some(example) => example,
            None => match self.example(chosen) {
                Some((example, is_gain)) if is_gain == gains => example,
                // No request is like this: two claims, one inside the other.
                _ => return,
            },
        };
        let found = self.found.entry(key).or_insert_with(|| Found {
            gains,
            clause,
            allow,
            methods: BTreeSet::new(),
            in_part: false,
            is_bounded: false,
            example: None,
        });
        found.example = Some(example);
        found.methods.extend(methods);
    }

    /// A request with what is chosen, and whether it is a gain.
    fn example(&self, chosen: &[usize]) -> Option<(Request, bool)> {
        let mut request = self.base.clone();
        for (at, dimension) in self.dimensions.iter().enumerate() {
            let value = dimension.values.get(chosen.get(at).copied().unwrap_or(0))?;
            value.attr.put(&mut request);
        }
        let is_gain = (self.judge)(&request)?;
        Some((request, is_gain))
    }

    /// What may differ where there is too much to look at: every clause that only one side has.
    fn give_up(&mut self, bits: &Bits) {
        let Sides { old_allow, old_deny, new_allow, new_deny } = self.sides;
        for (gains, clauses) in [
            (true, new_allow.without(old_allow).or(&old_deny.without(new_deny))),
            (false, old_allow.without(new_allow).or(&new_deny.without(old_deny))),
        ] {
            for clause in clauses.and(bits).iter() {
                let found = self.found.entry((gains, clause, None)).or_insert_with(|| Found {
                    gains,
                    clause,
                    allow: None,
                    methods: BTreeSet::new(),
                    in_part: false,
                    is_bounded: true,
                    example: None,
                });
                found.is_bounded = true;
            }
        }
    }
}

fn methods_of(value: &super::values::Value) -> Vec<Method> {
    match &value.attr {
        Attr::Method(methods) => methods.clone(),
        _ => Vec::new(),
    }
}
