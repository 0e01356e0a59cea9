//! Many bodies of a rule, of which few can hold: those are looked up.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;
use sidegate_engine::plan::{BlockId, Form, Operand, Reg, Split, Step, Stmt};

use super::Pass;
use super::intervals::{Interval, bounds, intervals, places};
use super::uses::{Uses, stmts};
use super::walk::{Expr, Walk};

/// Fewer bodies are tried one after the other.
const MANY: usize = 6;
/// Bodies that a lookup should leave.
const FEW: usize = 4;
/// Values that one choice looks at.
const MAX_VALUES: usize = 4;
/// The places of bodies that a choice may hold, for each body.
const MAX_TIMES: usize = 64;

/// What is looked at.
type On = (Expr, Form);

/// A body with its conditions.
struct Body {
    conditions: BTreeMap<On, Vec<Interval>>,
}

/// The steps that are being made.
struct Steps<'b> {
    bodies: &'b [Body],
    steps: Vec<Step>,
    splits: Vec<(usize, On, Vec<Value>)>,
    used: BTreeSet<On>,
    room: usize,
    /// Most bodies that are run.
    most: usize,
}

impl Pass<'_> {
    /// Rewrites what tries many blocks one after the other.
    pub(super) fn dispatch(&mut self, block: BlockId, uses: &Uses) {
        let all = stmts(self.program, block).to_vec();
        let mut now: Vec<Stmt> = Vec::new();
        let mut run: Vec<Stmt> = Vec::new();
        for stmt in all {
            match stmt {
                Stmt::Try { .. } | Stmt::First { .. } => {
                    let alone = matches!(&stmt, Stmt::First { blocks } if blocks.len() >= MANY);
                    if alone {
                        self.all_of(std::mem::take(&mut run), uses, &mut now);
                        let Stmt::First { blocks } = &stmt else { continue };
                        let made = self.choice(blocks, true, uses);
                        now.extend(made.unwrap_or_else(|| vec![stmt.clone()]));
                    } else {
                        run.push(stmt);
                    }
                }
                other => {
                    self.all_of(std::mem::take(&mut run), uses, &mut now);
                    now.push(other);
                }
            }
        }
        self.all_of(run, uses, &mut now);
        if let Some(stmts) = usize::try_from(block).ok().and_then(|at| self.program.blocks.get_mut(at)) {
            *stmts = now;
        }
    }

    /// Statements that each run a block, whatever comes of it.
    fn all_of(&mut self, run: Vec<Stmt>, uses: &Uses, out: &mut Vec<Stmt>) {
        if run.len() < MANY {
            out.extend(run);
            return;
        }
        let mut blocks = Vec::with_capacity(run.len());
        for stmt in &run {
            blocks.push(match stmt {
                Stmt::Try { block } => *block,
                Stmt::First { blocks } if blocks.len() == 1 => blocks.first().copied().unwrap_or_default(),
                other => self.new_block(vec![other.clone()]),
            });
        }
        let made = self.choice(&blocks, false, uses);
        out.extend(made.unwrap_or(run));
    }

    fn new_block(&mut self, stmts: Vec<Stmt>) -> BlockId {
        self.program.blocks.push(stmts);
        BlockId::try_from(self.program.blocks.len().saturating_sub(1)).unwrap_or(BlockId::MAX)
    }

    fn choice(&mut self, blocks: &[BlockId], first: bool, uses: &Uses) -> Option<Vec<Stmt>> {
        let bodies: Vec<Body> = blocks.iter().map(|block| self.body(*block, uses)).collect();
        let mut steps = Steps {
            bodies: &bodies,
            steps: Vec::new(),
            splits: Vec::new(),
            used: BTreeSet::new(),
            room: bodies.len().saturating_mul(MAX_TIMES),
            most: 0,
        };
        let all: Vec<u32> = (0..).take(bodies.len()).collect();
        let place = *blocks.first()?;
        if steps.make(all).is_none() || steps.splits.is_empty() {
            let why = "no condition at their beginning splits them";
            self.note(place, format!("{} bodies are tried one after the other: {why}", blocks.len()));
            return None;
        }
        let Steps { mut steps, splits, used, most, .. } = steps;
        let mut out = Vec::new();
        let mut registers: BTreeMap<Expr, Reg> = BTreeMap::new();
        for (expr, _) in &used {
            if !registers.contains_key(expr) {
                let reg = self.looked_at(expr, &mut out)?;
                registers.insert(expr.clone(), reg);
            }
        }
        for (at, (expr, _), bounds) in splits {
            let bounds = self.pool.add(&Value::from(bounds))?;
            if let Some(Step::Split(split)) = steps.get_mut(at) {
                split.bounds = bounds;
                split.on = *registers.get(&expr)?;
            }
        }
        let shown: Vec<String> = used.iter().map(|(expr, form)| self.shown(expr, *form)).collect();
        let (count, by) = (blocks.len(), shown.join(", "));
        self.lowered(place, format!("{count} bodies are looked up by {by}: {most} are left at most"));
        out.push(Stmt::Choose { steps, blocks: blocks.to_vec(), first });
        Some(out)
    }

    /// A body, with the conditions that can be looked up. One that sets what others read has none.
    fn body(&self, block: BlockId, uses: &Uses) -> Body {
        let mut conditions: BTreeMap<On, Vec<Interval>> = BTreeMap::new();
        let own = Uses::of(self.program, block);
        let seen = own.writes.keys().any(|reg| uses.read(*reg) > own.read(*reg));
        if !seen {
            let mut walk = Walk::new(self.program, &self.pool);
            walk.block(block);
            for condition in walk.found {
                let known = match condition.of.root() {
                    Expr::Input(_) => true,
                    Expr::Reg(reg) => *reg < self.params && uses.written(*reg) == 0,
                    _ => false,
                };
                if !known || !condition.of.is_single() {
                    continue;
                }
                if let Some((form, found)) = intervals(&condition.test, &self.pool) {
                    // Each has to hold: the one with fewer intervals says more, as a rule.
                    let before = conditions.entry((condition.of, form)).or_insert_with(|| found.clone());
                    if found.len() < before.len() {
                        *before = found;
                    }
                }
            }
        }
        Body { conditions }
    }

    /// The register that a value is in, or undefined.
    fn looked_at(&mut self, expr: &Expr, out: &mut Vec<Stmt>) -> Option<Reg> {
        if let Expr::Reg(reg) = expr {
            return Some(*reg);
        }
        let mut stmts = Vec::new();
        let Operand::Reg(reg) = self.emit(expr, &mut stmts)? else { return None };
        let block = self.new_block(stmts);
        out.push(Stmt::Clear { dst: reg });
        out.push(Stmt::Try { block });
        Some(reg)
    }

    fn shown(&self, expr: &Expr, form: Form) -> String {
        let key = |id| match self.pool.value(id) {
            Some(Value::String(text)) => text.to_string(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let text = match expr {
            Expr::Input(path) => {
                let path: Vec<String> = path.iter().map(|id| key(*id)).collect();
                format!("`input.{}`", path.join("."))
            }
            Expr::Get(of, id) => format!("{}[{}]", self.shown(of, Form::Plain), key(*id)),
            Expr::Reg(reg) => format!("argument {}", reg.saturating_add(1)),
            Expr::Const(_) | Expr::Element | Expr::Key | Expr::Any(_) => String::new(),
        };
        if form == Form::Address { format!("{text} as an address") } else { text }
    }
}

impl Steps<'_> {
    /// The step for these bodies; `None` where there is no room.
    fn make(&mut self, list: Vec<u32>) -> Option<u32> {
        let at = self.steps.len();
        let split = if list.len() > FEW { self.best(&list) } else { None };
        let Some((on, bounds, lists)) = split else {
            self.room = self.room.checked_sub(list.len())?;
            self.most = self.most.max(list.len());
            self.steps.push(Step::Run(list));
            return u32::try_from(at).ok();
        };
        self.used.insert(on.clone());
        self.steps.push(Step::Run(Vec::new()));
        let rest: Vec<u32> = list.iter().copied().filter(|body| !self.has(*body, &on)).collect();
        let mut known: BTreeMap<Vec<u32>, u32> = BTreeMap::new();
        let mut step_of = |steps: &mut Self, list: Vec<u32>| match known.get(&list) {
            Some(step) => Some(*step),
            None => {
                let step = steps.make(list.clone())?;
                known.insert(list, step);
                Some(step)
            }
        };
        let none = step_of(self, rest)?;
        let to = lists.into_iter().map(|list| step_of(self, list)).collect::<Option<Vec<_>>>()?;
        let other = if on.1 == Form::Address {
            self.room = self.room.checked_sub(list.len())?;
            self.steps.push(Step::Run(list));
            u32::try_from(self.steps.len().saturating_sub(1)).ok()?
        } else {
            none
        };
        let form = on.1;
        if let Some(step) = self.steps.get_mut(at) {
            *step = Step::Split(Split { on: 0, form, bounds: 0, to, none, other });
        }
        self.splits.push((at, on, bounds));
        u32::try_from(at).ok()
    }

    fn has(&self, body: u32, on: &On) -> bool {
        self.conditions(body).is_some_and(|conditions| conditions.contains_key(on))
    }

    fn conditions(&self, body: u32) -> Option<&BTreeMap<On, Vec<Interval>>> {
        usize::try_from(body).ok().and_then(|at| self.bodies.get(at)).map(|body| &body.conditions)
    }

    /// What splits these bodies best: the value, its bounds, and the bodies for each place.
    fn best(&self, list: &[u32]) -> Option<(On, Vec<Value>, Vec<Vec<u32>>)> {
        let mut counts: BTreeMap<&On, usize> = BTreeMap::new();
        for conditions in list.iter().filter_map(|body| self.conditions(*body)) {
            for on in conditions.keys() {
                let count = counts.entry(on).or_default();
                *count = count.saturating_add(1);
            }
        }
        let full = self.used.len() >= MAX_VALUES;
        let worth = |(on, count): &(&On, usize)| {
            count.saturating_mul(4) >= list.len() && (!full || self.used.contains(*on))
        };
        let tried = counts.into_iter().filter(worth).filter_map(|(on, _)| {
            let (bounds, lists) = self.split(list, on)?;
            let sum: usize = lists.iter().map(Vec::len).sum();
            // On average over the places, in hundredths of a body.
            let left = sum.saturating_mul(100).checked_div(lists.len())?;
            let hits = lists.iter().skip(1).step_by(2).map(Vec::len).max().unwrap_or(0);
            Some((left.saturating_add(hits), on, bounds, lists))
        });
        let (_, on, bounds, lists) = tried.min_by_key(|(left, ..)| *left)?;
        let most = lists.iter().map(Vec::len).max().unwrap_or(0);
        (most.saturating_mul(8) <= list.len().saturating_mul(7)).then(|| (on.clone(), bounds, lists))
    }

    fn split(&self, list: &[u32], on: &On) -> Option<(Vec<Value>, Vec<Vec<u32>>)> {
        let of = |body: &u32| self.conditions(*body).and_then(|conditions| conditions.get(on));
        let bounds = bounds(list.iter().filter_map(of).flatten());
        let count = bounds.len().checked_mul(2)?.checked_add(1)?;
        let mut lists: Vec<Vec<u32>> = vec![Vec::new(); count];
        let mut room = self.room;
        for body in list {
            let spans = match of(body) {
                None => vec![(0, count.saturating_sub(1))],
                Some(intervals) => {
                    intervals.iter().map(|interval| places(interval, &bounds)).collect::<Option<Vec<_>>>()?
                }
            };
            for (from, to) in spans {
                for list in lists.get_mut(from..=to).unwrap_or_default() {
                    room = room.checked_sub(1)?;
                    if list.last() != Some(body) {
                        list.push(*body);
                    }
                }
            }
        }
        Some((bounds, lists))
    }
}
