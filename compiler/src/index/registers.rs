//! One register for values that are never there at the same time.
//!
//! Planning gives every variable of every body a register of its own, and each call pays for the whole frame. Two
//! blocks of which neither nests the other never run at the same time, so what a block alone uses, and sets before
//! it looks at it, can be where other blocks have theirs: nothing that is in the register when the block begins is
//! seen in it, and nothing that it leaves there is seen after it.
//!
//! Registers are shared only by values of one level (how deep they may nest, as loading counts it). So the levels of
//! the new plan are those of the old one: what loading took before, it takes now.

use std::collections::BTreeMap;

use sidegate_engine::plan::{BlockId, Func, Program, Reg, Stmt, levels};

use super::roles::{Role, registers};
use super::uses::Parts;
use super::verify;

/// Blocks in one another, beyond which registers stay as they are: who looks at the outcome goes through what a block
/// may write once for each block around it, and no proxy loads a plan that is nearly as deep.
const MAX_DEPTH: usize = 512;

/// A block of the function, by its place in the order in which they were come upon.
type At = usize;

/// Where a register is used.
#[derive(Clone, Copy)]
struct Use {
    /// The block that uses it first, and whether that puts a value there.
    first: At,
    sets: bool,
    /// The innermost block that has all of its uses.
    home: At,
}

/// A block of the function.
#[derive(Default)]
struct Block {
    id: BlockId,
    /// The one that nests it; its own place for the body.
    around: At,
    depth: usize,
    /// Registers that it has for itself, in the order of their first use.
    own: Vec<Reg>,
}

/// One function that is being gone through.
struct Survey<'p> {
    program: &'p mut Program,
    /// Parameters and result stay where they are.
    fixed: Reg,
    blocks: Vec<Block>,
    uses: BTreeMap<Reg, Use>,
    /// The registers by their first use.
    order: Vec<Reg>,
    too_deep: bool,
}

/// The program with frames as large as they need to be.
pub(crate) fn share(mut before: Program) -> Result<Program, &'static str> {
    // What cannot be loaded is refused there.
    let Ok(levels) = levels(&before) else { return Ok(before) };
    // They may be many, and stay as they are.
    let consts = std::mem::take(&mut before.consts);
    let mut program = before.clone();
    for (at, levels) in levels.iter().enumerate() {
        let Some(func) = before.funcs.get(at) else { continue };
        let Some(regs) = function(&mut program, func, levels) else { continue };
        let now = Func { regs, ..func.clone() };
        // A register that holds another body's value would be a wrong answer: nobody is to rely on the above alone.
        if !verify::agree((&before, func), (&program, &now)) {
            return Err("registers are shared that may not be");
        }
        if let Some(func) = program.funcs.get_mut(at) {
            *func = now;
        }
    }
    Ok(Program { consts, ..program })
}

/// Renames the registers of a function and returns how many there are; `None` where that gains nothing.
fn function(program: &mut Program, func: &Func, levels: &[u32]) -> Option<Reg> {
    let mut survey = Survey {
        program,
        fixed: func.params.saturating_add(1),
        blocks: Vec::new(),
        uses: BTreeMap::new(),
        order: Vec::new(),
        too_deep: false,
    };
    survey.block(func.body, None, &[]);
    if survey.too_deep {
        return None;
    }
    let (names, regs) = survey.names(levels);
    if regs >= func.regs {
        return None;
    }
    let Survey { program, blocks, .. } = survey;
    for block in blocks {
        let stmts = usize::try_from(block.id).ok().and_then(|at| program.blocks.get_mut(at));
        for stmt in stmts.into_iter().flatten() {
            registers(stmt, &mut |reg, _| *reg = names.get(reg).copied().unwrap_or(*reg));
        }
    }
    Some(regs)
}

