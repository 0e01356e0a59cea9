//! Scans of constants as lookups.
//!
//! A scan whose block needs a part of the element to be equal to a value from outside goes through those
//! elements alone that have it: the constant becomes an object from the parts' values to elements. The block
//! stays as it is, with its conditions.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;
use sidegate_engine::eval::compare;
use sidegate_engine::plan::{BlockId, ConstId, Operand, Reg, Stmt};

use super::Pass;
use super::uses::{Uses, stmts};
use super::walk::{Condition, Expr, Test, Walk};

/// Collections below this size are gone through.
const LARGE: usize = 8;
/// Elements that a lookup should leave, and most lookups one after the other.
const FEW: usize = 4;
const MAX_LOOKUPS: usize = 3;
/// An element may be found under as many values as this on average.
const MAX_TIMES: usize = 8;

type Element = (Value, Value);

impl Pass<'_> {
    /// Rewrites the scans and memberships of a block.
    pub(super) fn scans(&mut self, block: BlockId, uses: &Uses) {
        let mut at = 0;
        while let Some(stmt) = stmts(self.program, block).get(at).cloned() {
            let (now, added) = match &stmt {
                Stmt::Scan { src, key, value, block: inner } => {
                    self.scan(block, at, (*src, *key, *value), *inner, uses)
                }
                Stmt::Member { dst, key: None, value, of } => {
                    let of = self.as_sets(block, at, *of, uses);
                    (of.map(|of| Stmt::Member { dst: *dst, key: None, value: *value, of }), Vec::new())
                }
                _ => (None, Vec::new()),
            };
            let Some(stmts) = usize::try_from(block).ok().and_then(|at| self.program.blocks.get_mut(at))
            else {
                return;
            };
            if let (Some(now), Some(place)) = (now, stmts.get_mut(at)) {
                *place = now;
            }
            let count = added.len();
            stmts.splice(at..at, added);
            at = at.saturating_add(count).saturating_add(1);
        }
    }

    fn scan(
        &mut self,
        block: BlockId,
        at: usize,
        (src, key, value): (Operand, Option<Reg>, Option<Reg>),
        inner: BlockId,
        uses: &Uses,
    ) -> (Option<Stmt>, Vec<Stmt>) {
        let nothing = (None, Vec::new());
        let Some((root, depth)) = self.origin(block, at, src, uses) else { return nothing };
        let Some(constant) = self.pool.value(root) else { return nothing };
        let Some(leaves) = leaves(&constant, depth) else { return nothing };
        let largest = leaves.iter().map(|leaf| elements(leaf).len()).max().unwrap_or(0);
        if largest < LARGE {
            return nothing;
        }
        let mut walk = Walk::new(self.program, &self.pool);
        walk.bind(key, Some(Expr::Key));
        walk.bind(value, Some(Expr::Element));
        walk.block(inner);
        let changed = Uses::of(self.program, inner);
        let own = |reg: Reg| key == Some(reg) || value == Some(reg) || changed.written(reg) > 0;
        let equal: Vec<(Expr, Expr)> =
            walk.found.into_iter().filter_map(|condition| equality(condition, &own)).collect();
        if equal.is_empty() {
            self.note(inner, format!("a scan of {largest} elements: no part of them is compared with a value that is known before"));
            return nothing;
        }
        let mut chosen: Vec<(Expr, Expr)> = Vec::new();
        let mut left = largest;
        while left > FEW && chosen.len() < MAX_LOOKUPS {
            let with = |pair: &(Expr, Expr)| {
                let parts: Vec<&Expr> = chosen.iter().chain([pair]).map(|(part, _)| part).collect();
                leaves.iter().filter_map(|leaf| self.most(elements(leaf), &parts)).max()
            };
            let best = equal.iter().filter(|pair| !chosen.contains(pair));
            let best = best.filter_map(|pair| Some((with(pair)?, pair))).min_by_key(|(most, _)| *most);
            match best {
                Some((most, pair)) if most < left => {
                    left = most;
                    chosen.push(pair.clone());
                }
                _ => break,
            }
        }
        let kept = key.filter(|key| uses.read(*key) > 0).is_some();
        let parts: Vec<&Expr> = chosen.iter().map(|(part, _)| part).collect();
        let total: usize = leaves.iter().map(|leaf| elements(leaf).len()).sum();
        let mut room = total.saturating_mul(MAX_TIMES);
        let indexed =
            map(&constant, depth, &mut |leaf| self.grouped(elements(leaf), &parts, kept, &mut room));
        let (Some(indexed), false) = (indexed, chosen.is_empty()) else {
            self.note(inner, format!("a scan of {largest} elements: too many of them have the same value"));
            return nothing;
        };
        let Some(id) = self.pool.add(&indexed) else { return nothing };
        let mut added = Vec::new();
        let mut keys = Vec::new();
        for (_, sought) in &chosen {
            let (Some(key), Some(dst)) = (self.emit(sought, &mut added), self.reg()) else { return nothing };
            keys.push((dst, key));
        }
        let mut from = self.replace(block, at, src, id, depth);
        for (dst, key) in keys {
            added.push(Stmt::Get { dst, src: from, key });
            from = Operand::Reg(dst);
        }
        self.lowered(
            inner,
            format!("a scan of {largest} elements is {} that leaves {left} at most", lookups(chosen.len())),
        );
        (Some(Stmt::Scan { src: from, key, value, block: inner }), added)
    }

    /// The constant that an operand is a part of, and how many keys lead to the part. Each register on the way
    /// is there for this alone.
    fn origin(&self, block: BlockId, at: usize, src: Operand, uses: &Uses) -> Option<(ConstId, usize)> {
        let (mut src, mut depth) = (src, 0_usize);
        loop {
            let reg = match src {
                Operand::Const(id) => return Some((id, depth)),
                Operand::Reg(reg) => reg,
            };
            if uses.read(reg) != 1 || uses.written(reg) != 1 {
                return None;
            }
            let before = stmts(self.program, block).get(..at)?;
            src = before.iter().find_map(|stmt| match stmt {
                Stmt::Get { dst, src, .. } | Stmt::GetBase { dst, src, .. } if *dst == reg => Some(*src),
                _ => None,
            })?;
            depth = depth.saturating_add(1);
        }
    }

    /// Puts the constant `id` where [`origin`](Self::origin) found one, and says where its part is then.
    fn replace(&mut self, block: BlockId, at: usize, src: Operand, id: ConstId, depth: usize) -> Operand {
        let mut reg = match (src, depth) {
            (Operand::Reg(reg), 1..) => reg,
            _ => return Operand::Const(id),
        };
        let stmts = usize::try_from(block).ok().and_then(|at| self.program.blocks.get_mut(at));
        for stmt in stmts.into_iter().flat_map(|stmts| stmts.iter_mut().take(at).rev()) {
            if let Stmt::Get { dst, src, .. } | Stmt::GetBase { dst, src, .. } = stmt
                && *dst == reg
            {
                match src {
                    Operand::Reg(next) => reg = *next,
                    Operand::Const(_) => *src = Operand::Const(id),
                }
            }
        }
        src
    }

    /// Arrays and objects in which a value is looked for, as sets of what is in them.
    fn as_sets(&mut self, block: BlockId, at: usize, of: Operand, uses: &Uses) -> Option<Operand> {
        let (root, depth) = self.origin(block, at, of, uses)?;
        let constant = self.pool.value(root)?;
        let largest = leaves(&constant, depth)?.into_iter().filter(|leaf| !matches!(leaf, Value::Set(_)));
        let largest = largest.map(|leaf| elements(leaf).len()).max()?;
        if largest < LARGE {
            return None;
        }
        let sets = map(&constant, depth, &mut |leaf| {
            Some(match leaf {
                Value::Array(_) | Value::Object(_) => {
                    Value::from(elements(leaf).into_iter().map(|(_, value)| value).collect::<BTreeSet<_>>())
                }
                other => other.clone(),
            })
        })?;
        let id = self.pool.add(&sets)?;
        self.lowered(block, format!("`in` of up to {largest} elements is a lookup in a set"));
        Some(self.replace(block, at, of, id, depth))
    }

    /// Statements that make a value again, and where it is then.
    pub(super) fn emit(&mut self, expr: &Expr, out: &mut Vec<Stmt>) -> Option<Operand> {
        match expr {
            Expr::Const(id) => Some(Operand::Const(*id)),
            Expr::Reg(reg) => Some(Operand::Reg(*reg)),
            Expr::Input(path) => {
                let dst = self.reg()?;
                out.push(Stmt::Input { dst, path: path.clone(), place: 0 });
                Some(Operand::Reg(dst))
            }
            Expr::Get(of, key) => {
                let src = self.emit(of, out)?;
                let dst = self.reg()?;
                out.push(Stmt::Get { dst, src, key: Operand::Const(*key) });
                Some(Operand::Reg(dst))
            }
            Expr::Element | Expr::Key | Expr::Any(_) => None,
        }
    }

    /// The size of the largest group by `parts`.
    fn most(&self, elements: Vec<Element>, parts: &[&Expr]) -> Option<usize> {
        let Some((part, rest)) = parts.split_first() else { return Some(elements.len()) };
        let groups = self.groups(elements, part, &mut usize::MAX.clone())?;
        groups.into_values().map(|group| self.most(group, rest)).try_fold(0, |most, own| Some(most.max(own?)))
    }

    fn grouped(
        &self,
        elements: Vec<Element>,
        parts: &[&Expr],
        keys: bool,
        room: &mut usize,
    ) -> Option<Value> {
        let Some((part, rest)) = parts.split_first() else {
            return Some(if keys {
                Value::from(elements.into_iter().collect::<BTreeMap<_, _>>())
            } else {
                Value::from(elements.into_iter().map(|(_, value)| value).collect::<Vec<_>>())
            });
        };
        let groups = self.groups(elements, part, room)?;
        let groups =
            groups.into_iter().map(|(value, own)| Some((value, self.grouped(own, rest, keys, room)?)));
        Some(Value::from(groups.collect::<Option<BTreeMap<_, _>>>()?))
    }

    fn groups(
        &self,
        elements: Vec<Element>,
        part: &Expr,
        room: &mut usize,
    ) -> Option<BTreeMap<Value, Vec<Element>>> {
        let mut groups: BTreeMap<Value, Vec<Element>> = BTreeMap::new();
        for (key, value) in elements {
            let offered: BTreeSet<Value> = self.offered(part, &key, &value)?.into_iter().collect();
            for found in offered {
                *room = room.checked_sub(1)?;
                groups.entry(found).or_default().push((key.clone(), value.clone()));
            }
        }
        Some(groups)
    }

    /// The values that a part of an element has.
    fn offered(&self, part: &Expr, key: &Value, value: &Value) -> Option<Vec<Value>> {
        Some(match part {
            Expr::Element => vec![value.clone()],
            Expr::Key => vec![key.clone()],
            Expr::Get(of, at) => {
                let at = self.pool.value(*at)?;
                let of = self.offered(of, key, value)?;
                of.iter().map(|of| of[&at].clone()).filter(|found| *found != Value::Undefined).collect()
            }
            Expr::Any(of) => {
                let of = self.offered(of, key, value)?;
                of.iter().flat_map(elements).map(|(_, value)| value).collect()
            }
            Expr::Const(_) | Expr::Input(_) | Expr::Reg(_) => return None,
        })
    }
}

