//! Plans that no compiler makes: whatever decodes must run within its budget, without a panic, on the
//! stack that wasm has.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may panic")]

use proptest::prelude::*;
use regorus::Value;

use super::{Asked, Builtin, Context, Machine};
use crate::limits::Limits;
use crate::plan::{Compare, Entry, Func, Image, Node, Operand, Operator, Program, Reg, Stmt, decode, encode};

/// The linker's default for wasm32.
const STACK: usize = 1 << 20;
/// As in the default configuration.
const STEPS: u64 = 100_000;

fn known() -> Context {
    Context { now_ns: Some(1_700_000_000_000_000_000), seed: Some([7; 32]) }
}

fn on_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
}

/// What `Policy` does with a plan: refuses a deep one, runs each entry point.
fn run(image: &Image) {
    if image.depth() > Limits::default().depth {
        return;
    }
    let input = Value::from_json_str(r#"{"a":[1,2,3,"x"],"b":{"c":[[1],{"d":null}]}}"#).unwrap();
    let context = known();
    for entry in image.entries() {
        let mut machine = Machine::new(image, Asked::Document(&input), &context, STEPS);
        let _ = machine.result(entry.func);
        assert!(machine.used() <= STEPS);
    }
}

fn reg() -> impl Strategy<Value = Reg> {
    0..8_u16
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![3 => reg().prop_map(Operand::Reg), 1 => (0..8_u32).prop_map(Operand::Const)]
}

fn operands() -> impl Strategy<Value = Vec<Operand>> {
    proptest::collection::vec(operand(), 0..3)
}

/// A statement; what it nests or calls are numbers that are made to fit later.
fn stmt() -> impl Strategy<Value = Stmt> {
    let operator = prop_oneof![
        Just(Operator::Add),
        Just(Operator::Sub),
        Just(Operator::Mul),
        Just(Operator::Div),
        Just(Operator::Rem),
        Just(Operator::And),
        Just(Operator::Or)
    ];
    let comparison = prop_oneof![Just(Compare::Eq), Just(Compare::Lt), Just(Compare::Ge)];
    prop_oneof![
        (reg(), operand()).prop_map(|(dst, src)| Stmt::Assign { dst, src }),
        (reg(), proptest::collection::vec(0..8_u32, 0..3)).prop_map(|(dst, path)| Stmt::Input {
            dst,
            path,
            place: 0
        }),
        (reg(), proptest::collection::vec(0..8_u32, 0..3)).prop_map(|(dst, path)| Stmt::InputKeys {
            dst,
            path,
            place: 0
        }),
        (reg(), operand(), operand()).prop_map(|(dst, src, key)| Stmt::Get { dst, src, key }),
        (reg(), operand(), operand()).prop_map(|(dst, src, key)| Stmt::GetBase { dst, src, key }),
        (reg(), any::<u32>(), operands()).prop_map(|(dst, func, args)| Stmt::Call { dst, func, args }),
        (reg(), any::<u16>(), operands()).prop_map(|(dst, at, args)| Stmt::Builtin {
            dst,
            builtin: at % 200,
            args
        }),
        (reg(), operator, operand(), operand()).prop_map(|(dst, op, a, b)| Stmt::Operate { dst, op, a, b }),
        (reg(), comparison, operand(), operand()).prop_map(|(dst, op, a, b)| Stmt::Compare { dst, op, a, b }),
        (reg(), proptest::option::of(operand()), operand(), operand())
            .prop_map(|(dst, key, value, of)| Stmt::Member { dst, key, value, of }),
        operand().prop_map(|src| Stmt::Truthy { src }),
        (operand(), 0..4_u32).prop_map(|(src, len)| Stmt::IsArray { src, len }),
        (reg(), operands()).prop_map(|(dst, items)| Stmt::MakeArray { dst, items }),
        (reg(), operands()).prop_map(|(dst, items)| Stmt::MakeSet { dst, items }),
        (reg(), operand(), operand())
            .prop_map(|(dst, key, value)| Stmt::MakeObject { dst, fields: vec![(key, value)] }),
        (operand(), reg(), any::<u32>()).prop_map(|(src, value, block)| Stmt::Scan {
            src,
            key: None,
            value: Some(value),
            block
        }),
        (operand(), reg(), any::<u32>()).prop_map(|(src, key, block)| Stmt::Every {
            src,
            key: Some(key),
            value: None,
            block
        }),
        any::<u32>().prop_map(|block| Stmt::Not { block }),
        any::<u32>().prop_map(|block| Stmt::Try { block }),
        (reg(), operand()).prop_map(|(acc, value)| Stmt::Push { acc, value }),
        (reg(), operand()).prop_map(|(acc, value)| Stmt::Add { acc, value }),
        (reg(), operand(), operand()).prop_map(|(acc, key, value)| Stmt::Insert { acc, key, value }),
        operand().prop_map(|value| Stmt::Yield { value }),
        Just(Stmt::Stop),
        (reg(), operands(), operand()).prop_map(|(acc, keys, value)| Stmt::InsertAt { acc, keys, value }),
        (reg(), operands(), operand()).prop_map(|(acc, keys, value)| Stmt::AddAt { acc, keys, value }),
        (reg(), 0..2_u16).prop_map(|(dst, slot)| Stmt::Slot { dst, slot }),
        (reg(), proptest::option::of(operand()), proptest::collection::vec(0..8_u32, 0..3), operand())
            .prop_map(|(dst, src, path, value)| Stmt::Patch { dst, src, path, value }),
        (proptest::option::of(operand()), 0..2_u16, operand(), any::<u32>())
            .prop_map(|(input, slot, value, block)| Stmt::With { input, slots: vec![(slot, value)], block }),
        any::<u32>().prop_map(|block| Stmt::Outside { block }),
        reg().prop_map(|dst| Stmt::Clear { dst }),
        reg().prop_map(|src| Stmt::Defined { src }),
    ]
}

/// Statements put in blocks and functions so that the plan is well-formed but for what values do.
fn program() -> impl Strategy<Value = Program> {
    proptest::collection::vec(proptest::collection::vec(stmt(), 1..6), 1..12).prop_map(|mut blocks| {
        let mut free: Vec<u32> = Vec::new();
        let mut funcs: Vec<Func> = Vec::new();
        for at in 0..blocks.len() {
            let here = u32::try_from(at).unwrap();
            blocks[at].retain_mut(|stmt| match stmt {
                Stmt::Scan { block, .. }
                | Stmt::Every { block, .. }
                | Stmt::Not { block }
                | Stmt::Try { block }
                | Stmt::With { block, .. }
                | Stmt::Outside { block } => free.pop().is_some_and(|inner| {
                    *block = inner;
                    true
                }),
                Stmt::Call { func, args, .. } => {
                    let known = u32::try_from(funcs.len()).unwrap();
                    args.clear();
                    *func = func.checked_rem(known).unwrap_or(0);
                    known > 0
                }
                _ => true,
            });
            if at % 4 == 3 || at + 1 == blocks.len() {
                let name = format!("data.t.f{at}");
                funcs.push(Func { name, params: 0, regs: 9, body: here, default: None });
            } else {
                free.push(here);
            }
        }
        let builtins: Vec<String> = Builtin::names().map(str::to_owned).collect();
        let builtins: Vec<String> = builtins.iter().cycle().take(200).cloned().collect();
        let last = u32::try_from(funcs.len() - 1).unwrap();
        Program {
            revision: String::new(),
            consts: vec![
                Node::Null,
                Node::String("a".into()),
                Node::Number("3".into()),
                Node::Number("-0.1".into()),
                Node::Array(vec![0, 1, 2]),
                Node::Set(vec![4, 1]),
                Node::Object(vec![(1, 4), (2, 5)]),
                Node::String("(a|b)+[é]*%d{2}".into()),
            ],
            builtins,
            blocks,
            funcs,
            entries: vec![Entry { path: "t/r".into(), func: last, reads: vec![] }],
            slots: 2,
        }
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-4..4_i64).prop_map(Value::from),
        any::<f64>().prop_filter("a number of JSON", |f| f.is_finite()).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        r"[a-c%*?\[\](){}|\\dwbsnvx0-9+^$.,:/ é-]{0,10}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_set(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(inner.clone(), inner, 0..4).prop_map(Value::from),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_plan_that_decodes_runs_to_an_end(program in program(), edits in
        proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..2))
    {
        let mut bytes = encode(&program).unwrap();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        on_small_stack(move || {
            if let Ok(image) = decode(&bytes) {
                run(&image);
            }
        });
    }

    #[test]
    fn builtins_take_anything(args in proptest::collection::vec(value(), 3)) {
        for name in Builtin::names() {
            let builtin = Builtin::find(name).unwrap();
            let args = args.get(..builtin.arity()).unwrap_or(&args);
            // As the evaluator does: what costs more than there is left is not called.
            if builtin.cost(args, STEPS) <= STEPS {
                let _ = builtin.call(args, &known());
            }
        }
    }
}

