//! One evaluation.

use regorus::Value;

use super::ops;
use super::worlds::World;
use super::written;
use super::{Builtin, Context, EvalError};
use crate::input::Request;
use crate::input::leaves::Leaf;
use crate::plan::{BlockId, ConstId, Func, FuncId, Image, Operand, Reg};

/// How a block ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// A statement failed.
    Failed,
    /// It reached its end, at least once if it scans.
    Done,
    /// It reached its end, and one success is all that was wanted.
    Stopped,
}

/// Registers of a frame that a step pays for.
const REGISTERS_PER_STEP: u64 = 64;
/// Registers of all frames together, beyond which no other frame is opened.
const MAX_REGISTERS: usize = 1 << 18;

/// What a policy is asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked<'a> {
    /// An input document.
    Document(&'a Value),
    /// A request, of which nothing is made that is not read.
    Request(&'a Request<'a>),
}

/// The state of one evaluation. Dropped with it; nothing outlives a decision.
pub(crate) struct Machine<'a> {
    image: &'a Image,
    context: &'a Context,
    asked: Asked<'a>,
    /// What has been read of a request, by the image's places.
    read: Vec<Option<Value>>,
    pub(super) world: World,
    /// The worlds around it, innermost last.
    pub(super) outside: Vec<World>,
    /// Frames of the running functions, one after the other.
    regs: Vec<Value>,
    /// Texts from which builtins have read numbers that are not written as their values would be.
    odd: Vec<Value>,
    budget: u64,
    steps: u64,
}

/// The running function.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) func: &'a Func,
    pub(super) base: usize,
}

impl<'a> Machine<'a> {
    /// A machine that may take `steps` steps.
    pub(crate) fn new(image: &'a Image, asked: Asked<'a>, context: &'a Context, steps: u64) -> Self {
        Self {
            image,
            context,
            asked,
            read: Vec::new(),
            world: World::new(image.slots),
            outside: Vec::new(),
            regs: Vec::with_capacity(64),
            odd: Vec::new(),
            budget: steps,
            steps,
        }
    }

    /// Steps taken so far.
    pub(crate) fn used(&self) -> u64 {
        self.budget.saturating_sub(self.steps)
    }

    /// The result of a function without parameters; undefined if it has none.
    pub(crate) fn result(&mut self, id: FuncId) -> Result<Value, EvalError> {
        self.call(id, |_, _| Ok(()))
    }

