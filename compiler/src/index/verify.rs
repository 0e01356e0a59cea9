//! Whether two programs that differ in their registers alone do the same.
//!
//! Goes through both at once, and knows at every statement which register of the one has its value in which of the
//! other. It does not ask why: it shares nothing with the pass whose work it looks at, but for the lists of what a
//! statement reads and writes.

use std::collections::BTreeMap;

use sidegate_engine::plan::{BlockId, Func, Program, Reg, Stmt};

use super::uses::{Parts, below, stmts};

/// Whose value a register has, on every way that leads to a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Holds {
    /// Nothing was put there.
    #[default]
    Nothing,
    /// What this register of the other program has, or nothing where that has nothing either.
    Only(Reg),
    /// It depends on the way.
    Mixed,
}

struct Walk<'p> {
    before: &'p Program,
    after: &'p Program,
    result: Reg,
    /// What each register is called in the other program.
    names: BTreeMap<Reg, Reg>,
    holds: Vec<Holds>,
    /// What was put where, and what was known of the place until then.
    written: Vec<(Reg, Reg, Holds)>,
}

/// Whether every statement of a function reads what the same statement of the other one does.
pub(super) fn agree((before, was): (&Program, &Func), (after, now): (&Program, &Func)) -> bool {
    let Func { name, params, regs, body, default } = now;
    let same = (&was.name, was.params, was.body, was.default) == (name, *params, *body, *default);
    let mut walk = Walk {
        before,
        after,
        result: *params,
        names: BTreeMap::new(),
        holds: vec![Holds::Nothing; usize::from(*regs)],
        written: Vec::new(),
    };
    // Arguments are put where the parameters are.
    let called = (0..*params).all(|param| walk.write(param, param));
    same && called && walk.block(*body) && walk.read(*params, *params)
}

impl Walk<'_> {
    fn block(&mut self, id: BlockId) -> bool {
        let (was, now) = (stmts(self.before, id), stmts(self.after, id));
        was.len() == now.len() && was.iter().zip(now).all(|(was, now)| self.stmt(was, now))
    }

    fn stmt(&mut self, was: &Stmt, now: &Stmt) -> bool {
        let (Some(reads), Some(writes)) = (self.reads(was, now), self.writes(was, now)) else { return false };
        let mut nested = Vec::new();
        now.clone().blocks(&mut |inner| nested.push(*inner));
        let from = self.written.len();
        let repeats = matches!(now, Stmt::Scan { .. } | Stmt::Every { .. });
        let mut agrees = reads.iter().all(|(was, now)| self.read(*was, *now));
        if repeats {
            // A run comes after another one, of which nothing is known but what it may have written.
            agrees = agrees && nested.iter().all(|inner| self.may_run(*inner));
        }
        agrees = agrees && writes.into_iter().all(|(was, now)| self.write(was, now));
        if matches!(now, Stmt::MakeObject { .. }) {
            // The object is there before what goes into it is looked at.
            agrees = agrees && reads.iter().all(|(was, now)| self.read(*was, *now));
        }
        for inner in &nested {
            let from = self.written.len();
            agrees = agrees && self.block(*inner);
            self.leave(from);
        }
        if repeats {
            self.leave(from);
        }
        agrees
    }

    /// What a statement reads, in both programs. What was given before is looked at where another is.
    fn reads(&self, was: &Stmt, now: &Stmt) -> Option<Vec<(Reg, Reg)>> {
        let result = matches!(now, Stmt::Yield { .. }).then_some((self.result, self.result));
        pairs(was.reads(), now.reads()).map(|pairs| pairs.into_iter().chain(result).collect())
    }

    /// What a statement writes, in both programs.
    fn writes(&self, was: &Stmt, now: &Stmt) -> Option<Vec<(Reg, Reg)>> {
        let result = matches!(now, Stmt::Yield { .. }).then_some((self.result, self.result));
        pairs(was.writes(), now.writes()).map(|pairs| pairs.into_iter().chain(result).collect())
    }

    /// Whether a register is called the same everywhere.
    fn is_named(&mut self, was: Reg, now: Reg) -> bool {
        *self.names.entry(was).or_insert(now) == now
    }

    fn read(&mut self, was: Reg, now: Reg) -> bool {
        let held = self.holds.get(usize::from(now)).copied();
        self.is_named(was, now) && held.is_some_and(|held| held.with(was) == Holds::Only(was))
    }

    fn write(&mut self, was: Reg, now: Reg) -> bool {
        self.put(was, now, |_| Holds::Only(was))
    }

    fn put(&mut self, was: Reg, now: Reg, held: impl FnOnce(Holds) -> Holds) -> bool {
        let is_named = self.is_named(was, now);
        let Some(place) = self.holds.get_mut(usize::from(now)) else { return false };
        self.written.push((was, now, *place));
        *place = held(*place);
        is_named
    }

    /// All that a block may write, without knowing whether it does.
    fn may_run(&mut self, block: BlockId) -> bool {
        below(self.after, block).into_iter().all(|block| {
            let (was, now) = (stmts(self.before, block), stmts(self.after, block));
            was.iter().zip(now).all(|(was, now)| {
                self.writes(was, now).is_some_and(|writes| {
                    writes.into_iter().all(|(was, now)| self.put(was, now, |held| held.with(was)))
                })
            })
        })
    }

    /// What is known after a block that may have ended anywhere, or not have run at all.
    fn leave(&mut self, from: usize) {
        let written = self.written.split_off(from);
        for (_, now, held) in written.iter().rev() {
            self.set(*now, *held);
        }
        let known: BTreeMap<(Reg, Reg), Holds> = written
            .into_iter()
            .map(|(was, now, _)| ((was, now), self.holds.get(usize::from(now)).copied().unwrap_or_default()))
            .collect();
        for ((was, now), held) in known {
            self.written.push((was, now, held));
            let held = self.holds.get(usize::from(now)).copied().unwrap_or_default();
            self.set(now, held.with(was));
        }
    }

    fn set(&mut self, reg: Reg, held: Holds) {
        if let Some(place) = self.holds.get_mut(usize::from(reg)) {
            *place = held;
        }
    }
}

