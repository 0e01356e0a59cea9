//! Statements, one by one.
//!
//! The proxy compiles each function of the filter on its own, and keeps the memory that the largest one takes: so what
//! is seldom run is apart from what is run all the time, and what takes many lines has a function of its own.

use regorus::Value;

use super::EvalError;
use super::machine::{Flow, Frame, Machine, conflict};
use super::ops;
use crate::collections;
use crate::plan::{Compare, FuncId, Operand, Operator, Reg, Stmt};

/// Arguments of a builtin that are held in place.
const FEW: usize = 3;

impl<'a> Machine<'a> {
    pub(super) fn step(&mut self, stmt: &'a Stmt, frame: Frame<'a>) -> Result<Flow, EvalError> {
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
            Stmt::Get { dst, src, key } => self.get(base, *dst, *src, *key),
            Stmt::Call { dst, func, args } => self.call_into(base, *dst, *func, args),
            Stmt::Builtin { dst, builtin, args } => self.builtin(base, *dst, *builtin, args),
            Stmt::Check { op, a, b } => Ok(holds(self.compare(base, *op, *a, *b)?)),
            Stmt::Truthy { src } => Ok(holds(*self.operand(base, *src)? != Value::Bool(false))),
            Stmt::Fail => Ok(Flow::Failed),
            Stmt::Scan { src, key, value, block } => self.scan(frame, *src, (*key, *value), *block),
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
            Stmt::Yield { value } => self.give(frame, *value),
            Stmt::Stop => Ok(Flow::Stopped),
            Stmt::Clear { dst } => self.set(base, *dst, Value::Undefined),
            Stmt::Choose { steps, blocks, first } => self.choose(frame, steps, blocks, *first),
            Stmt::Defined { src } => Ok(holds(*self.slot(base, *src)? != Value::Undefined)),
            Stmt::GetBase { .. }
            | Stmt::Operate { .. }
            | Stmt::Compare { .. }
            | Stmt::Member { .. }
            | Stmt::IsArray { .. }
            | Stmt::IsObject { .. }
            | Stmt::MakeArray { .. }
            | Stmt::MakeSet { .. }
            | Stmt::MakeObject { .. }
            | Stmt::Every { .. }
            | Stmt::Push { .. }
            | Stmt::Add { .. }
            | Stmt::Insert { .. }
            | Stmt::InsertAt { .. }
            | Stmt::AddAt { .. }
            | Stmt::Slot { .. }
            | Stmt::Patch { .. }
            | Stmt::With { .. }
            | Stmt::Outside { .. } => self.seldom(stmt, frame),
        }
    }

    #[inline(never)]
    fn seldom(&mut self, stmt: &'a Stmt, frame: Frame<'a>) -> Result<Flow, EvalError> {
        let base = frame.base;
        match stmt {
            Stmt::GetBase { dst, src, key } => {
                self.charge_whole(base, &[*key])?;
                let value = ops::in_base_by_request(self.operand(base, *src)?, self.operand(base, *key)?)?;
                self.store(base, *dst, value)
            }
            Stmt::Operate { dst, op, a, b } => self.operate(base, *dst, *op, (*a, *b)),
            Stmt::Compare { dst, op, a, b } => {
                let value = self.compare(base, *op, *a, *b)?;
                self.set(base, *dst, Value::Bool(value))
            }
            Stmt::Member { dst, key, value, of } => self.member(base, *dst, (*key, *value), *of),
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
            Stmt::Every { src, key, value, block } => self.every(frame, *src, (*key, *value), *block),
            Stmt::Push { acc, value } => {
                let value = self.operand(base, *value)?.clone();
                self.slot(base, *acc)?.as_array_mut().map_err(|_| EvalError::Malformed)?.push(value);
                Ok(Flow::Done)
            }
            Stmt::Add { acc, value } => self.add(base, *acc, *value),
            Stmt::Insert { acc, key, value } => {
                self.insert(frame, *acc, &[*key], *value)?;
                Ok(Flow::Done)
            }
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
            // All others are in `step`.
            _ => Err(EvalError::Malformed),
        }
    }

    #[inline(never)]
    fn get(&mut self, base: usize, dst: Reg, src: Operand, key: Operand) -> Result<Flow, EvalError> {
        self.charge_whole(base, &[key])?;
        let value = self.operand(base, src)?[self.operand(base, key)?].clone();
        self.store(base, dst, value)
    }

    #[inline(never)]
    fn call_into(
        &mut self,
        base: usize,
        dst: Reg,
        func: FuncId,
        args: &'a [Operand],
    ) -> Result<Flow, EvalError> {
        let value = self.call(func, |machine, callee| {
            for (arg, reg) in args.iter().zip(0..) {
                let value = machine.operand(base, *arg)?.clone();
                machine.set(callee, reg, value)?;
            }
            Ok(())
        })?;
        self.store(base, dst, value)
    }

    #[inline(never)]
    fn operate(
        &mut self,
        base: usize,
        dst: Reg,
        op: Operator,
        (a, b): (Operand, Operand),
    ) -> Result<Flow, EvalError> {
        let (a, b) = (self.operand(base, a)?, self.operand(base, b)?);
        let (steps, value) = (ops::weight(a).saturating_add(ops::weight(b)), ops::operate(op, a, b)?);
        self.charge(steps)?;
        self.store(base, dst, value)
    }

    #[inline(never)]
    fn member(
        &mut self,
        base: usize,
        dst: Reg,
        (key, value): (Option<Operand>, Operand),
        of: Operand,
    ) -> Result<Flow, EvalError> {
        self.charge_whole(base, &[value])?;
        let steps = ops::member_weight(self.operand(base, value)?, self.operand(base, of)?, self.left());
        self.charge(steps)?;
        let key = key.map(|key| self.operand(base, key)).transpose()?;
        let found = ops::member(key, self.operand(base, value)?, self.operand(base, of)?);
        self.set(base, dst, Value::Bool(found))
    }

    #[inline(never)]
    fn add(&mut self, base: usize, acc: Reg, value: Operand) -> Result<Flow, EvalError> {
        self.charge_whole(base, &[value])?;
        let value = self.operand(base, value)?.clone();
        let steps = ops::added_weight(&value, self.slot(base, acc)?);
        self.charge(steps)?;
        self.slot(base, acc)?.as_set_mut().map_err(|_| EvalError::Malformed)?.insert(value);
        Ok(Flow::Done)
    }

    #[inline(never)]
    fn compare(
        &mut self,
        base: usize,
        op: Compare,
        left: Operand,
        right: Operand,
    ) -> Result<bool, EvalError> {
        let (a, b) = (self.operand(base, left)?, self.operand(base, right)?);
        // The shorter one bounds the work.
        let steps = ops::depth_weight([a], self.left());
        let steps = if steps == 0 { 0 } else { ops::depth_weight([b], steps) };
        self.charge(steps)?;
        Ok(ops::compare(op, self.operand(base, left)?, self.operand(base, right)?))
    }

    #[inline(never)]
    fn builtin(&mut self, base: usize, dst: Reg, builtin: u16, args: &[Operand]) -> Result<Flow, EvalError> {
        let builtin = self.image().builtins.get(usize::from(builtin)).ok_or(EvalError::Malformed)?;
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
        self.charge(builtin.cost(args, self.left()))?;
        if builtin.reads_numbers || builtin.writes_numbers {
            self.written(builtin, args)?;
        }
        let value = builtin.call(args, self.context())?;
        self.charge(ops::weight(&value))?;
        self.store(base, dst, value)
    }

    #[inline(never)]
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
