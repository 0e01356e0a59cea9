//! One evaluation.

use regorus::Value;

use super::ops;
use super::worlds::World;
use super::written;
use super::{Builtin, Context, EvalError};
use crate::collections;
use crate::input::Request;
use crate::input::leaves::Leaf;
use crate::plan::{BlockId, ConstId, Func, FuncId, Image, Operand, Reg, Stmt};

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

/// Arguments of a builtin that are held in place.
const FEW: usize = 3;
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
    fn store(&mut self, base: usize, reg: Reg, value: Value) -> Result<Flow, EvalError> {
        if value == Value::Undefined {
            return Ok(Flow::Failed);
        }
        self.set(base, reg, value)
    }

    fn call(
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

    fn step(&mut self, stmt: &'a Stmt, frame: Frame<'a>) -> Result<Flow, EvalError> {
        let base = frame.base;
        match stmt {
            Stmt::Assign { dst, src } => {
                let value = self.operand(base, *src)?.clone();
                self.set(base, *dst, value)
            }
            Stmt::Input { dst, path, place } | Stmt::InputKeys { dst, path, place } => {
                let value = self.input(path, *place)?;
                self.store(base, *dst, value)
            }
            Stmt::Get { dst, src, key } => {
                self.charge_whole(base, &[*key])?;
                let value = self.operand(base, *src)?[self.operand(base, *key)?].clone();
                self.store(base, *dst, value)
            }
            Stmt::GetBase { dst, src, key } => {
                self.charge_whole(base, &[*key])?;
                let value = ops::in_base_by_request(self.operand(base, *src)?, self.operand(base, *key)?)?;
                self.store(base, *dst, value)
            }
            Stmt::Call { dst, func, args } => {
                let value = self.call(*func, |machine, callee| {
                    for (arg, reg) in args.iter().zip(0..) {
                        let value = machine.operand(base, *arg)?.clone();
                        machine.set(callee, reg, value)?;
                    }
                    Ok(())
                })?;
                self.store(base, *dst, value)
            }
            Stmt::Builtin { dst, builtin, args } => self.builtin(base, *dst, *builtin, args),
            Stmt::Operate { dst, op, a, b } => {
                let (a, b) = (self.operand(base, *a)?, self.operand(base, *b)?);
                let (steps, value) =
                    (ops::weight(a).saturating_add(ops::weight(b)), ops::operate(*op, a, b)?);
                self.charge(steps)?;
                self.store(base, *dst, value)
            }
            Stmt::Check { op, a, b } => Ok(holds(self.compare(base, *op, *a, *b)?)),
            Stmt::Compare { dst, op, a, b } => {
                let value = self.compare(base, *op, *a, *b)?;
                self.set(base, *dst, Value::Bool(value))
            }
            Stmt::Member { dst, key, value, of } => {
                self.charge_whole(base, &[*value])?;
                let steps =
                    ops::member_weight(self.operand(base, *value)?, self.operand(base, *of)?, self.steps);
                self.charge(steps)?;
                let key = key.map(|key| self.operand(base, key)).transpose()?;
                let found = ops::member(key, self.operand(base, *value)?, self.operand(base, *of)?);
                self.set(base, *dst, Value::Bool(found))
            }
            Stmt::Truthy { src } => Ok(holds(*self.operand(base, *src)? != Value::Bool(false))),
            Stmt::Fail => Ok(Flow::Failed),
            Stmt::IsArray { src, len } => {
                Ok(holds(matches!(self.operand(base, *src)?, Value::Array(a) if ops::has_len(a.len(), *len))))
            }
            Stmt::IsObject { src, len } => Ok(holds(
                matches!(self.operand(base, *src)?, Value::Object(o) if ops::has_len(o.len(), *len)),
            )),
            Stmt::MakeArray { dst, items } => {
                let items = self.operands(base, items)?;
                self.set(base, *dst, Value::from(items))
            }
            Stmt::MakeSet { dst, items } => {
                self.charge_whole(base, items)?;
                let items = self.operands(base, items)?;
                self.set(base, *dst, collections::set(items))
            }
            Stmt::MakeObject { dst, fields } => {
                self.set(base, *dst, Value::new_object())?;
                fields.iter().try_for_each(|(key, value)| self.insert(frame, *dst, &[*key], *value))?;
                Ok(Flow::Done)
            }
            Stmt::Scan { src, key, value, block } => self.scan(frame, *src, (*key, *value), *block),
            Stmt::Every { src, key, value, block } => self.every(frame, *src, (*key, *value), *block),
            Stmt::Not { block } => Ok(holds(self.block(*block, frame)? == Flow::Failed)),
            Stmt::Try { block } => {
                self.block(*block, frame)?;
                Ok(Flow::Done)
            }
            Stmt::First { blocks } => {
                for block in blocks {
                    if self.block(*block, frame)? != Flow::Failed {
                        break;
                    }
                }
                Ok(Flow::Done)
            }
            Stmt::Push { acc, value } => {
                let value = self.operand(base, *value)?.clone();
                self.slot(base, *acc)?.as_array_mut().map_err(|_| EvalError::Malformed)?.push(value);
                Ok(Flow::Done)
            }
            Stmt::Add { acc, value } => {
                self.charge_whole(base, &[*value])?;
                let value = self.operand(base, *value)?.clone();
                let steps = ops::added_weight(&value, self.slot(base, *acc)?);
                self.charge(steps)?;
                self.slot(base, *acc)?.as_set_mut().map_err(|_| EvalError::Malformed)?.insert(value);
                Ok(Flow::Done)
            }
            Stmt::Insert { acc, key, value } => {
                self.insert(frame, *acc, &[*key], *value)?;
                Ok(Flow::Done)
            }
            Stmt::Yield { value } => self.give(frame, *value),
            Stmt::Stop => Ok(Flow::Stopped),
            Stmt::InsertAt { acc, keys, value } => {
                self.insert(frame, *acc, keys, *value)?;
                Ok(Flow::Done)
            }
            Stmt::AddAt { acc, keys, value } => {
                self.add_at(frame, *acc, keys, *value)?;
                Ok(Flow::Done)
            }
            Stmt::Slot { dst, slot } => {
                let value = self.world.slots.get(usize::from(*slot)).ok_or(EvalError::Malformed)?.clone();
                self.store(base, *dst, value)
            }
            Stmt::Patch { dst, src, path, value } => self.patch(base, *dst, *src, path, *value),
            Stmt::With { input, slots, block } => self.with(frame, *input, slots, *block),
            Stmt::Outside { block } => self.outside(frame, *block),
            Stmt::Clear { dst } => self.set(base, *dst, Value::Undefined),
            Stmt::Choose { steps, blocks, first } => self.choose(frame, steps, blocks, *first),
            Stmt::Defined { src } => Ok(holds(*self.slot(base, *src)? != Value::Undefined)),
        }
    }

    /// What the input has at a path; undefined where it has nothing there.
    fn input(&mut self, path: &[ConstId], place: u32) -> Result<Value, EvalError> {
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

    fn compare(
        &mut self,
        base: usize,
        op: crate::plan::Compare,
        left: Operand,
        right: Operand,
    ) -> Result<bool, EvalError> {
        let (a, b) = (self.operand(base, left)?, self.operand(base, right)?);
        // The shorter one bounds the work.
        let steps = ops::depth_weight([a], self.steps);
        let steps = if steps == 0 { 0 } else { ops::depth_weight([b], steps) };
        self.charge(steps)?;
        Ok(ops::compare(op, self.operand(base, left)?, self.operand(base, right)?))
    }

    fn builtin(&mut self, base: usize, dst: Reg, builtin: u16, args: &[Operand]) -> Result<Flow, EvalError> {
        let image = self.image;
        let builtin = image.builtins.get(usize::from(builtin)).ok_or(EvalError::Malformed)?;
        // Most calls have few arguments: those are held without an allocation.
        let mut few = [const { Value::Undefined }; FEW];
        let many;
        let args = match few.get_mut(..args.len()) {
            Some(few) => {
                for (place, operand) in few.iter_mut().zip(args) {
                    *place = self.operand(base, *operand)?.clone();
                }
                &*few
            }
            None => {
                many = self.operands(base, args)?;
                many.as_slice()
            }
        };
        // Charged before the call, so that one call cannot do more work than the budget allows.
        self.charge(builtin.cost(args, self.steps))?;
        if builtin.reads_numbers || builtin.writes_numbers {
            self.written(builtin, args)?;
        }
        let value = builtin.call(args, self.context)?;
        self.charge(ops::weight(&value))?;
        self.store(base, dst, value)
    }

    /// Refuses to write a number that was read in another form: OPA would write that form.
    fn written(&mut self, builtin: &Builtin, args: &[Value]) -> Result<(), EvalError> {
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
            (None, Asked::Request(request)) => {
                request.part(Leaf::Body).map_or(Value::Undefined, Value::from)
            }
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

    fn give(&mut self, frame: Frame<'a>, value: Operand) -> Result<Flow, EvalError> {
        let given = self.operand(frame.base, value)?.clone();
        let slot = self.slot(frame.base, frame.func.params)?;
        if *slot == Value::Undefined {
            *slot = given;
            return Ok(Flow::Done);
        }
        self.charge_whole(frame.base, &[value])?;
        if *self.slot(frame.base, frame.func.params)? == given {
            Ok(Flow::Done)
        } else {
            Err(conflict(frame))
        }
    }
}

fn holds(condition: bool) -> Flow {
    if condition { Flow::Done } else { Flow::Failed }
}

pub(super) fn conflict(frame: Frame<'_>) -> EvalError {
    EvalError::Conflict(frame.func.name.clone())
}