impl Holds {
    /// What is known where either this is so or the value is that of `reg`.
    fn with(self, reg: Reg) -> Self {
        match self {
            Self::Nothing => Self::Only(reg),
            Self::Only(other) if other == reg => self,
            Self::Only(_) | Self::Mixed => Self::Mixed,
        }
    }
}

fn pairs(was: Vec<Reg>, now: Vec<Reg>) -> Option<Vec<(Reg, Reg)>> {
    (was.len() == now.len()).then(|| was.into_iter().zip(now).collect())
}

#[cfg(test)]
mod tests {
    use sidegate_engine::plan::Operand;

    use super::*;

    fn program(params: Reg, regs: Reg, blocks: Vec<Vec<Stmt>>) -> Program {
        let body = BlockId::try_from(blocks.len() - 1).unwrap();
        let func = Func { name: "data.t.f".into(), params, regs, body, default: None };
        Program { blocks, funcs: vec![func], ..Program::default() }
    }

    /// Whether the plan may have `names` in the place of its registers.
    fn may_be(before: &Program, names: &[(Reg, Reg)]) -> bool {
        let mut after = before.clone();
        for stmt in after.blocks.iter_mut().flatten() {
            crate::index::roles::registers(stmt, &mut |reg, _| {
                *reg = names.iter().find(|(was, _)| was == reg).map_or(*reg, |(_, now)| *now);
            });
        }
        same(before, &after)
    }

    fn same(before: &Program, after: &Program) -> bool {
        agree((before, &before.funcs[0]), (after, &after.funcs[0]))
    }

    fn set(dst: Reg) -> Stmt {
        Stmt::Input { dst, path: vec![], place: 0 }
    }

    fn look(reg: Reg) -> Stmt {
        Stmt::Truthy { src: Operand::Reg(reg) }
    }

    fn give(reg: Reg) -> Stmt {
        Stmt::Yield { value: Operand::Reg(reg) }
    }

