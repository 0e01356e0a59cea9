//! Rules that a plan must keep so that the evaluator cannot loop, overflow or read what is not there.

use super::{BlockId, ConstId, FuncId, Node, Operand, Program, Reg, Slot, Split, Step, Stmt};

/// What a block needs of the frame it runs in, and how deep it goes.
#[derive(Clone, Copy, Default)]
struct Facts {
    /// One more than the highest register used.
    regs: u32,
    depth: u32,
}

/// Checks every index of `program` and returns the depth of its deepest evaluation.
pub(super) fn depth(program: &Program) -> Result<u32, &'static str> {
    let mut facts: Vec<Facts> = Vec::with_capacity(program.blocks.len());
    for block in &program.blocks {
        let mut check = Check { program, done: &facts, facts: Facts { regs: 0, depth: 1 } };
        for stmt in block {
            check.stmt(stmt)?;
        }
        facts.push(check.facts);
    }
    let mut deepest = 0;
    for func in &program.funcs {
        let body = get(&facts, func.body).ok_or("a function has no body")?;
        if func.params >= func.regs {
            return Err("a function has no register for its result");
        }
        if body.regs > u32::from(func.regs) {
            return Err("a register is out of range");
        }
        if let Some(id) = func.default {
            get(&program.consts, id).ok_or("a default is out of range")?;
        }
        deepest = deepest.max(body.depth.saturating_add(1));
    }
    for entry in &program.entries {
        let func = get(&program.funcs, entry.func).ok_or("an entry point has no function")?;
        if func.params != 0 {
            return Err("an entry point has parameters");
        }
    }
    Ok(deepest)
}

struct Check<'a> {
    program: &'a Program,
    /// The blocks before this one.
    done: &'a [Facts],
    facts: Facts,
}

impl Check<'_> {
    fn stmt(&mut self, stmt: &Stmt) -> Result<(), &'static str> {
        match stmt {
            Stmt::Assign { dst, src } => {
                self.reg(*dst);
                self.operand(*src)
            }
            Stmt::Input { dst, path, place: _ } | Stmt::InputKeys { dst, path, place: _ } => {
                self.reg(*dst);
                path.iter().try_for_each(|id| self.constant(*id))
            }
            Stmt::Get { dst, src, key } | Stmt::GetBase { dst, src, key } => {
                self.reg(*dst);
                self.operand(*src)?;
                self.operand(*key)
            }
            Stmt::Call { dst, func, args } => {
                self.reg(*dst);
                self.call(*func, args)
            }
            Stmt::Builtin { dst, builtin, args } => {
                self.reg(*dst);
                if usize::from(*builtin) >= self.program.builtins.len() {
                    return Err("a builtin is out of range");
                }
                self.operands(args)
            }
            Stmt::Operate { dst, a, b, .. } | Stmt::Compare { dst, a, b, .. } => {
                self.reg(*dst);
                self.operand(*a)?;
                self.operand(*b)
            }
            Stmt::Check { a, b, .. } => {
                self.operand(*a)?;
                self.operand(*b)
            }
            Stmt::Member { dst, key, value, of } => {
                self.reg(*dst);
                if let Some(key) = key {
                    self.operand(*key)?;
                }
                self.operand(*value)?;
                self.operand(*of)
            }
            Stmt::Truthy { src } | Stmt::IsArray { src, .. } | Stmt::IsObject { src, .. } => {
                self.operand(*src)
            }
            Stmt::Fail | Stmt::Stop => Ok(()),
            Stmt::MakeArray { dst, items } | Stmt::MakeSet { dst, items } => {
                self.reg(*dst);
                self.operands(items)
            }
            Stmt::MakeObject { dst, fields } => {
                self.reg(*dst);
                fields.iter().try_for_each(|(k, v)| {
                    self.operand(*k)?;
                    self.operand(*v)
                })
            }
            Stmt::Scan { src, key, value, block } | Stmt::Every { src, key, value, block } => {
                self.operand(*src)?;
                key.iter().chain(value).for_each(|reg| self.reg(*reg));
                self.block(*block)
            }
            Stmt::Not { block } | Stmt::Try { block } => self.block(*block),
            Stmt::First { blocks } => blocks.iter().try_for_each(|block| self.block(*block)),
            Stmt::Push { acc, value } | Stmt::Add { acc, value } => {
                self.reg(*acc);
                self.operand(*value)
            }
            Stmt::Insert { acc, key, value } => {
                self.reg(*acc);
                self.operand(*key)?;
                self.operand(*value)
            }
            Stmt::Yield { value } => self.operand(*value),
            Stmt::InsertAt { acc, keys, value } | Stmt::AddAt { acc, keys, value } => {
                self.reg(*acc);
                self.operands(keys)?;
                self.operand(*value)
            }
            Stmt::Slot { dst, slot } => {
                self.reg(*dst);
                self.slot(*slot)
            }
            Stmt::Patch { dst, src, path, value } => {
                self.reg(*dst);
                src.iter().try_for_each(|src| self.operand(*src))?;
                path.iter().try_for_each(|id| self.constant(*id))?;
                self.operand(*value)
            }
            Stmt::With { input, slots, block } => {
                input.iter().try_for_each(|input| self.operand(*input))?;
                slots.iter().try_for_each(|(slot, value)| {
                    self.slot(*slot)?;
                    self.operand(*value)
                })?;
                self.block(*block)
            }
            Stmt::Outside { block } => self.block(*block),
            Stmt::Clear { dst: reg } | Stmt::Defined { src: reg } => {
                self.reg(*reg);
                Ok(())
            }
            Stmt::Choose { steps, blocks, .. } => {
                self.steps(steps, blocks.len())?;
                blocks.iter().try_for_each(|block| self.block(*block))
            }
        }
    }

    /// Steps lead only to later ones, and only to blocks that there are, each once.
    fn steps(&mut self, steps: &[Step], blocks: usize) -> Result<(), &'static str> {
        if steps.is_empty() {
            return Err("a choice has no steps");
        }
        for (at, step) in steps.iter().enumerate() {
            let later = |next: &u32| usize::try_from(*next).is_ok_and(|next| next > at && next < steps.len());
            match step {
                Step::Run(run) => {
                    let known = run.iter().all(|at| usize::try_from(*at).is_ok_and(|at| at < blocks));
                    if !known || !run.is_sorted_by(|a, b| a < b) {
                        return Err("a choice names blocks that are not there, or not in order");
                    }
                }
                Step::Split(Split { on, bounds, to, none, other, form: _ }) => {
                    self.reg(*on);
                    let places = match get(&self.program.consts, *bounds) {
                        Some(Node::Array(bounds)) => bounds.len().saturating_mul(2).saturating_add(1),
                        _ => return Err("a choice has no bounds"),
                    };
                    if to.len() != places || !to.iter().chain([none, other]).all(later) {
                        return Err("a choice leads nowhere");
                    }
                }
            }
        }
        Ok(())
    }

    fn reg(&mut self, reg: Reg) {
        self.facts.regs = self.facts.regs.max(u32::from(reg).saturating_add(1));
    }

    fn slot(&self, slot: Slot) -> Result<(), &'static str> {
        if slot < self.program.slots { Ok(()) } else { Err("a slot is out of range") }
    }

    fn constant(&self, id: ConstId) -> Result<(), &'static str> {
        get(&self.program.consts, id).map(|_| ()).ok_or("a constant is out of range")
    }

    fn operand(&mut self, operand: Operand) -> Result<(), &'static str> {
        match operand {
            Operand::Reg(reg) => {
                self.reg(reg);
                Ok(())
            }
            Operand::Const(id) => self.constant(id),
        }
    }

    fn operands(&mut self, operands: &[Operand]) -> Result<(), &'static str> {
        operands.iter().try_for_each(|operand| self.operand(*operand))
    }

    fn nested(&mut self, facts: Facts) {
        self.facts.depth = self.facts.depth.max(facts.depth.saturating_add(1));
    }

    fn block(&mut self, id: BlockId) -> Result<(), &'static str> {
        let facts = *get(self.done, id).ok_or("a block nests one that is not before it")?;
        self.facts.regs = self.facts.regs.max(facts.regs);
        self.nested(facts);
        Ok(())
    }

    fn call(&mut self, id: FuncId, args: &[Operand]) -> Result<(), &'static str> {
        let func = get(&self.program.funcs, id).ok_or("a function is out of range")?;
        if args.len() != usize::from(func.params) {
            return Err("a call has the wrong number of arguments");
        }
        let body = *get(self.done, func.body).ok_or("a block calls a function that is not before it")?;
        self.nested(body);
        self.operands(args)
    }
}