/// As deep as a plan may be: every level a frame of the interpreter on the small stack.
#[test]
fn the_deepest_plan_fits_the_stack() {
    let depth = 127_u32;
    let nested = (0..depth).map(|at| match at {
        0 => vec![Stmt::Yield { value: Operand::Const(0) }],
        _ => vec![Stmt::Scan { src: Operand::Const(2), key: Some(1), value: Some(2), block: at - 1 }],
    });
    let called = (0..64_u32).map(|at| match at {
        0 => vec![Stmt::Yield { value: Operand::Const(0) }],
        _ => vec![Stmt::Call { dst: 1, func: at - 1, args: vec![] }, Stmt::Yield { value: Operand::Reg(1) }],
    });
    let deep = |blocks: Vec<Vec<Stmt>>, each: bool| {
        let last = u32::try_from(blocks.len() - 1).unwrap();
        let funcs = if each { 0..=last } else { last..=last };
        Program {
            consts: vec![Node::Null, Node::Number("1".into()), Node::Array(vec![0])],
            blocks,
            funcs: funcs
                .map(|body| Func { name: "f".into(), params: 0, regs: 3, body, default: None })
                .collect(),
            entries: vec![Entry { path: "t/r".into(), func: if each { last } else { 0 }, reads: vec![] }],
            ..Program::default()
        }
    };
    for program in [deep(nested.collect(), false), deep(called.collect(), true)] {
        let image = decode(&encode(&program).unwrap()).unwrap();
        assert!(image.depth() <= Limits::default().depth, "{}", image.depth());
        on_small_stack(move || run(&image));
    }
}

/// A value that holds another twice, thirty times over, is as large as what it stands for.
#[test]
fn shared_values_are_charged_as_what_they_stand_for() {
    let twice = |from: Reg| {
        (from + 1..from + 31)
            .map(|at| Stmt::MakeArray { dst: at, items: vec![Operand::Reg(at - 1), Operand::Reg(at - 1)] })
            .collect::<Vec<_>>()
    };
    let equal = Stmt::Check { op: Compare::Eq, a: Operand::Reg(31), b: Operand::Reg(62) };
    let block = [twice(1), twice(32), vec![equal]].concat();
    let program = Program {
        blocks: vec![block],
        funcs: vec![Func { name: "f".into(), params: 0, regs: 64, body: 0, default: None }],
        entries: vec![Entry { path: "t/r".into(), func: 0, reads: vec![] }],
        ..Program::default()
    };
    let image = decode(&encode(&program).unwrap()).unwrap();
    let started = std::time::Instant::now();
    let context = known();
    let mut machine = Machine::new(&image, Asked::Document(&Value::Null), &context, STEPS);
    assert_eq!(machine.result(0), Err(super::EvalError::Steps(STEPS)));
    assert!(started.elapsed().as_secs() < 2);
}