fn lookups(count: usize) -> String {
    if count == 1 { "a lookup".to_owned() } else { format!("{count} lookups") }
}

/// A part of an element, and what it has to be equal to.
fn equality(condition: Condition, own: &dyn Fn(Reg) -> bool) -> Option<(Expr, Expr)> {
    let Condition { of, test: Test::Same(other) } = condition else { return None };
    let inside = |expr: &Expr| matches!(expr.root(), Expr::Element | Expr::Key);
    let outside = |expr: &Expr| {
        expr.is_single()
            && match expr.root() {
                Expr::Const(_) | Expr::Input(_) => true,
                Expr::Reg(reg) => !own(*reg),
                _ => false,
            }
    };
    if inside(&of) && outside(&other) {
        Some((of, other))
    } else if inside(&other) && outside(&of) {
        Some((other, of))
    } else {
        None
    }
}

/// The elements of a collection, in Rego's order.
pub(super) fn elements(value: &Value) -> Vec<Element> {
    let mut found: Vec<Element> = match value {
        Value::Array(items) => {
            return items.iter().enumerate().map(|(at, item)| (Value::from(at), item.clone())).collect();
        }
        Value::Set(items) => items.iter_sorted().map(|item| (item.clone(), item.clone())).collect(),
        Value::Object(fields) => {
            fields.iter_sorted().map(|(key, item)| (key.clone(), item.clone())).collect()
        }
        _ => Vec::new(),
    };
    found.sort_by(|(a, _), (b, _)| compare(a, b));
    found
}

/// What is `depth` keys below a value; `None` where a key would be looked up in a set.
fn leaves(value: &Value, depth: usize) -> Option<Vec<&Value>> {
    let Some(below) = depth.checked_sub(1) else { return Some(vec![value]) };
    let inner: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        Value::Set(_) => return None,
        _ => Vec::new(),
    };
    let found = inner.into_iter().map(|value| leaves(value, below)).collect::<Option<Vec<_>>>()?;
    Some(found.into_iter().flatten().collect())
}

/// The value with what is `depth` keys below replaced.
fn map(value: &Value, depth: usize, leaf: &mut dyn FnMut(&Value) -> Option<Value>) -> Option<Value> {
    let Some(below) = depth.checked_sub(1) else { return leaf(value) };
    Some(match value {
        Value::Array(items) => {
            Value::from(items.iter().map(|item| map(item, below, leaf)).collect::<Option<Vec<_>>>()?)
        }
        Value::Object(fields) => {
            let fields = fields.iter_sorted().map(|(key, item)| Some((key.clone(), map(item, below, leaf)?)));
            Value::from(fields.collect::<Option<BTreeMap<_, _>>>()?)
        }
        other => other.clone(),
    })
}
