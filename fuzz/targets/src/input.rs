//! From attributes to the input document, as a whole and part by part, and to decisions that are kept.

use std::sync::{Arc, LazyLock};

use serde_json::Value as Json;
use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_engine::Value;
use sidegate_engine::attributes::{Attributes, Workload};
use sidegate_engine::config::Mode;
use sidegate_engine::decide::{Settings, Verdict};
use sidegate_engine::decision::Decision;
use sidegate_engine::gate::{Gate, Seed};
use sidegate_engine::grpc::Messages;
use sidegate_engine::input::{InputBuilder, RequestError};
use sidegate_engine::limits::Limits;
use sidegate_engine::log::{DecisionId, Event, Outcome, mask, trace};
use sidegate_engine::needs::Needs;
use sidegate_engine::plan::{ConstPool, Entry, Func, Operand, Program, Reg, Stmt, encode};
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

use crate::feed::requests;
use crate::packed;
use crate::policies::{KEPT, NOT_KEPT, ONE_FOR_ALL, Sample};

/// Places that are always asked for; an input may name others.
const PLACES: [&str; 48] = [
    "",
    "version",
    "sidegate",
    "sidegate.phase",
    "sidegate.workload.name",
    "sidegate.source",
    "sidegate.source.uri_sans",
    "sidegate.source.uri_sans.0",
    "sidegate.source.namespace",
    "sidegate.tls",
    "sidegate.tls.version",
    "sidegate.tls.sni",
    "sidegate.tls.mtls",
    "sidegate.direction",
    "parsed_path",
    "parsed_path.0",
    "parsed_query",
    "parsed_query.x",
    "parsed_body",
    "parsed_body.a",
    "truncated_body",
    "source_principal",
    "attributes",
    "attributes.request",
    "attributes.request.time.nanos",
    "attributes.request.http",
    "attributes.request.http.method",
    "attributes.request.http.path",
    "attributes.request.http.host",
    "attributes.request.http.scheme",
    "attributes.request.http.protocol",
    "attributes.request.http.body",
    "attributes.request.http.size",
    "attributes.request.http.headers",
    "attributes.request.http.headers.x-a",
    "attributes.request.http.headers.x-!",
    "attributes.request.http.headers.x-envoy-auth-partial-body",
    "attributes.source.address.socketAddress.address",
    "attributes.source.service",
    "attributes.source.principal",
    "attributes.destination.address",
    "attributes.destination.principal",
    "attributes.metadataContext.filterMetadata.jwt",
    "attributes.routeMetadataContext",
    "response",
    "response.status",
    "response.headers",
    "response.headers.x-a",
];

static MESSAGES: LazyLock<Arc<Messages>> = LazyLock::new(|| {
    let rego = ("a.rego".to_owned(), "package envoy.authz\nallow if input.parsed_body.x".to_owned());
    let descriptors = include_bytes!("../../../compiler/tests/fixtures/grpc.pb").to_vec();
    let sources = Sources {
        descriptors: vec![("grpc.pb".to_owned(), descriptors)],
        ..Sources::from_parts(vec![rego], Value::new_object())
    };
    Arc::clone(build(&sources, &BuildOptions::default()).unwrap().image.messages())
});

/// Reads numbers out of a body, and writes numbers.
const WRITES: Sample = Sample {
    name: "numbers read and written",
    rego: r#"default decision := {"allowed": false}
decision := {"allowed": true, "headers": {"n": json.marshal(count(body)), "p": sprintf("%d", [count(input.parsed_path)])}} if {
	body := input.attributes.request.http.body
	input.attributes.request.http.method != "PUT"
}
decision := {"allowed": true, "headers": {"n": sprintf("%v %v", [json.unmarshal(input.attributes.request.http.body), to_number(input.parsed_path[0])])}} if {
	input.attributes.request.http.method == "PUT"
}"#,
    reads_bodies: true,
};

/// Bundles of policies that read every part of the input.
static SAMPLES: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| KEPT.iter().chain(NOT_KEPT).chain([&ONE_FOR_ALL]).map(bundle).collect());
static WRITER: LazyLock<Vec<u8>> = LazyLock::new(|| bundle(&WRITES));

/// The gRPC messages that bodies may be.
pub(crate) fn messages() -> &'static Arc<Messages> {
    &MESSAGES
}

/// Bundles of real policies.
pub(crate) fn samples() -> &'static [Vec<u8>] {
    &SAMPLES
}

static READER: LazyLock<Policy> = LazyLock::new(|| asking(PLACES.map(str::to_owned).as_slice()));

