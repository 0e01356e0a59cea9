//! Changes to a program that keep it one: so that what is run is nearly what a compiler makes, and not quite.

use sidegate_engine::eval::Builtin;
use sidegate_engine::plan::{
    Compare, Entry, Form, Func, Node, Operand, Operator, Program, Split, Step, Stmt,
};

use crate::feed::Bytes;

/// Most changes to one program.
const EDITS: usize = 48;

/// Changes a program as the bytes say.
pub(crate) fn edit(program: &mut Program, bytes: &mut Bytes<'_>) {
    for _ in 0..EDITS {
        if bytes.is_empty() || program.blocks.is_empty() {
            break;
        }
        one(program, bytes);
    }
}

fn one(program: &mut Program, bytes: &mut Bytes<'_>) {
    let kind = bytes.byte();
    let block = bytes.below(program.blocks.len());
    let length = program.blocks[block].len();
    let at = bytes.below(length.max(1));
    match kind % 12 {
        0 | 1 if length > 0 => program.blocks[block][at] = stmt(program, block, bytes),
        0..=3 => {
            let stmt = stmt(program, block, bytes);
            program.blocks[block].insert(at.min(length), stmt);
        }
        4 if length > 0 => {
            program.blocks[block].remove(at);
        }
        5 if length > 0 => {
            let other = bytes.below(length);
            program.blocks[block].swap(at, other);
        }
        6 if length > 0 => {
            // Of another block, which may be before it.
            let stmt = program.blocks[block][at].clone();
            let to = bytes.below(program.blocks.len());
            program.blocks[to].push(stmt);
        }
        7 => {
            let node = node(program.consts.len(), bytes);
            if program.consts.is_empty() || kind >= 128 {
                program.consts.push(node);
            } else {
                let at = bytes.below(program.consts.len());
                program.consts[at] = node;
            }
        }
        8 if !program.funcs.is_empty() => {
            let at = bytes.below(program.funcs.len());
            let Func { params, regs, body, default, .. } = &mut program.funcs[at];
            match bytes.byte() % 4 {
                0 => *params = u16::from(bytes.byte() % 8),
                1 => *regs = u16::from(bytes.byte()),
                2 => *body = u32::try_from(block).unwrap(),
                _ => *default = Some(constant(bytes)),
            }
        }
        9 => {
            // A function of the block, at the end, where it can call all others.
            let body = u32::try_from(block).unwrap();
            let func = u32::try_from(program.funcs.len()).unwrap();
            program.funcs.push(Func { name: "data.f".to_owned(), params: 0, regs: 32, body, default: None });
            program.entries.insert(0, Entry { path: format!("f/{func}"), func, reads: vec![Vec::new()] });
        }
        10 => {
            let stmts =
                (0..1 + bytes.byte() % 4).map(|_| stmt(program, program.blocks.len(), bytes)).collect();
            program.blocks.push(stmts);
        }
        _ => {
            program.slots = u16::from(bytes.byte() % 4);
            let names: Vec<&str> = Builtin::names().collect();
            program.builtins.push(names[bytes.below(names.len())].to_owned());
        }
    }
}

fn reg(bytes: &mut Bytes<'_>) -> u16 {
    u16::from(bytes.byte() % 16)
}

fn constant(bytes: &mut Bytes<'_>) -> u32 {
    u32::from(bytes.byte())
}

fn operand(bytes: &mut Bytes<'_>) -> Operand {
    if bytes.byte().is_multiple_of(3) { Operand::Const(constant(bytes)) } else { Operand::Reg(reg(bytes)) }
}

fn operands(bytes: &mut Bytes<'_>) -> Vec<Operand> {
    (0..bytes.byte() % 4).map(|_| operand(bytes)).collect()
}

fn path(bytes: &mut Bytes<'_>) -> Vec<u32> {
    (0..bytes.byte() % 4).map(|_| constant(bytes)).collect()
}

/// A block that may be nested in this one: any before it, as a rule.
fn before(block: usize, bytes: &mut Bytes<'_>) -> u32 {
    u32::try_from(bytes.below(block.max(1))).unwrap()
}

fn node(consts: usize, bytes: &mut Bytes<'_>) -> Node {
    let child = |bytes: &mut Bytes<'_>| u32::try_from(bytes.below(consts.max(1))).unwrap();
    match bytes.byte() % 7 {
        0 => Node::Null,
        1 => Node::Bool(bytes.byte().is_multiple_of(2)),
        2 => Node::Number(bytes.text()),
        3 => Node::String(bytes.text()),
        4 => Node::Array((0..bytes.byte() % 8).map(|_| child(bytes)).collect()),
        5 => Node::Set((0..bytes.byte() % 4).map(|_| child(bytes)).collect()),
        _ => Node::Object((0..bytes.byte() % 4).map(|_| (child(bytes), child(bytes))).collect()),
    }
}

fn compare(bytes: &mut Bytes<'_>) -> Compare {
    match bytes.byte() % 4 {
        0 => Compare::Eq,
        1 => Compare::Ne,
        2 => Compare::Lt,
        _ => Compare::Ge,
    }
}

fn operator(bytes: &mut Bytes<'_>) -> Operator {
    match bytes.byte() % 7 {
        0 => Operator::Add,
        1 => Operator::Sub,
        2 => Operator::Mul,
        3 => Operator::Div,
        4 => Operator::Rem,
        5 => Operator::And,
        _ => Operator::Or,
    }
}

