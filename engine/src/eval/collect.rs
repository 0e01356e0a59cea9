//! Statements that go through a collection, and those that build one up.

use regorus::Value;

use super::EvalError;
use super::machine::{Flow, Frame, Machine, conflict};
use super::ops::{self, Key};
use crate::plan::{BlockId, Operand, Reg};

/// The registers for the key and the value of an element.
type Vars = (Option<Reg>, Option<Reg>);

impl<'a> Machine<'a> {
    fn bind(&mut self, base: usize, (key, value): Vars, element: (Key<'_>, &Value)) -> Result<(), EvalError> {
        self.charge(1)?;
        if let Some(reg) = key {
            self.set(base, reg, element.0.to_value())?;
        }
        if let Some(reg) = value {
            self.set(base, reg, element.1.clone())?;
        }
        Ok(())
    }

    #[inline(never)]
    pub(super) fn scan(
        &mut self,
        frame: Frame<'a>,
        src: Operand,
        vars: Vars,
        block: BlockId,
    ) -> Result<Flow, EvalError> {
        let src = self.operand(frame.base, src)?.clone();
        let mut flow = Flow::Failed;
        for element in ops::elements(&src).into_iter().flatten() {
            self.bind(frame.base, vars, element)?;
            match self.block(block, frame)? {
                Flow::Failed => {}
                Flow::Done => flow = Flow::Done,
                Flow::Stopped => return Ok(Flow::Stopped),
            }
        }
        Ok(flow)
    }

    #[inline(never)]
    pub(super) fn every(
        &mut self,
        frame: Frame<'a>,
        src: Operand,
        vars: Vars,
        block: BlockId,
    ) -> Result<Flow, EvalError> {
        let src = self.operand(frame.base, src)?.clone();
        let Some(elements) = ops::elements(&src) else { return Ok(Flow::Failed) };
        for element in elements {
            self.bind(frame.base, vars, element)?;
            if self.block(block, frame)? == Flow::Failed {
                return Ok(Flow::Failed);
            }
        }
        Ok(Flow::Done)
    }

    /// Inserts into the object in `acc`, under `keys` one in the other.
    #[inline(never)]
    pub(super) fn insert(
        &mut self,
        frame: Frame<'a>,
        acc: Reg,
        keys: &[Operand],
        value: Operand,
    ) -> Result<(), EvalError> {
        let base = frame.base;
        self.charge_whole(base, keys)?;
        let keys = self.operands(base, keys)?;
        let held = self.operand(base, value)?.clone();
        let Some((last, way)) = keys.split_last() else { return Err(EvalError::Malformed) };
        let mut at = self.slot(base, acc)?;
        for key in way {
            let fields = at.as_object_mut().map_err(|_| conflict(frame))?;
            at = fields.get_or_insert_with(key.clone(), Value::new_object);
        }
        let fields = at.as_object_mut().map_err(|_| conflict(frame))?;
        match fields.get(last).cloned() {
            None => {
                fields.insert(last.clone(), held);
                Ok(())
            }
            Some(before) => {
                self.charge_whole(base, &[value])?;
                if before == held { Ok(()) } else { Err(conflict(frame)) }
            }
        }
    }

    /// Adds to the set under `keys` in the objects in `acc`.
    #[inline(never)]
    pub(super) fn add_at(
        &mut self,
        frame: Frame<'a>,
        acc: Reg,
        keys: &[Operand],
        value: Operand,
    ) -> Result<(), EvalError> {
        let base = frame.base;
        self.charge_whole(base, keys)?;
        self.charge_whole(base, &[value])?;
        let keys = self.operands(base, keys)?;
        let added = self.operand(base, value)?.clone();
        let mut at = self.slot(base, acc)?;
        for (key, last) in keys.iter().zip(1..) {
            let fields = at.as_object_mut().map_err(|_| conflict(frame))?;
            let empty = if last == keys.len() { Value::new_set } else { Value::new_object };
            at = fields.get_or_insert_with(key.clone(), empty);
        }
        let steps = ops::added_weight(&added, at);
        at.as_set_mut().map_err(|_| conflict(frame))?.insert(added);
        self.charge(steps)
    }
}
