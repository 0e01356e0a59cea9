//! How deep the values that a plan builds can nest.
//!
//! Dropping, comparing and printing a value recurse, so values must not grow deeper without end: not by
//! a loop that puts a collection into itself, nor by ten thousand statements in a row. This is decided
//! when a plan is loaded. Each register has a level: 0 for what comes from outside (input, constants,
//! which are bounded by themselves), one more than its parts for a collection.

use super::{BlockId, Func, Operand, Program, Reg, Stmt};

/// Levels that a plan may build on top of its input and constants.
const MAX_LEVEL: u32 = 128;

/// Refuses a plan that uses a block twice or builds values that nest too deeply.
pub(super) fn check(program: &Program) -> Result<(), &'static str> {
    each(program, |_| {})
}

/// The level of every register of every function: how deep what is ever in it may nest, on top of input and
/// constants. Registers of one level can be one without any level becoming another.
///
/// # Errors
/// Why the plan is refused where it is loaded.
pub fn levels(program: &Program) -> Result<Vec<Vec<u32>>, &'static str> {
    let mut found = Vec::with_capacity(program.funcs.len());
    each(program, |levels| found.push(levels)).map(|()| found)
}

fn each(program: &Program, mut found: impl FnMut(Vec<u32>)) -> Result<(), &'static str> {
    let mut used = vec![false; program.blocks.len()];
    let mut grows = Vec::with_capacity(program.funcs.len());
    for func in &program.funcs {
        // In the order of a plan's statements a value is made before it is used; what a second look
        // still changes goes round in a circle.
        let mut levels = Levels { program, grows: &grows, registers: Vec::new(), changed: false };
        levels.registers.resize(usize::from(func.regs), 0);
        levels.run(func, &mut Some(&mut used))?;
        levels.changed = false;
        levels.run(func, &mut None)?;
        if levels.changed {
            return Err("a value may nest without end");
        }
        let own = levels.of(Operand::Reg(func.params));
        if levels.registers.iter().any(|level| *level > MAX_LEVEL) {
            return Err("a value may nest too deeply");
        }
        found(levels.registers);
        grows.push(own);
    }
    Ok(())
}

struct Levels<'p> {
    program: &'p Program,
    /// What the functions before this one add to the level of their arguments.
    grows: &'p [u32],
    registers: Vec<u32>,
    changed: bool,
}

