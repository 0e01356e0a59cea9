//! Blocks that are chosen by an index.

use regorus::Value;

use super::EvalError;
use super::extra::net;
use super::machine::{Flow, Frame, Machine};
use super::{ops, order};
use crate::plan::{BlockId, Form, Operand, Split, Step};

impl<'a> Machine<'a> {
    #[inline(never)]
    pub(super) fn choose(
        &mut self,
        frame: Frame<'a>,
        steps: &'a [Step],
        blocks: &'a [BlockId],
        first: bool,
    ) -> Result<Flow, EvalError> {
        let mut at = 0_usize;
        let run = loop {
            match steps.get(at).ok_or(EvalError::Malformed)? {
                Step::Run(run) => break run,
                Step::Split(split) => {
                    self.charge(1)?;
                    at = self.place(frame.base, split)?;
                }
            }
        };
        for place in run {
            let block = usize::try_from(*place).ok().and_then(|place| blocks.get(place));
            let flow = self.block(*block.ok_or(EvalError::Malformed)?, frame)?;
            if first && flow != Flow::Failed {
                break;
            }
        }
        Ok(Flow::Done)
    }

    /// The step that a split leads to.
    fn place(&mut self, base: usize, split: &Split) -> Result<usize, EvalError> {
        let Split { on, form, bounds, to, none, other } = split;
        let Value::Array(bounds) = self.constant(*bounds)? else { return Err(EvalError::Malformed) };
        // Compared with as many bounds as the search looks at.
        let looks = u64::from(usize::BITS.saturating_sub(bounds.len().leading_zeros()));
        let size = ops::depth_weight([self.operand(base, Operand::Reg(*on))?], self.left());
        self.charge(size.saturating_mul(looks))?;
        let value = self.operand(base, Operand::Reg(*on))?;
        let number;
        let next = match (form, value) {
            (_, Value::Undefined) => Some(none),
            (Form::Plain, value) => place_of(bounds.as_slice(), value, to),
            (Form::Address, Value::String(text)) => match net::number(text) {
                Some(found) => {
                    number = found;
                    place_of(bounds.as_slice(), &number, to)
                }
                None => Some(other),
            },
            (Form::Address, _) => Some(other),
        };
        usize::try_from(*next.ok_or(EvalError::Malformed)?).map_err(|_| EvalError::Malformed)
    }
}

fn place_of<'t>(bounds: &[Value], value: &Value, to: &'t [u32]) -> Option<&'t u32> {
    let at = match bounds.binary_search_by(|bound| order::compare(bound, value)) {
        Ok(at) => at.checked_mul(2)?.checked_add(1)?,
        Err(at) => at.checked_mul(2)?,
    };
    to.get(at)
}