fn choice(block: usize, bytes: &mut Bytes<'_>) -> Stmt {
    let blocks: Vec<u32> = (0..1 + bytes.byte() % 3).map(|_| before(block, bytes)).collect();
    let split = Split {
        on: reg(bytes),
        form: if bytes.byte().is_multiple_of(2) { Form::Plain } else { Form::Address },
        bounds: constant(bytes),
        to: (0..bytes.byte() % 6).map(|_| u32::from(bytes.byte() % 4)).collect(),
        none: u32::from(bytes.byte() % 4),
        other: u32::from(bytes.byte() % 4),
    };
    let run = |bytes: &mut Bytes<'_>| {
        Step::Run((0..bytes.byte() % 3).map(|_| u32::from(bytes.byte() % 3)).collect())
    };
    let steps = vec![Step::Split(split), run(bytes), run(bytes)];
    Stmt::Choose { steps, blocks, first: bytes.byte().is_multiple_of(2) }
}

/// A statement for the block with this number.
fn stmt(program: &Program, block: usize, bytes: &mut Bytes<'_>) -> Stmt {
    let flag = |bytes: &mut Bytes<'_>| bytes.byte().is_multiple_of(2);
    match bytes.byte() % 36 {
        0 => Stmt::Assign { dst: reg(bytes), src: operand(bytes) },
        1 => Stmt::Input { dst: reg(bytes), path: path(bytes), place: 0 },
        2 => Stmt::InputKeys { dst: reg(bytes), path: path(bytes), place: 0 },
        3 => Stmt::Get { dst: reg(bytes), src: operand(bytes), key: operand(bytes) },
        4 => Stmt::GetBase { dst: reg(bytes), src: operand(bytes), key: operand(bytes) },
        5 => {
            let func = u32::try_from(bytes.below(program.funcs.len().max(1))).unwrap();
            Stmt::Call { dst: reg(bytes), func, args: operands(bytes) }
        }
        6 | 7 => {
            let builtin = u16::try_from(bytes.below(program.builtins.len().max(1))).unwrap();
            Stmt::Builtin { dst: reg(bytes), builtin, args: operands(bytes) }
        }
        8 => Stmt::Operate { dst: reg(bytes), op: operator(bytes), a: operand(bytes), b: operand(bytes) },
        9 => Stmt::Check { op: compare(bytes), a: operand(bytes), b: operand(bytes) },
        10 => Stmt::Compare { dst: reg(bytes), op: compare(bytes), a: operand(bytes), b: operand(bytes) },
        11 => {
            let key = flag(bytes).then(|| operand(bytes));
            Stmt::Member { dst: reg(bytes), key, value: operand(bytes), of: operand(bytes) }
        }
        12 => Stmt::Truthy { src: operand(bytes) },
        13 => Stmt::Fail,
        14 => Stmt::IsArray { src: operand(bytes), len: u32::from(bytes.byte() % 4) },
        15 => Stmt::IsObject { src: operand(bytes), len: u32::from(bytes.byte() % 4) },
        16 => Stmt::MakeArray { dst: reg(bytes), items: operands(bytes) },
        17 => Stmt::MakeSet { dst: reg(bytes), items: operands(bytes) },
        18 => {
            let fields = (0..bytes.byte() % 3).map(|_| (operand(bytes), operand(bytes))).collect();
            Stmt::MakeObject { dst: reg(bytes), fields }
        }
        19 | 20 => {
            let (key, value) = (flag(bytes).then(|| reg(bytes)), flag(bytes).then(|| reg(bytes)));
            Stmt::Scan { src: operand(bytes), key, value, block: before(block, bytes) }
        }
        21 => {
            let (key, value) = (flag(bytes).then(|| reg(bytes)), flag(bytes).then(|| reg(bytes)));
            Stmt::Every { src: operand(bytes), key, value, block: before(block, bytes) }
        }
        22 => Stmt::Not { block: before(block, bytes) },
        23 => Stmt::Try { block: before(block, bytes) },
        24 => Stmt::First { blocks: (0..bytes.byte() % 3).map(|_| before(block, bytes)).collect() },
        25 => Stmt::Push { acc: reg(bytes), value: operand(bytes) },
        26 => Stmt::Add { acc: reg(bytes), value: operand(bytes) },
        27 => Stmt::Insert { acc: reg(bytes), key: operand(bytes), value: operand(bytes) },
        28 => Stmt::Yield { value: operand(bytes) },
        29 => Stmt::Stop,
        30 => Stmt::InsertAt { acc: reg(bytes), keys: operands(bytes), value: operand(bytes) },
        31 => Stmt::AddAt { acc: reg(bytes), keys: operands(bytes), value: operand(bytes) },
        32 => match bytes.byte() % 4 {
            0 => Stmt::Slot { dst: reg(bytes), slot: u16::from(bytes.byte() % 4) },
            1 => Stmt::Clear { dst: reg(bytes) },
            2 => Stmt::Defined { src: reg(bytes) },
            _ => Stmt::Outside { block: before(block, bytes) },
        },
        33 => {
            let src = flag(bytes).then(|| operand(bytes));
            Stmt::Patch { dst: reg(bytes), src, path: path(bytes), value: operand(bytes) }
        }
        34 => {
            let input = flag(bytes).then(|| operand(bytes));
            let slots =
                (0..bytes.byte() % 3).map(|_| (u16::from(bytes.byte() % 4), operand(bytes))).collect();
            Stmt::With { input, slots, block: before(block, bytes) }
        }
        _ => choice(block, bytes),
    }
}
