//! Compiled policies: decoding, checking, running.

use std::sync::LazyLock;

use sidegate_engine::Value;
use sidegate_engine::attributes::{Attributes, Workload};
use sidegate_engine::bundle::{self, BundleError, PLAN_FILE};
use sidegate_engine::eval::Context;
use sidegate_engine::input::InputBuilder;
use sidegate_engine::limits::Limits;
use sidegate_engine::needs::Needs;
use sidegate_engine::plan::{FormatError, Program, decode, encode};
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

use crate::feed::Bytes;
use crate::input::samples;
use crate::packed;
use crate::plan_edit::edit;

/// Entry points of one plan that are asked.
const ENTRIES: usize = 4;

/// Real plans, to be edited.
static BASES: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| samples().iter().map(|bundle| plan_of(bundle)).collect());

/// Whatever decodes runs to an end within its budget, to the same one every time, whether it reads a document or a request.
///
/// The first byte says what the others are: a plan; the number of a real one, and what is changed in it.
pub fn plan(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    if mode.is_multiple_of(2) {
        return run(rest);
    }
    let mut bytes = Bytes(rest);
    let base = &BASES[bytes.below(BASES.len())];
    let mut program = program(base);
    edit(&mut program, &mut bytes);
    run(&encode(&program).unwrap());
}

/// The compiled policy in a bundle.
pub(crate) fn plan_of(bundle: &[u8]) -> Vec<u8> {
    let files = bundle::files(bundle, &Limits::default()).unwrap();
    files.into_iter().find(|(name, _)| name == PLAN_FILE).unwrap().1
}

/// The program of a plan, behind its name and the number of its format.
pub(crate) fn program(plan: &[u8]) -> Program {
    postcard::take_from_bytes(&plan[6..]).unwrap().0
}

fn run(plan: &[u8]) {
    let image = match decode(plan) {
        Ok(image) => image,
        Err(FormatError::Malformed(why)) => return assert!(!why.is_empty()),
        Err(_) => return,
    };
    let limits = packed::limits();
    let paths: Vec<String> = image.entries().iter().map(|entry| entry.path.clone()).collect();
    for entry in image.entries().iter().take(ENTRIES) {
        let reach = image.reach(entry.func);
        let _ = (reach.is_pure(), reach.functions);
    }
    let Some(first) = paths.first() else { return };
    let packed = packed::bundle(plan);
    let opened = match Trust::nothing_required().bundle(&packed, &limits, &Workload::default()) {
        Ok(opened) => opened,
        // Only the bundle around it can be too large.
        Err(error) => return assert!(!matches!(error, BundleError::Plan(_)), "{error}"),
    };
    let mut policy = match Policy::load(opened, first, limits) {
        Ok(policy) => policy,
        Err(error) => return assert_eq!(error.code(), "bundle_depth", "{error}"),
    };
    for path in paths.iter().take(ENTRIES) {
        policy.turn_to(path).unwrap();
        ask(&policy, &limits);
    }
}

fn ask(policy: &Policy, limits: &Limits) {
    let context = Context { now_ns: Some(1_700_000_000_000_000_000), seed: Some([7; 32]) };
    let json = r#"{"a":[1,2,3,"x"],"b":{"c":[[1],{"d":null}]},"attributes":{"request":{"http":{"method":"GET",
        "path":"/a/b","headers":{"x-team":"a"},"body":"{\"a\": 1e2}"}}},"parsed_path":["a","b"],"parsed_query":{"x":["1"]}}"#;
    let input = Value::from_json_str(json).unwrap();
    let (answer, used) = policy.measure(&input, &context);
    assert!(used <= limits.steps, "{used} steps of {}", limits.steps);
    assert_eq!((answer, used), policy.measure(&input, &context), "the same question, asked twice");

    let headers =
        [(":method", "GET"), (":path", "/a/b?x=1"), ("x-team", "a"), ("content-type", "application/json")];
    let attributes = Attributes {
        headers: headers.into(),
        peer_uri_sans: vec![b"spiffe://td/ns/a/sa/a".to_vec()],
        context,
        ..Attributes::default()
    };
    let builder = InputBuilder::new(&packed::workload()).with_messages(policy.messages());
    let needs = Needs::all();
    let Ok(request) = builder.request(&needs, &attributes) else { return };
    let answer = policy.answer(&request, &attributes.context);
    assert_eq!(
        answer,
        policy.evaluate(request.document(), &attributes.context),
        "by parts and by the document"
    );
}
