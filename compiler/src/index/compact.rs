//! A plan in the order that loading asks for, without blocks and constants that nothing uses any more.

use std::collections::BTreeMap;

use sidegate_engine::plan::{BlockId, ConstId, Node, Operand, Program, Stmt};

use super::uses::{Parts, stmts};

/// Puts nested blocks before those that nest them, and drops what is not used.
pub(super) fn compact(mut program: Program) -> Program {
    let mut blocks = Vec::with_capacity(program.blocks.len());
    let mut bodies = Vec::with_capacity(program.funcs.len());
    for func in &program.funcs {
        bodies.push(place(&program, func.body, &mut blocks));
    }
    for (func, body) in program.funcs.iter_mut().zip(bodies) {
        func.body = body;
    }
    program.blocks = blocks;
    constants(&mut program);
    program
}

fn place(program: &Program, block: BlockId, placed: &mut Vec<Vec<Stmt>>) -> BlockId {
    let mut own = stmts(program, block).to_vec();
    for stmt in &mut own {
        stmt.blocks(&mut |inner| *inner = place(program, *inner, placed));
    }
    placed.push(own);
    BlockId::try_from(placed.len().saturating_sub(1)).unwrap_or(BlockId::MAX)
}

fn constants(program: &mut Program) {
    let mut used = vec![false; program.consts.len()];
    let mut mark = |id: &ConstId| {
        if let Some(used) = usize::try_from(*id).ok().and_then(|at| used.get_mut(at)) {
            *used = true;
        }
    };
    each(program, &mut |id| mark(id));
    // Children stand before their parents: from the last one on, every parent is known before its children.
    for (at, node) in program.consts.iter().enumerate().rev() {
        if used.get(at).copied().unwrap_or(false) {
            children(node).iter().for_each(|id| {
                if let Some(used) = usize::try_from(*id).ok().and_then(|at| used.get_mut(at)) {
                    *used = true;
                }
            });
        }
    }
    let mut now: BTreeMap<ConstId, ConstId> = BTreeMap::new();
    let mut kept = Vec::new();
    for ((node, used), was) in std::mem::take(&mut program.consts).into_iter().zip(used).zip(0..) {
        if used {
            now.insert(was, ConstId::try_from(kept.len()).unwrap_or(ConstId::MAX));
            kept.push(moved(node, &now));
        }
    }
    program.consts = kept;
    each(program, &mut |id| *id = now.get(id).copied().unwrap_or(ConstId::MAX));
}

/// Every use of a constant in the program, but those in other constants.
fn each(program: &mut Program, use_of: &mut dyn FnMut(&mut ConstId)) {
    program.funcs.iter_mut().filter_map(|func| func.default.as_mut()).for_each(&mut *use_of);
    for stmt in program.blocks.iter_mut().flatten() {
        stmt.constants(use_of);
        stmt.operands(&mut |operand| {
            if let Operand::Const(id) = operand {
                use_of(id);
            }
        });
    }
}

fn children(node: &Node) -> Vec<ConstId> {
    match node {
        Node::Array(ids) | Node::Set(ids) => ids.clone(),
        Node::Object(fields) => fields.iter().flat_map(|(key, value)| [*key, *value]).collect(),
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::String(_) => Vec::new(),
    }
}

fn moved(node: Node, now: &BTreeMap<ConstId, ConstId>) -> Node {
    let to = |id: ConstId| now.get(&id).copied().unwrap_or(ConstId::MAX);
    match node {
        Node::Array(ids) => Node::Array(ids.into_iter().map(to).collect()),
        Node::Set(ids) => Node::Set(ids.into_iter().map(to).collect()),
        Node::Object(fields) => Node::Object(fields.into_iter().map(|(k, v)| (to(k), to(v))).collect()),
        leaf => leaf,
    }
}