impl Levels<'_> {
    fn run(&mut self, func: &Func, used: &mut Option<&mut Vec<bool>>) -> Result<(), &'static str> {
        // Blocks name only blocks before them and each is used once: this ends, and is linear.
        let program = self.program;
        let mut pending: Vec<std::slice::Iter<'_, Stmt>> = vec![block(program, func.body, used)?];
        while let Some(stmts) = pending.last_mut() {
            let Some(stmt) = stmts.next() else {
                pending.pop();
                continue;
            };
            self.stmt(stmt, func.params);
            match stmt {
                Stmt::Scan { block: inner, .. }
                | Stmt::Every { block: inner, .. }
                | Stmt::Not { block: inner }
                | Stmt::Try { block: inner }
                | Stmt::With { block: inner, .. }
                | Stmt::Outside { block: inner } => pending.push(block(program, *inner, used)?),
                Stmt::First { blocks } | Stmt::Choose { blocks, .. } => {
                    for inner in blocks.iter().rev() {
                        pending.push(block(program, *inner, used)?);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn of(&self, operand: Operand) -> u32 {
        match operand {
            Operand::Reg(reg) => self.registers.get(usize::from(reg)).copied().unwrap_or(0),
            Operand::Const(_) => 0,
        }
    }

    fn most<'o>(&self, operands: impl IntoIterator<Item = &'o Operand>) -> u32 {
        operands.into_iter().map(|operand| self.of(*operand)).max().unwrap_or(0)
    }

    fn raise(&mut self, reg: Reg, level: u32) {
        if let Some(before) = self.registers.get_mut(usize::from(reg)).filter(|before| **before < level) {
            *before = level;
            self.changed = true;
        }
    }

    fn stmt(&mut self, stmt: &Stmt, result: Reg) {
        match stmt {
            Stmt::Assign { dst, src } | Stmt::Get { dst, src, .. } | Stmt::GetBase { dst, src, .. } => {
                self.raise(*dst, self.of(*src));
            }
            Stmt::Call { dst, func, args } => {
                let grows = usize::try_from(*func).ok().and_then(|at| self.grows.get(at)).copied();
                self.raise(*dst, self.most(args).saturating_add(grows.unwrap_or(0)));
            }
            // A builtin may wrap its arguments once.
            Stmt::Builtin { dst, args, .. } => self.raise(*dst, self.most(args).saturating_add(1)),
            Stmt::Operate { dst, a, b, .. } => self.raise(*dst, self.most([a, b])),
            Stmt::MakeArray { dst, items } | Stmt::MakeSet { dst, items } => {
                self.raise(*dst, self.most(items).saturating_add(1));
            }
            Stmt::MakeObject { dst, fields } => {
                let level = self.most(fields.iter().flat_map(|(key, value)| [key, value]));
                self.raise(*dst, level.saturating_add(1));
            }
            Stmt::Scan { src, key, value, .. } | Stmt::Every { src, key, value, .. } => {
                let level = self.of(*src);
                key.iter().chain(value).for_each(|reg| self.raise(*reg, level));
            }
            Stmt::Push { acc, value } | Stmt::Add { acc, value } => {
                self.raise(*acc, self.of(*value).saturating_add(1));
            }
            Stmt::Insert { acc, key, value } => {
                self.raise(*acc, self.most([key, value]).saturating_add(1));
            }
            Stmt::InsertAt { acc, keys, value } | Stmt::AddAt { acc, keys, value } => {
                // An object for each key, and a set.
                let built = u32::try_from(keys.len()).unwrap_or(u32::MAX).saturating_add(1);
                let level = self.most(keys.iter().chain([value]));
                self.raise(*acc, level.saturating_add(built));
            }
            Stmt::Yield { value } => self.raise(result, self.of(*value)),
            // The evaluator checks how deep the values are that `With` puts in their place.
            Stmt::Patch { dst, src, path, value } => {
                let built = u32::try_from(path.len()).unwrap_or(u32::MAX);
                let level = self.most(src.iter().chain([value]));
                self.raise(*dst, level.saturating_add(built));
            }
            Stmt::Input { .. }
            | Stmt::InputKeys { .. }
            | Stmt::Slot { .. }
            | Stmt::With { .. }
            | Stmt::Outside { .. }
            | Stmt::Clear { .. }
            | Stmt::Defined { .. }
            | Stmt::Check { .. }
            | Stmt::Compare { .. }
            | Stmt::Member { .. }
            | Stmt::Truthy { .. }
            | Stmt::Fail
            | Stmt::IsArray { .. }
            | Stmt::IsObject { .. }
            | Stmt::Not { .. }
            | Stmt::Try { .. }
            | Stmt::First { .. }
            | Stmt::Choose { .. }
            | Stmt::Stop => {}
        }
    }
}

fn block<'p>(
    program: &'p Program,
    id: BlockId,
    used: &mut Option<&mut Vec<bool>>,
) -> Result<std::slice::Iter<'p, Stmt>, &'static str> {
    let at = usize::try_from(id).map_err(|_| "a block is out of range")?;
    if let Some(used) = used {
        let before = used.get_mut(at).ok_or("a block is out of range")?;
        if std::mem::replace(before, true) {
            return Err("a block is used twice");
        }
    }
    Ok(program.blocks.get(at).ok_or("a block is out of range")?.iter())
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, FormatError, Image, Node};
    use super::*;

    fn refused(blocks: Vec<Vec<Stmt>>, regs: Reg) -> Option<&'static str> {
        let body = BlockId::try_from(blocks.len() - 1).unwrap();
        let func = Func { name: "data.t.f".into(), params: 0, regs, body, default: None };
        let program = Program {
            consts: vec![Node::Null],
            blocks,
            funcs: vec![func],
            entries: vec![Entry { path: "t/f".into(), func: 0, reads: vec![] }],
            ..Program::default()
        };
        match Image::new(program) {
            Err(FormatError::Malformed(why)) => Some(why),
            other => other.map(|_| None).unwrap(),
        }
    }

    #[test]
    fn values_that_could_nest_without_end_are_refused() {
        let (zero, one) = (Operand::Reg(0), Operand::Reg(1));
        let into_itself = vec![Stmt::Push { acc: 1, value: one }];
        assert_eq!(refused(vec![into_itself], 2), Some("a value may nest without end"));
        let round = vec![
            vec![Stmt::MakeArray { dst: 1, items: vec![zero] }, Stmt::Assign { dst: 0, src: one }],
            vec![Stmt::Scan { src: Operand::Const(0), key: None, value: None, block: 0 }],
        ];
        assert_eq!(refused(round, 2), Some("a value may nest without end"));
        let row = |n: Reg| {
            (1..n)
                .map(|at| Stmt::MakeArray { dst: at, items: vec![Operand::Reg(at - 1)] })
                .collect::<Vec<_>>()
        };
        assert_eq!(refused(vec![row(100)], 100), None);
        assert_eq!(refused(vec![row(1000)], 1000), Some("a value may nest too deeply"));
    }

    #[test]
    fn a_block_has_one_place() {
        let twice = vec![vec![], vec![Stmt::Try { block: 0 }, Stmt::Try { block: 0 }]];
        assert_eq!(refused(twice, 1), Some("a block is used twice"));
    }
}
