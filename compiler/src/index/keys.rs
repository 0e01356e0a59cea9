//! What is read of an input and of the elements that are gone through, and what not.

use sidegate_engine::plan::{BlockId, Operand, Reg, Stmt};

use super::Pass;
use super::uses::{Uses, stmts};

impl Pass<'_> {
    /// Leaves out keys and values of elements that nothing reads, in a block.
    pub(super) fn bindings(&mut self, block: BlockId, uses: &Uses) {
        let unread = |reg: &mut Option<Reg>| {
            if reg.is_some_and(|reg| uses.read(reg) == 0) {
                *reg = None;
            }
        };
        for stmt in self.stmts_mut(block) {
            if let Stmt::Scan { key, value, .. } | Stmt::Every { key, value, .. } = stmt {
                unread(key);
                unread(value);
            }
        }
    }

    /// Asks for the keys alone of what is only gone through by its keys. `all` are the function's blocks.
    pub(super) fn keys(&mut self, block: BlockId, uses: &Uses, all: &[BlockId]) {
        let scans = |reg: Reg| {
            let stmts = all.iter().flat_map(|block| stmts(self.program, *block));
            stmts
                .filter(|stmt| matches!(stmt, Stmt::Scan { src: Operand::Reg(src), value: None, .. } if *src == reg))
                .count()
        };
        let by_keys: Vec<bool> = stmts(self.program, block)
            .iter()
            .map(|stmt| match stmt {
                Stmt::Input { dst, .. } => {
                    uses.written(*dst) == 1 && uses.read(*dst) > 0 && scans(*dst) == uses.read(*dst)
                }
                _ => false,
            })
            .collect();
        for (stmt, by_keys) in self.stmts_mut(block).iter_mut().zip(by_keys) {
            if let Stmt::Input { dst, path, place } = stmt
                && by_keys
            {
                *stmt = Stmt::InputKeys { dst: *dst, path: std::mem::take(path), place: *place };
            }
        }
    }

    fn stmts_mut(&mut self, block: BlockId) -> &mut [Stmt] {
        let block = usize::try_from(block).ok().and_then(|at| self.program.blocks.get_mut(at));
        block.map_or(&mut [], Vec::as_mut_slice)
    }
}
