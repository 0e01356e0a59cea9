//! The plan: what the compiler turns Rego into and the evaluator runs.
//!
//! A plan is flat. Blocks are lists of statements and name the blocks they nest by index; a block names
//! only blocks, and calls only functions, that stand before it. So decoding needs no recursion, a cycle
//! cannot be written down, and the depth of every evaluation is known when the plan is loaded
//! ([`Image::depth`]). Every choice of Rego's semantics (order of a body's expressions, conflicts,
//! defaults, partial rules) has been made by the compiler.

mod choice;
mod codec;
mod consts;
mod image;
mod nesting;
mod reach;
mod validate;

use serde::{Deserialize, Serialize};

pub use choice::{Form, Split, Step};
pub use codec::{FORMAT, FormatError, TableOf, decode, encode, encode_with};
pub use consts::{ConstPool, Node};
pub use image::Image;
pub use nesting::levels;
pub use reach::Reach;

/// Index of a register in a function's frame.
pub type Reg = u16;
/// Index into [`Program::consts`].
pub type ConstId = u32;
/// Index into [`Program::blocks`].
pub type BlockId = u32;
/// Index into [`Program::funcs`].
pub type FuncId = u32;
/// Index into [`Program::builtins`].
pub type BuiltinId = u16;
/// Index of a slot.
pub type Slot = u16;

/// A compiled policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// Revision of the bundle it came in, as the manifest or the builder names it.
    pub revision: String,
    /// Constants, children before parents.
    pub consts: Vec<Node>,
    /// Names of the builtins called.
    pub builtins: Vec<String>,
    /// Blocks, nested ones before those that nest them.
    pub blocks: Vec<Vec<Stmt>>,
    /// Functions, callees before callers.
    pub funcs: Vec<Func>,
    /// What can be asked.
    pub entries: Vec<Entry>,
    /// Number of slots: places for what `with` puts in the place of data.
    pub slots: Slot,
}

/// A document that can be asked for, with what its answer depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Path as OPA writes it in configuration: `envoy/authz/allow`.
    pub path: String,
    /// The function that computes it; it has no parameters.
    pub func: FuncId,
    /// Paths below `input` that the evaluation may read; an empty path is all of it.
    pub reads: Vec<Vec<String>>,
}

/// A rule, a function of the policy, or a document put together from rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Func {
    /// Where it is defined: `data.envoy.authz.allow`.
    pub name: String,
    /// Number of parameters; they are the first registers.
    pub params: Reg,
    /// Size of the frame. The result is the register after the parameters.
    pub regs: Reg,
    /// What to run.
    pub body: BlockId,
    /// Value where the body leaves the result undefined.
    pub default: Option<ConstId>,
}

/// What a statement reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operand {
    /// A register of the frame.
    Reg(Reg),
    /// A constant.
    Const(ConstId),
}

/// Comparison of two values by Rego's total order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compare {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// Arithmetic and set operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`: of numbers, or difference of sets.
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
    /// `&`
    And,
    /// `|`
    Or,
}