impl Survey<'_> {
    /// Goes through a block, for whose runs `bound` are set.
    fn block(&mut self, id: BlockId, around: Option<At>, bound: &[Reg]) {
        let at = self.blocks.len();
        let outer = around.and_then(|around| self.blocks.get(around));
        let depth = outer.map_or(0, |outer| outer.depth.saturating_add(1));
        if depth > MAX_DEPTH {
            self.too_deep = true;
            return;
        }
        self.blocks.push(Block { id, around: around.unwrap_or(at), depth, own: Vec::new() });
        bound.iter().for_each(|reg| self.used(*reg, at, true));
        let mut stmts = self.swap(id, Vec::new());
        for stmt in &mut stmts {
            let (mut bound, mut nested) = (Vec::new(), Vec::new());
            registers(stmt, &mut |reg, role| match role {
                Role::Reads => self.used(*reg, at, false),
                Role::Writes => self.used(*reg, at, true),
                Role::Binds => bound.push(*reg),
            });
            stmt.blocks(&mut |inner| nested.push(*inner));
            nested.into_iter().for_each(|inner| self.block(inner, Some(at), &bound));
        }
        self.swap(id, stmts);
    }

    fn swap(&mut self, id: BlockId, stmts: Vec<Stmt>) -> Vec<Stmt> {
        let block = usize::try_from(id).ok().and_then(|at| self.program.blocks.get_mut(at));
        block.map(|block| std::mem::replace(block, stmts)).unwrap_or_default()
    }

    fn used(&mut self, reg: Reg, at: At, sets: bool) {
        if reg < self.fixed {
            return;
        }
        let Some(found) = self.uses.get(&reg).copied() else {
            self.uses.insert(reg, Use { first: at, sets, home: at });
            self.order.push(reg);
            return;
        };
        let home = self.common(found.home, at);
        self.uses.insert(reg, Use { home, ..found });
    }

    /// The innermost block that has both in it.
    fn common(&self, mut a: At, mut b: At) -> At {
        while a != b {
            let (Some(one), Some(other)) = (self.blocks.get(a), self.blocks.get(b)) else { return 0 };
            if one.depth >= other.depth {
                a = one.around;
            }
            if other.depth >= one.depth {
                b = other.around;
            }
        }
        a
    }

    /// What each register is called now, and how many there are.
    fn names(&mut self, levels: &[u32]) -> (BTreeMap<Reg, Reg>, Reg) {
        let mut names = BTreeMap::new();
        let mut regs = self.fixed;
        for reg in std::mem::take(&mut self.order) {
            let Some(found) = self.uses.get(&reg) else { continue };
            // Set by a statement of the block's own list, or before it runs: what fails there ends the block.
            let is_own = found.sets && found.first == found.home;
            match self.blocks.get_mut(found.home).filter(|_| is_own) {
                Some(block) => block.own.push(reg),
                None => {
                    names.insert(reg, regs);
                    regs = regs.saturating_add(1);
                }
            }
        }
        // For each level the registers that blocks have together with those around them.
        let mut taken: Vec<BTreeMap<u32, Reg>> = Vec::with_capacity(self.blocks.len());
        let mut places: Vec<(Reg, u32, Reg)> = Vec::new();
        let mut most: BTreeMap<u32, Reg> = BTreeMap::new();
        for block in &self.blocks {
            // A block comes after the one around it.
            let mut own = taken.get(block.around).cloned().unwrap_or_default();
            for reg in &block.own {
                let level = levels.get(usize::from(*reg)).copied().unwrap_or(0);
                let count = own.entry(level).or_default();
                places.push((*reg, level, *count));
                *count = count.saturating_add(1);
                let most = most.entry(level).or_default();
                *most = (*most).max(*count);
            }
            taken.push(own);
        }
        let mut start = BTreeMap::new();
        for (level, count) in most {
            start.insert(level, regs);
            regs = regs.saturating_add(count);
        }
        for (reg, level, place) in places {
            names.insert(reg, start.get(&level).copied().unwrap_or(0).saturating_add(place));
        }
        (names, regs)
    }
}

#[cfg(test)]
mod tests {
    use regorus::Value;
    use sidegate_engine::plan::Operand;

    use super::*;
    use crate::index::uses::below;
    use crate::lower::Planner;
    use crate::rego::{Modules, Tree};
    use crate::sources::Sources;

    /// What `data.t.r` is planned as, with lookups and each variable in a register of its own.
    fn planned(rego: &str) -> Program {
        let sources = Sources::from_parts(vec![("t.rego".into(), rego.into())], Value::new_object());
        let modules = Modules::parse(&sources).unwrap();
        let tree = Tree::new(&modules).unwrap();
        let mut planner = Planner::new(&modules, &tree, &sources.data).plain(false, true);
        planner.entry(&["t", "r"]).unwrap();
        let (program, passes) = planner.finish("");
        passes.run(program).unwrap().0
    }

    fn frame(program: &Program) -> Reg {
        program.funcs.last().unwrap().regs
    }

    fn frames(rego: &str) -> (Reg, Reg) {
        let before = planned(rego);
        (frame(&before), frame(&share(before).unwrap()))
    }

    #[test]
    fn frames_do_not_grow_with_bodies() {
        let rules = |n: usize| {
            let body = |at| {
                format!(
                    "r := 1 if {{\n\tinput.path == \"/p{at}\"\n\tnames := [u | some u in input.list; u != {at}]\n\t\
                     count(names) > 1\n\tevery x in names {{ lower(x) == input.x }}\n}}\n"
                )
            };
            format!("package t\n\n{}", (0..n).map(body).collect::<String>())
        };
        let (before, after) = frames(&rules(1000));
        assert_eq!(after, frames(&rules(10)).1);
        assert!(before > 5000 && after < 16, "{before} {after}");
        let sets = rules(1000).replace("r := 1 if", "r contains 1 if");
        assert!(frames(&sets).1 < 16);
    }