/// What is asked for alone is what the document has there, whatever was needed; a decision that is kept is the one that
/// would be made; a piece of a body is never taken for the whole.
///
/// Up to three requests ([`crate::feed`]); `N` names a place that the policy reads, `G` chooses the policy that is asked.
pub fn input(data: &[u8]) {
    let (requests, others) = requests(data);
    let named = |kind: u8| others.iter().filter(move |field| field[0] == kind).map(|field| &field[1..]);
    let places: Vec<String> = named(b'N').take(4).map(|p| String::from_utf8_lossy(p).into_owned()).collect();
    let paths: Vec<Vec<String>> = places.iter().map(|place| parts(place)).collect();
    let mut needs = vec![Needs::all()];
    let mut policies = vec![&*READER];
    let own = (!places.is_empty()).then(|| asking(&places));
    if let Some(own) = &own {
        needs.push(Needs::from_paths(paths.iter().map(Vec::as_slice)));
        policies.push(own);
    }
    let builder = InputBuilder::new(&packed::workload()).with_messages(Arc::clone(&MESSAGES));
    for attributes in &requests {
        for needs in &needs {
            one(&builder, needs, attributes, &policies);
        }
        // What a policy reads does not change whether there is a path that OPA can parse.
        let is_bad =
            |error: &RequestError| matches!(error.code(), "request_path_escape" | "request_query_escape");
        let errors = [Needs::all(), Needs::none()].map(|needs| builder.build(&needs, attributes).err());
        if errors.iter().flatten().any(is_bad) && attributes.body.is_none() {
            assert_eq!(errors[0], errors[1]);
        }
    }
    let chosen = named(b'G').next().and_then(|rest| rest.first()).map_or(0, |byte| usize::from(*byte));
    kept(SAMPLES.get(chosen % (SAMPLES.len() + 1)).unwrap_or(&WRITER), &requests);
}

fn one(builder: &InputBuilder, needs: &Needs, attributes: &Attributes, policies: &[&Policy]) {
    let Ok(request) = builder.request(needs, attributes) else {
        assert!(builder.build(needs, attributes).is_err());
        return;
    };
    let document = builder.build(needs, attributes).unwrap();
    assert_eq!(request.document(), &document);
    for policy in policies {
        // Asked of a new request, so that nothing is there that the document was made of.
        let request = builder.request(needs, attributes).unwrap();
        let by_part = policy.answer(&request, &attributes.context);
        assert_eq!(by_part, policy.evaluate(&document, &attributes.context), "{document}");
        assert!(by_part.is_ok(), "{by_part:?}");
    }
    let json: Json = serde_json::from_str(&document.to_json_str().unwrap()).expect("a document is JSON");
    if attributes.body.as_ref().is_some_and(|body| body.is_cut) {
        assert!(
            json["parsed_body"].is_null() || is_grpc(attributes),
            "a piece is taken for the whole: {json}"
        );
    }
    let principal = attributes.peer_principal().filter(|_| !json["source_principal"].is_null());
    if let Some(principal) = principal.and_then(|bytes| std::str::from_utf8(bytes).ok()) {
        assert_eq!(json["source_principal"], principal);
    }
    // Who has several names is nobody of the mesh.
    if attributes.peer_uri_sans.iter().filter(|name| !name.is_empty()).count() > 1 {
        assert!(json["sidegate"]["source"]["namespace"].is_null(), "{json}");
    }
}

/// Of gRPC the first message is read, which may be there.
fn is_grpc(attributes: &Attributes) -> bool {
    let types = attributes.headers.values(b"content-type");
    types.map(String::from_utf8_lossy).collect::<Vec<_>>().join(",").contains("application/grpc")
}

/// Asks for each request twice, with few decisions that can be kept.
fn kept(bundle: &[u8], requests: &[Attributes]) {
    let limits = Limits { cache_entries: 8, steps: 20_000, ..Limits::default() };
    let policy = load_bundle(bundle, "t/decision", limits);
    let settings = Settings { limits, lets_lower: true, ..Settings::default() };
    let gate = Gate::new(policy, &packed::workload(), settings, Seed::default());
    let of = |verdict: &Verdict| (verdict.actions.clone(), verdict.waived, verdict.error.clone());
    for attributes in requests.iter().chain(requests) {
        let (got, wanted) = (gate.decide(attributes), gate.decide_by_plan(attributes));
        assert_eq!(of(&got), of(&wanted), "{attributes:?}");
        logged(&gate, &got, attributes);
        if got.error.is_some() {
            assert!(!got.actions.is_allow() && got.waived.is_none(), "no decision, and it is let through");
        } else if let Some(document) = gate.document(gate.needs(), attributes) {
            // By the document, whole.
            let result = gate.policy().evaluate(&document, &attributes.context).unwrap();
            let decision = Decision::read(&result, &limits).unwrap();
            assert_eq!(matches!(decision, Decision::Allow(_)), got.actions.is_allow(), "{document}");
        }
    }
}