/// One step of a block. A statement succeeds, or it fails and with it the rest of its block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each variant's line names its fields")]
pub enum Stmt {
    /// `dst` becomes `src`.
    Assign { dst: Reg, src: Operand },
    /// `dst` becomes the value at `path` in the input; fails where there is none. `place` is the path's among those of the
    /// image, and not written: 0 until the plan is loaded.
    Input {
        dst: Reg,
        path: Vec<ConstId>,
        #[serde(skip)]
        place: u32,
    },
    /// `dst` becomes `src[key]`; fails where there is none.
    Get { dst: Reg, src: Operand, key: Operand },
    /// `dst` becomes what base data has at `src[key]`: numbers name the keys of objects by their digits, and
    /// text the places of an array, as in the paths of OPA's storage; fails where there is none.
    GetBase { dst: Reg, src: Operand, key: Operand },
    /// `dst` becomes the function's result; fails where that is undefined.
    Call { dst: Reg, func: FuncId, args: Vec<Operand> },
    /// `dst` becomes the builtin's result; fails on its error, as OPA's plugin does (non-strict).
    Builtin { dst: Reg, builtin: BuiltinId, args: Vec<Operand> },
    /// `dst` becomes `a op b`; fails where the types do not fit.
    Operate { dst: Reg, op: Operator, a: Operand, b: Operand },
    /// Fails unless `a op b`.
    Check { op: Compare, a: Operand, b: Operand },
    /// `dst` becomes the boolean `a op b`.
    Compare { dst: Reg, op: Compare, a: Operand, b: Operand },
    /// `dst` becomes whether `value` (at `key`, if there is one) is an element of `of`.
    Member { dst: Reg, key: Option<Operand>, value: Operand, of: Operand },
    /// Fails if `src` is `false`.
    Truthy { src: Operand },
    /// Always fails: what is asked for cannot exist.
    Fail,
    /// Fails unless `src` is an array of `len` elements.
    IsArray { src: Operand, len: u32 },
    /// Fails unless `src` is an object of `len` keys.
    IsObject { src: Operand, len: u32 },
    /// `dst` becomes an array.
    MakeArray { dst: Reg, items: Vec<Operand> },
    /// `dst` becomes a set.
    MakeSet { dst: Reg, items: Vec<Operand> },
    /// `dst` becomes an object; two values for one key are a conflict.
    MakeObject { dst: Reg, fields: Vec<(Operand, Operand)> },
    /// Runs `block` for every element of `src`; fails if no run succeeded.
    Scan { src: Operand, key: Option<Reg>, value: Option<Reg>, block: BlockId },
    /// Succeeds if `block` succeeds for every element of `src`; fails where `src` is no collection.
    Every { src: Operand, key: Option<Reg>, value: Option<Reg>, block: BlockId },
    /// Succeeds if `block` fails.
    Not { block: BlockId },
    /// Runs `block` and succeeds either way.
    Try { block: BlockId },
    /// Runs the blocks up to the first that succeeds; succeeds either way.
    First { blocks: Vec<BlockId> },
    /// Appends to the array in `acc`.
    Push { acc: Reg, value: Operand },
    /// Adds to the set in `acc`.
    Add { acc: Reg, value: Operand },
    /// Inserts into the object in `acc`; another value under the same key is a conflict.
    Insert { acc: Reg, key: Operand, value: Operand },
    /// Makes `value` the function's result; another result before is a conflict.
    Yield { value: Operand },
    /// Ends every scan around it: one success is enough here.
    Stop,
    /// Inserts into the objects in `acc`, one in the other under `keys`; another value, or something that
    /// is no object, at that place is a conflict.
    InsertAt { acc: Reg, keys: Vec<Operand>, value: Operand },
    /// Adds to the set under `keys` in the objects in `acc`; something else at that place is a conflict.
    AddAt { acc: Reg, keys: Vec<Operand>, value: Operand },
    /// `dst` becomes the value of a slot.
    Slot { dst: Reg, slot: Slot },
    /// `dst` becomes the input with `value` at `path`; what is in the way and no object is replaced.
    Patch { dst: Reg, src: Option<Operand>, path: Vec<ConstId>, value: Operand },
    /// Runs `block` where the input is `input`, if there is one, and the slots are as they say. What
    /// functions have answered outside does not count inside.
    With { input: Option<Operand>, slots: Vec<(Slot, Operand)>, block: BlockId },
    /// Runs `block` as if it stood around the `With` that it is in.
    Outside { block: BlockId },
    /// `dst` becomes undefined, as it was when the function began.
    Clear { dst: Reg },
    /// Fails if `src` is undefined.
    Defined { src: Reg },
    /// Runs those of `blocks` that `steps` lead to, in their order, or up to the first that succeeds;
    /// succeeds either way. The others would fail.
    Choose { steps: Vec<Step>, blocks: Vec<BlockId>, first: bool },
    /// [`Input`](Self::Input), of which nothing but its keys is read.
    InputKeys {
        dst: Reg,
        path: Vec<ConstId>,
        #[serde(skip)]
        place: u32,
    },
}