    #[test]
    fn registers_are_shared_within_a_level_alone() {
        // What is 1 deep in one body is 0 deep in the other, and leads to something deeper there.
        let rego = "package t\n\nr := y if {\n\tx := input.a\n\tz := x\n\ty := [z]\n\ty != input.q\n} else := y if {\n\t\
                    x := [input.b]\n\tz := x\n\ty := z\n\ty != input.q\n}\n";
        let before = planned(rego);
        let levels = levels(&before).unwrap();
        let after = share(before.clone()).unwrap();
        assert!(frame(&after) < frame(&before));
        let now = sidegate_engine::plan::levels(&after).unwrap();
        assert_eq!(now.iter().flatten().max(), levels.iter().flatten().max());
        let mut by_none = before.clone();
        let func = before.funcs.last().unwrap();
        let regs = function(&mut by_none, func, &[]).unwrap();
        let now = Func { regs, ..func.clone() };
        assert!(verify::agree((&before, func), (&by_none, &now)));
        *by_none.funcs.last_mut().unwrap() = now;
        assert_eq!(sidegate_engine::plan::levels(&by_none), Err("a value may nest without end"));
    }

    #[test]
    fn what_may_be_looked_at_unset_stays_apart() {
        let set = |dst| Stmt::Input { dst, path: vec![], place: 0 };
        let look = |reg| Stmt::Truthy { src: Operand::Reg(reg) };
        let last = |stmts| {
            let blocks = vec![
                vec![set(1), look(1)],
                vec![set(2), look(2)],
                vec![set(3)],
                stmts,
                vec![Stmt::First { blocks: vec![0, 1, 3] }],
            ];
            let func = Func { name: "data.t.r".into(), params: 0, regs: 4, body: 4, default: None };
            let shared = share(Program { blocks, funcs: vec![func], ..Program::default() }).unwrap();
            (frame(&shared), crate::index::uses::stmts(&shared, 3).to_vec())
        };
        let given = |reg| Stmt::Yield { value: Operand::Reg(reg) };
        // The first two share one, which may have something in it when the last one asks.
        let asks = vec![Stmt::Try { block: 2 }, Stmt::Defined { src: 3 }, given(3)];
        assert_eq!(last(asks), (3, vec![Stmt::Try { block: 2 }, Stmt::Defined { src: 1 }, given(1)]));
        let clears = vec![Stmt::Clear { dst: 3 }, Stmt::Try { block: 2 }, given(3)];
        assert_eq!(last(clears), (2, vec![Stmt::Clear { dst: 1 }, Stmt::Try { block: 2 }, given(1)]));
        let copy = |reg| Stmt::Assign { dst: reg, src: Operand::Reg(reg) };
        assert_eq!(last(vec![copy(3), Stmt::Try { block: 2 }]).0, 3);
        // What loading refuses is left to it.
        let grows = vec![Stmt::MakeArray { dst: 3, items: vec![Operand::Reg(3)] }];
        assert_eq!(last(grows).0, 4);
    }

    #[test]
    fn what_nests_too_deep_stays_as_it_is() {
        let scans = |n: usize| (0..n).map(|at| format!("\tsome x{at} in input.l\n")).collect::<String>();
        let rego =
            |n| format!("package t\n\nr if {{\n{}\tx0 == 1\n}} else if {{\n\tinput.x == 1\n}}\n", scans(n));
        let (before, after) = frames(&rego(100));
        assert!(after < before);
        let (before, after) = frames(&rego(600));
        assert_eq!(after, before);
    }

    #[test]
    fn what_is_cleared_is_where_it_is_asked_for() {
        // The key is tried in a block for each package; what is found is looked at behind them.
        let rego = "package t\n\nr := x if {\n\tk := input.k\n\tx := data.q[k]\n}\n";
        let data = Value::from_json_str(r#"{"q": {"a": 1}}"#).unwrap();
        let text = "package q.b\n\nc := 2\n".to_owned();
        let sources =
            Sources::from_parts(vec![("t.rego".into(), rego.into()), ("q.rego".into(), text)], data);
        let modules = Modules::parse(&sources).unwrap();
        let tree = Tree::new(&modules).unwrap();
        let mut planner = Planner::new(&modules, &tree, &sources.data);
        planner.entry(&["t", "r"]).unwrap();
        let (program, passes) = planner.finish("");
        let (program, _) = passes.run(program).unwrap();
        let func = program.funcs.last().unwrap();
        let blocks = below(&program, func.body);
        let stmts = || blocks.iter().flat_map(|block| crate::index::uses::stmts(&program, *block));
        let cleared = stmts().find_map(|stmt| match stmt {
            Stmt::Clear { dst } => Some(*dst),
            _ => None,
        });
        let asked = stmts().find_map(|stmt| match stmt {
            Stmt::Defined { src } => Some(*src),
            _ => None,
        });
        assert!(cleared.is_some() && cleared == asked);
        // Twice in the blocks that may find something, once before them; nothing else is put there.
        let writes = stmts().flat_map(Parts::writes).filter(|reg| Some(*reg) == cleared).count();
        assert_eq!(writes, 3);
    }
}