fn get<T>(items: &[T], id: u32) -> Option<&T> {
    items.get(usize::try_from(id).ok()?)
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, FormatError, Func, Image, Node};
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn program(blocks: Vec<Vec<Stmt>>, funcs: &[(Reg, Reg, BlockId)]) -> Program {
        Program {
            revision: String::new(),
            consts: vec![Node::Bool(true)],
            builtins: vec![],
            blocks,
            funcs: funcs
                .iter()
                .map(|(params, regs, body)| Func {
                    name: "data.t.f".into(),
                    params: *params,
                    regs: *regs,
                    body: *body,
                    default: None,
                })
                .collect(),
            entries: vec![Entry { path: "t/f".into(), func: 0, reads: vec![] }],
            slots: 0,
        }
    }

    fn refused(program: Program) -> &'static str {
        match Image::new(program) {
            Err(FormatError::Malformed(why)) => why,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    #[test]
    fn what_the_evaluator_relies_on_is_checked() {
        let yes = Stmt::Yield { value: Operand::Const(0) };
        assert!(Image::new(program(vec![vec![yes.clone()]], &[(0, 1, 0)])).is_ok());
        let call = Stmt::Call { dst: 0, func: 0, args: vec![] };
        assert!(refused(program(vec![vec![call]], &[(0, 1, 0)])).contains("not before it"));
        let nest = Stmt::Not { block: 0 };
        assert!(refused(program(vec![vec![nest]], &[(0, 1, 0)])).contains("nests"));
        let wide = Stmt::Yield { value: Operand::Reg(9) };
        assert!(refused(program(vec![vec![wide]], &[(0, 1, 0)])).contains("register"));
        let far = Stmt::Yield { value: Operand::Const(7) };
        assert!(refused(program(vec![vec![far]], &[(0, 1, 0)])).contains("constant"));
        assert!(refused(program(vec![vec![yes.clone()]], &[(1, 2, 0)])).contains("parameters"));
        assert!(refused(program(vec![vec![yes]], &[(0, 1, 4)])).contains("body"));
    }

    #[test]
    fn depth_counts_nested_blocks_and_calls() {
        let blocks = vec![
            vec![Stmt::Yield { value: Operand::Const(0) }],
            vec![Stmt::Not { block: 0 }],
            vec![Stmt::Call { dst: 0, func: 0, args: vec![] }],
        ];
        let image = Image::new(program(blocks, &[(0, 1, 1), (0, 1, 2)])).unwrap();
        assert_eq!(image.depth(), 4);
    }
}
