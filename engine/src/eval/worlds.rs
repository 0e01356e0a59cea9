//! `with`: what a part of a body sees in the place of input and data.

use std::collections::BTreeMap;

use regorus::Value;

use super::EvalError;
use super::machine::{Flow, Frame, Machine};
use super::ops::depth_weight;
use crate::plan::{BlockId, ConstId, FuncId, Operand, Reg, Slot};

/// Deepest nesting of a value that takes the place of input or data: as deep as constants may be.
const MAX_NESTING: u32 = 128;
/// Slots that a step pays for.
const SLOTS_PER_STEP: usize = 64;

/// What functions may answer by, and what they have answered.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// `None`: what was asked about.
    pub(super) input: Option<Value>,
    /// What `with` put in the place of data; undefined where nothing was.
    pub(super) slots: Vec<Value>,
    /// Results of the functions without parameters that have been asked.
    pub(super) memo: BTreeMap<FuncId, Value>,
}

impl World {
    pub(super) fn new(slots: Slot) -> Self {
        Self { input: None, slots: vec![Value::Undefined; usize::from(slots)], memo: BTreeMap::new() }
    }
}

impl<'a> Machine<'a> {
    #[inline(never)]
    pub(super) fn patch(
        &mut self,
        base: usize,
        dst: Reg,
        src: Option<Operand>,
        path: &[ConstId],
        value: Operand,
    ) -> Result<Flow, EvalError> {
        let value = self.operand(base, value)?.clone();
        let mut patched = match src {
            Some(src) => self.operand(base, src)?.clone(),
            None => self.whole_input(),
        };
        // Each level on the way may be shared, and is then copied.
        let copied = depth_weight([&patched], self.left());
        self.charge(copied)?;
        let mut at = &mut patched;
        for key in path {
            let key = self.constant(*key)?;
            if !matches!(at, Value::Object(_)) {
                *at = Value::new_object();
            }
            let fields = at.as_object_mut().map_err(|_| EvalError::Malformed)?;
            at = fields.get_or_insert_with(key.clone(), || Value::Null);
        }
        *at = value;
        self.set(base, dst, patched)
    }

    #[inline(never)]
    pub(super) fn with(
        &mut self,
        frame: Frame<'a>,
        input: Option<Operand>,
        slots: &[(Slot, Operand)],
        block: BlockId,
    ) -> Result<Flow, EvalError> {
        let input = match input {
            Some(input) => Some(self.bounded(frame.base, input)?),
            None => self.world.input.clone(),
        };
        self.charge(u64::try_from(self.world.slots.len() / SLOTS_PER_STEP).unwrap_or(u64::MAX))?;
        let mut inside = World { input, slots: self.world.slots.clone(), memo: BTreeMap::new() };
        for (slot, value) in slots {
            let value = self.bounded(frame.base, *value)?;
            *inside.slots.get_mut(usize::from(*slot)).ok_or(EvalError::Malformed)? = value;
        }
        let outside = std::mem::replace(&mut self.world, inside);
        self.outside.push(outside);
        let flow = self.block(block, frame)?;
        self.world = self.outside.pop().ok_or(EvalError::Malformed)?;
        Ok(flow)
    }

    #[inline(never)]
    pub(super) fn outside(&mut self, frame: Frame<'a>, block: BlockId) -> Result<Flow, EvalError> {
        let outside = self.outside.pop().ok_or(EvalError::Malformed)?;
        let inside = std::mem::replace(&mut self.world, outside);
        let flow = self.block(block, frame)?;
        self.outside.push(std::mem::replace(&mut self.world, inside));
        Ok(flow)
    }

    /// A value that functions will take for input or data: not deeper than those may be.
    fn bounded(&mut self, base: usize, operand: Operand) -> Result<Value, EvalError> {
        let value = self.operand(base, operand)?.clone();
        let steps = depth_weight([&value], self.left());
        self.charge(steps)?;
        if nests_beyond(&value, MAX_NESTING) { Err(EvalError::Malformed) } else { Ok(value) }
    }
}

fn nests_beyond(value: &Value, levels: u32) -> bool {
    let Some(below) = levels.checked_sub(1) else { return true };
    match value {
        Value::Array(items) => items.iter().any(|item| nests_beyond(item, below)),
        Value::Set(items) => items.iter().any(|item| nests_beyond(item, below)),
        Value::Object(fields) => {
            fields.iter().any(|(key, value)| nests_beyond(key, below) || nests_beyond(value, below))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Undefined => false,
    }
}
