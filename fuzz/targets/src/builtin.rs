//! The builtins, one call each.

use std::sync::LazyLock;

use sidegate_engine::Value;
use sidegate_engine::eval::{Builtin, Context};

use crate::feed::Bytes;
use crate::value::value;

const STEPS: u64 = 100_000;

static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| Builtin::names().collect());

/// A call that the budget has room for returns, always the same, and its answer is one that can be gone through.
///
/// A byte for the builtin, then its arguments.
pub fn builtin(data: &[u8]) {
    let mut bytes = Bytes(data);
    let builtin = Builtin::find(NAMES[bytes.below(NAMES.len())]).unwrap();
    let args: Vec<Value> = (0..builtin.arity()).map(|_| value(&mut bytes)).collect();
    // As the evaluator does: what is undefined is no argument, what costs more than there is left is not called.
    if args.contains(&Value::Undefined) || builtin.cost(&args, STEPS) > STEPS {
        return;
    }
    let context = Context { now_ns: Some(1_767_323_045_678_901_000), seed: Some([7; 32]) };
    let answer = builtin.call(&args, &context);
    assert_eq!(answer, builtin.call(&args, &context), "{}", builtin.name());
    if builtin.is_pure() {
        let blind = Context::default();
        assert_eq!(answer, builtin.call(&args, &blind), "{} sees more than its arguments", builtin.name());
    }
    if let Ok(answer) = answer {
        let _ = answer.to_string();
    }
}