    pub(super) fn image(&self) -> &'a Image {
        self.image
    }

    pub(super) fn context(&self) -> &'a Context {
        self.context
    }

    /// Steps that are left.
    pub(super) fn left(&self) -> u64 {
        self.steps
    }

    pub(super) fn charge(&mut self, steps: u64) -> Result<(), EvalError> {
        self.steps = self.steps.checked_sub(steps).ok_or(EvalError::Steps(self.budget))?;
        Ok(())
    }

    /// Charges for going through the whole of what the operands are.
    pub(super) fn charge_whole(&mut self, base: usize, operands: &[Operand]) -> Result<(), EvalError> {
        for operand in operands {
            let steps = ops::depth_weight([self.operand(base, *operand)?], self.steps);
            self.charge(steps)?;
        }
        Ok(())
    }

    pub(super) fn constant(&self, id: ConstId) -> Result<&'a Value, EvalError> {
        let at = usize::try_from(id).map_err(|_| EvalError::Malformed)?;
        self.image.consts.get(at).ok_or(EvalError::Malformed)
    }

    pub(super) fn operand(&self, base: usize, operand: Operand) -> Result<&Value, EvalError> {
        match operand {
            Operand::Reg(reg) => self.regs.get(base.saturating_add(reg.into())).ok_or(EvalError::Malformed),
            Operand::Const(id) => self.constant(id),
        }
    }

    pub(super) fn slot(&mut self, base: usize, reg: Reg) -> Result<&mut Value, EvalError> {
        self.regs.get_mut(base.saturating_add(reg.into())).ok_or(EvalError::Malformed)
    }

    pub(super) fn set(&mut self, base: usize, reg: Reg, value: Value) -> Result<Flow, EvalError> {
        *self.slot(base, reg)? = value;
        Ok(Flow::Done)
    }

    /// Stores what a statement made; undefined is a failure.
    pub(super) fn store(&mut self, base: usize, reg: Reg, value: Value) -> Result<Flow, EvalError> {
        if value == Value::Undefined {
            return Ok(Flow::Failed);
        }
        self.set(base, reg, value)
    }

    pub(super) fn call(
        &mut self,
        id: FuncId,
        arguments: impl FnOnce(&mut Self, usize) -> Result<(), EvalError>,
    ) -> Result<Value, EvalError> {
        let func = self.image.func(id).ok_or(EvalError::Malformed)?;
        if func.params == 0
            && let Some(value) = self.world.memo.get(&id)
        {
            return Ok(value.clone());
        }
        let base = self.regs.len();
        self.charge(u64::from(func.regs) / REGISTERS_PER_STEP)?;
        if base > MAX_REGISTERS {
            return Err(EvalError::Malformed);
        }
        self.regs.resize(base.saturating_add(func.regs.into()), Value::Undefined);
        arguments(self, base)?;
        self.block(func.body, Frame { func, base })?;
        let mut value = std::mem::replace(self.slot(base, func.params)?, Value::Undefined);
        self.regs.truncate(base);
        if value == Value::Undefined
            && let Some(default) = func.default
        {
            value = self.constant(default)?.clone();
        }
        if func.params == 0 {
            self.world.memo.insert(id, value.clone());
        }
        Ok(value)
    }

    pub(super) fn block(&mut self, id: BlockId, frame: Frame<'a>) -> Result<Flow, EvalError> {
        let at = usize::try_from(id).map_err(|_| EvalError::Malformed)?;
        let image = self.image;
        for stmt in image.blocks.get(at).ok_or(EvalError::Malformed)? {
            self.charge(1)?;
            match self.step(stmt, frame)? {
                Flow::Done => {}
                end => return Ok(end),
            }
        }
        Ok(Flow::Done)
    }

    /// What the input has at a path; undefined where it has nothing there.
    pub(super) fn input(&mut self, path: &[ConstId], place: u32) -> Result<Value, EvalError> {
        let mut value = match (&self.world.input, self.asked) {
            (Some(input), _) | (None, Asked::Document(input)) => input,
            (None, Asked::Request(request)) => return self.read(request, place),
        };
        for key in path {
            value = &value[self.constant(*key)?];
        }
        Ok(value.clone())
    }

    /// What a request has at a place, made at most once.
    fn read(&mut self, request: &Request<'_>, place: u32) -> Result<Value, EvalError> {
        let at = usize::try_from(place).map_err(|_| EvalError::Malformed)?;
        if let Some(Some(value)) = self.read.get(at) {
            return Ok(value.clone());
        }
        let value = request.value(self.image.places.get(at).ok_or(EvalError::Malformed)?);
        if self.read.is_empty() {
            self.read.resize(self.image.places.len(), None);
        }
        *self.read.get_mut(at).ok_or(EvalError::Malformed)? = Some(value.clone());
        Ok(value)
    }

    /// The whole input.
    pub(super) fn whole_input(&self) -> Value {
        match (&self.world.input, self.asked) {
            (Some(input), _) | (None, Asked::Document(input)) => input.clone(),
            (None, Asked::Request(request)) => request.document().clone(),
        }
    }

    pub(super) fn operands(&self, base: usize, operands: &[Operand]) -> Result<Vec<Value>, EvalError> {
        operands.iter().map(|operand| self.operand(base, *operand).cloned()).collect()
    }

    /// Refuses to write a number that was read in another form: OPA would write that form.
    pub(super) fn written(&mut self, builtin: &Builtin, args: &[Value]) -> Result<(), EvalError> {
        if builtin.reads_numbers {
            let odd = |arg: &&Value| matches!(arg, Value::String(text) if written::is_odd(text));
            self.odd.extend(args.iter().filter(odd).cloned());
        }
        if !builtin.writes_numbers {
            return Ok(());
        }
        let worlds = self.outside.iter().chain([&self.world]);
        let bodies = worlds.map(|world| match (&world.input, self.asked) {
            (Some(input), _) | (None, Asked::Document(input)) => {
                let path = ["attributes", "request", "http", "body"];
                path.iter().fold(input, |value, key| &value[&Value::from(*key)]).clone()
            }
            (None, Asked::Request(request)) => request.part(Leaf::Body).map_or(Value::Undefined, Value::from),
        });
        let texts: Vec<Value> = bodies.chain(self.odd.iter().cloned()).collect();
        for text in &texts {
            self.charge(ops::weight(text))?;
            let Value::String(text) = text else { continue };
            if !written::is_odd(text) {
                continue;
            }
            self.charge(ops::depth_weight(args, self.steps).saturating_mul(written::MAX_ODD))?;
            if args.iter().any(|arg| written::has_odd(text, arg)) {
                return Err(EvalError::Inexact(builtin.name()));
            }
        }
        Ok(())
    }

    /// Whether a builtin has read a number that is not written as its value would be.
    pub(crate) fn has_read_odd(&self) -> bool {
        !self.odd.is_empty()
    }
}

pub(super) fn conflict(frame: Frame<'_>) -> EvalError {
    EvalError::Conflict(frame.func.name.clone())
}
