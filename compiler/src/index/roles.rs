//! The registers of a statement, each with what the statement does to it.

use sidegate_engine::plan::{Operand, Reg, Split, Step, Stmt};

use super::uses::Parts;

/// What a statement does to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Looks at what is in it, or changes that.
    Reads,
    /// Puts a value there, whatever was in it. A statement that fails may not have done so.
    Writes,
    /// Puts an element there before each run of the block that it nests.
    Binds,
}

/// Every register of a statement; those that it reads come first.
pub(super) fn registers(stmt: &mut Stmt, each: &mut dyn FnMut(&mut Reg, Role)) {
    stmt.operands(&mut |operand| {
        if let Operand::Reg(reg) = operand {
            each(reg, Role::Reads);
        }
    });
    match stmt {
        Stmt::Push { acc: reg, value: _ }
        | Stmt::Add { acc: reg, value: _ }
        | Stmt::Insert { acc: reg, key: _, value: _ }
        | Stmt::InsertAt { acc: reg, keys: _, value: _ }
        | Stmt::AddAt { acc: reg, keys: _, value: _ }
        | Stmt::Defined { src: reg } => each(reg, Role::Reads),
        Stmt::Choose { steps, blocks: _, first: _ } => steps.iter_mut().for_each(|step| match step {
            Step::Run(_) => {}
            Step::Split(Split { on, form: _, bounds: _, to: _, none: _, other: _ }) => {
                each(on, Role::Reads);
            }
        }),
        Stmt::Assign { dst, src: _ }
        | Stmt::Input { dst, path: _, place: _ }
        | Stmt::InputKeys { dst, path: _, place: _ }
        | Stmt::Get { dst, src: _, key: _ }
        | Stmt::GetBase { dst, src: _, key: _ }
        | Stmt::Call { dst, func: _, args: _ }
        | Stmt::Builtin { dst, builtin: _, args: _ }
        | Stmt::Operate { dst, op: _, a: _, b: _ }
        | Stmt::Compare { dst, op: _, a: _, b: _ }
        | Stmt::Member { dst, key: _, value: _, of: _ }
        | Stmt::MakeArray { dst, items: _ }
        | Stmt::MakeSet { dst, items: _ }
        | Stmt::MakeObject { dst, fields: _ }
        | Stmt::Slot { dst, slot: _ }
        | Stmt::Patch { dst, src: _, path: _, value: _ }
        | Stmt::Clear { dst } => each(dst, Role::Writes),
        Stmt::Scan { src: _, key, value, block: _ } | Stmt::Every { src: _, key, value, block: _ } => {
            key.iter_mut().chain(value).for_each(|reg| each(reg, Role::Binds));
        }
        Stmt::Check { op: _, a: _, b: _ }
        | Stmt::Truthy { src: _ }
        | Stmt::Fail
        | Stmt::IsArray { src: _, len: _ }
        | Stmt::IsObject { src: _, len: _ }
        | Stmt::Not { block: _ }
        | Stmt::Try { block: _ }
        | Stmt::First { blocks: _ }
        // The result has a register of its own, which no pass renames.
        | Stmt::Yield { value: _ }
        | Stmt::Stop
        | Stmt::With { input: _, slots: _, block: _ }
        | Stmt::Outside { block: _ } => {}
    }
}