    #[test]
    fn bodies_one_after_the_other_may_share() {
        let bodies = vec![
            vec![set(1), look(1), give(1)],
            vec![set(2), look(2), give(2)],
            vec![Stmt::First { blocks: vec![0, 1] }],
        ];
        assert!(may_be(&program(0, 3, bodies.clone()), &[(2, 1)]));
        assert!(may_be(&program(0, 3, bodies), &[(1, 2), (2, 1)]));
    }

    #[test]
    fn what_another_body_left_is_not_read() {
        // The second one looks at what it never sets: undefined, and no longer so if the first one was there.
        let bodies =
            vec![vec![set(1), Stmt::Fail], vec![look(2), give(2)], vec![Stmt::First { blocks: vec![0, 1] }]];
        assert!(may_be(&program(0, 3, bodies.clone()), &[(1, 2), (2, 1)]));
        assert!(!may_be(&program(0, 3, bodies), &[(2, 1)]));
        let asked =
            vec![vec![set(1)], vec![Stmt::Try { block: 0 }, Stmt::Defined { src: 2 }, set(2), give(2)]];
        assert!(!may_be(&program(0, 3, asked), &[(2, 1)]));
    }

    #[test]
    fn what_is_there_at_the_same_time_is_not_shared() {
        let nested = vec![vec![set(2), look(2)], vec![set(1), Stmt::Try { block: 0 }, look(1)]];
        assert!(!may_be(&program(0, 3, nested), &[(2, 1)]));
        let flat = vec![vec![set(1), set(2), look(1)]];
        assert!(!may_be(&program(0, 3, flat), &[(2, 1)]));
        // What may not have run is no reason to rely on it.
        let maybe = vec![vec![set(1)], vec![set(1)], vec![set(2), Stmt::Try { block: 0 }, look(2)]];
        assert!(!may_be(&program(0, 3, maybe), &[(2, 1)]));
    }

    #[test]
    fn a_run_comes_after_another_one() {
        let scan = |block| Stmt::Scan { src: Operand::Const(0), key: None, value: Some(3), block };
        let kept = vec![vec![look(1), set(2)], vec![set(1), scan(0)]];
        assert!(!may_be(&program(0, 4, kept), &[(2, 1)]));
        // Bound for each run, so what the run before left is gone.
        let bound = vec![vec![look(3), set(2), look(2)], vec![set(1), scan(0)]];
        assert!(may_be(&program(0, 4, bound.clone()), &[(2, 3)]));
        let after = vec![vec![set(2), look(3)], vec![scan(0)]];
        assert!(!may_be(&program(0, 4, after), &[(2, 3)]));
        let given = vec![vec![Stmt::Defined { src: 1 }, set(2), give(2)], vec![scan(0)]];
        assert!(may_be(&program(0, 4, given.clone()), &[]));
        assert!(!may_be(&program(0, 4, given), &[(1, 0)]));
    }

    #[test]
    fn parameters_and_the_result_have_their_places() {
        let body = vec![vec![look(0), set(2), look(2), give(2)]];
        assert!(!may_be(&program(1, 3, body.clone()), &[(0, 2), (2, 0)]));
        assert!(!may_be(&program(1, 3, body.clone()), &[(2, 1)]));
        assert!(may_be(&program(1, 4, body), &[(2, 3)]));
    }

    #[test]
    fn an_object_is_there_before_its_fields() {
        let field = (Operand::Const(0), Operand::Reg(1));
        let body = vec![vec![set(1), Stmt::MakeObject { dst: 2, fields: vec![field] }, give(2)]];
        assert!(!may_be(&program(0, 3, body.clone()), &[(1, 2)]));
        assert!(may_be(&program(0, 3, body), &[(1, 2), (2, 1)]));
        let array = vec![vec![set(1), Stmt::MakeArray { dst: 2, items: vec![Operand::Reg(1)] }, give(2)]];
        assert!(may_be(&program(0, 3, array), &[(1, 2)]));
    }

    #[test]
    fn a_register_has_one_name() {
        let before = program(0, 3, vec![vec![set(1), look(1)]]);
        let mut after = before.clone();
        after.blocks = vec![vec![set(1), look(2)]];
        assert!(!same(&before, &after));
        after.blocks = vec![vec![set(1)]];
        assert!(!same(&before, &after));
    }
}