/// What is logged of it is JSON on one line, and without the secrets.
fn logged(gate: &Gate, verdict: &Verdict, attributes: &Attributes) {
    let (labels, workload) = (Value::new_object(), packed::workload());
    let event = Event {
        labels: &labels,
        id: DecisionId::new([7; 32]),
        trace: trace(&attributes.headers),
        revision: gate.policy().revision(),
        path: "t/decision",
        input: gate.document(&Needs::all(), attributes).unwrap_or(Value::Undefined),
        result: gate.result(verdict, attributes),
        error: verdict.error.as_ref().map(|error| (error.code(), error.to_string())),
        requested_by: Some(workload.name),
        now: 0,
        took: None,
        outcome: Outcome::Denied,
        phase: attributes.phase,
        mode: Mode::Enforce,
        waived: verdict.waived,
        status: None,
        rule: Value::Undefined,
    };
    let line = mask(event.into_value(), &Value::Undefined).unwrap().line().unwrap();
    assert!(!line.contains('\n'));
    let event: Json = serde_json::from_str(&line).unwrap();
    let http = &event["input"]["attributes"]["request"]["http"];
    for name in ["authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"] {
        assert!(
            http["headers"].get(name).is_none() && event["input"]["response"]["headers"].get(name).is_none()
        );
    }
    assert!(http.get("body").is_none() && event["input"]["parsed_body"].is_null());
}

fn bundle(Sample { rego, .. }: &Sample) -> Vec<u8> {
    let text = format!("package t\n\nimport rego.v1\n\n{rego}");
    let data = Value::from_json_str(r#"{"teams": {"a": ["GET", "POST"], "b": ["GET"]}}"#).unwrap();
    let options = BuildOptions { entrypoints: vec!["t/decision".to_owned()], ..BuildOptions::default() };
    build(&Sources::from_parts(vec![("t.rego".to_owned(), text)], data), &options).unwrap().bundle
}

fn parts(place: &str) -> Vec<String> {
    // The whole has no parts.
    place.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The policy that tells of these places.
fn asking(places: &[String]) -> Policy {
    let limits = Limits { steps: 1_000_000, ..Limits::default() };
    load_bundle(&packed::bundle(&reader(places)), "f/all", limits)
}

fn load_bundle(bundle: &[u8], entrypoint: &str, limits: Limits) -> Policy {
    let bundle = Trust::nothing_required().bundle(bundle, &limits, &Workload::default()).unwrap();
    Policy::load(bundle, entrypoint, limits).unwrap()
}

/// A plan that tells of every place what is there, and which keys that has.
fn reader(places: &[String]) -> Vec<u8> {
    const ALL: Reg = 1;
    const FOUND: Reg = 2;
    const PAIR: Reg = 3;
    const KEY: Reg = 4;
    const KEYS: Reg = 5;
    const BOTH: Reg = 6;
    let mut pool = ConstPool::default();
    let mut blocks: Vec<Vec<Stmt>> = Vec::new();
    let mut body =
        vec![Stmt::MakeArray { dst: ALL, items: vec![] }, Stmt::MakeSet { dst: KEYS, items: vec![] }];
    let mut block = |stmts: Vec<Stmt>| {
        blocks.push(stmts);
        u32::try_from(blocks.len() - 1).unwrap()
    };
    for place in places {
        let name = Operand::Const(pool.add(&Value::from(place.as_str())).unwrap());
        // A number among the keys is a place of an array.
        let key =
            |part: &String| part.parse::<u64>().map_or_else(|_| Value::from(part.as_str()), Value::from);
        let path: Vec<u32> = parts(place).iter().map(|part| pool.add(&key(part)).unwrap()).collect();
        let pair = |value: Reg| Stmt::MakeArray { dst: PAIR, items: vec![name, Operand::Reg(value)] };
        let value = block(vec![
            Stmt::Input { dst: FOUND, path: path.clone(), place: 0 },
            pair(FOUND),
            Stmt::Push { acc: ALL, value: Operand::Reg(PAIR) },
        ]);
        let each = block(vec![pair(KEY), Stmt::Add { acc: KEYS, value: Operand::Reg(PAIR) }]);
        let keys = block(vec![
            Stmt::InputKeys { dst: FOUND, path, place: 0 },
            Stmt::Scan { src: Operand::Reg(FOUND), key: Some(KEY), value: None, block: each },
        ]);
        body.extend([Stmt::Try { block: value }, Stmt::Try { block: keys }]);
    }
    let both = vec![Operand::Reg(ALL), Operand::Reg(KEYS)];
    body.extend([Stmt::MakeArray { dst: BOTH, items: both }, Stmt::Yield { value: Operand::Reg(BOTH) }]);
    let body = block(body);
    let func = Func { name: "data.f.all".to_owned(), params: 0, regs: 7, body, default: None };
    let entry = Entry { path: "f/all".to_owned(), func: 0, reads: vec![Vec::new()] };
    let program = Program {
        consts: pool.into_nodes(),
        blocks,
        funcs: vec![func],
        entries: vec![entry],
        ..Program::default()
    };
    encode(&program).unwrap()
}
