//! Evaluation alone, in V8: the same policy and the same input by our plan and by regorus's virtual machine. No
//! input is built, no header is fetched, nothing is carried out.
//!
//! The host writes text into [`buffer`], hands it over with one of the `set_` functions, and asks with [`run_plan`]
//! and [`run_rvm`], which evaluate so often and say how often the answer was an allow.

use std::cell::RefCell;
use std::sync::Arc;

use indexmap as _;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{Engine, Rc, Value};
use sidegate_engine::attributes::Workload;
use sidegate_engine::eval::Context;
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    entrypoint: String,
    rego: String,
    data: Option<Value>,
    input: Option<Value>,
    plan: Option<Policy>,
    rvm: Option<RegoVM>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

fn with<T>(work: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(work)
}

impl State {
    fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.buffer).ok()
    }

    fn compile(&mut self) -> Option<()> {
        let mut engine = Engine::new();
        engine.add_policy("policy.rego".to_owned(), self.rego.clone()).ok()?;
        let path = format!("data.{}", self.entrypoint.replace('/', "."));
        let entry: Rc<str> = path.as_str().into();
        let compiled = engine.compile_with_entrypoint(&entry).ok()?;
        let program = Compiler::compile_from_policy(&compiled, &[&path]).ok()?;
        let mut rvm = RegoVM::new();
        rvm.load_program(Arc::clone(&program));
        // The default is too few for the loops that are measured here.
        rvm.set_max_instructions(10_000_000);
        rvm.set_data(self.data.clone()?).ok()?;
        rvm.set_input(self.input.clone()?);
        self.rvm = Some(rvm);
        Some(())
    }

    fn load(&mut self) -> Option<()> {
        let limits = Limits { steps: 10_000_000, ..Limits::default() };
        let opened = Trust::nothing_required().bundle(&self.buffer, &limits, &Workload::default()).ok()?;
        self.plan = Some(Policy::load(opened, &self.entrypoint, limits).ok()?);
        Some(())
    }
}

/// Room for so many bytes, which the host writes.
#[unsafe(no_mangle)]
pub extern "C" fn buffer(length: usize) -> *mut u8 {
    with(|state| {
        state.buffer = vec![0; length];
        state.buffer.as_mut_ptr()
    })
}

/// The entry point: `storefront/authz/decision`.
#[unsafe(no_mangle)]
pub extern "C" fn set_entrypoint() -> u32 {
    with(|state| state.text().map(str::to_owned).map(|text| state.entrypoint = text).is_some().into())
}

/// The policy's only module.
#[unsafe(no_mangle)]
pub extern "C" fn set_rego() -> u32 {
    with(|state| state.text().map(str::to_owned).map(|text| state.rego = text).is_some().into())
}

/// The data document, as JSON.
#[unsafe(no_mangle)]
pub extern "C" fn set_data() -> u32 {
    with(|state| {
        state.data = state.text().and_then(|text| Value::from_json_str(text).ok());
        state.data.is_some().into()
    })
}

/// The input document, as JSON.
#[unsafe(no_mangle)]
pub extern "C" fn set_input() -> u32 {
    with(|state| {
        state.input = state.text().and_then(|text| Value::from_json_str(text).ok());
        state.input.is_some().into()
    })
}

/// The bundle that was built from the same Rego and data.
#[unsafe(no_mangle)]
pub extern "C" fn set_bundle() -> u32 {
    with(|state| state.load().is_some().into())
}

/// Compiles the module for regorus's machine; after everything else. 0 where it refuses it.
#[unsafe(no_mangle)]
pub extern "C" fn compile_rvm() -> u32 {
    with(|state| state.compile().is_some().into())
}

/// Evaluates by the plan.
#[unsafe(no_mangle)]
pub extern "C" fn run_plan(times: u32) -> u32 {
    with(|state| {
        let (Some(policy), Some(input)) = (&state.plan, &state.input) else { return 0 };
        let ask = || policy.evaluate(input, &Context::default()).ok();
        count(times, ask)
    })
}

/// Evaluates by regorus's machine.
#[unsafe(no_mangle)]
pub extern "C" fn run_rvm(times: u32) -> u32 {
    with(|state| {
        let State { rvm: Some(rvm), input: Some(input), .. } = state else { return 0 };
        count(times, || {
            rvm.set_input(input.clone());
            rvm.execute_entry_point_by_index(0).ok()
        })
    })
}

fn count(times: u32, mut ask: impl FnMut() -> Option<Value>) -> u32 {
    let allowed = Value::from("allowed");
    let is_allow = |value: &Value| match value {
        Value::Bool(is_allow) => *is_allow,
        Value::Object(members) => members.get(&allowed) == Some(&Value::Bool(true)),
        _ => false,
    };
    (0..times).map(|_| u32::from(ask().as_ref().is_some_and(is_allow))).sum()
}
