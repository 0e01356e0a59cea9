//! Policies that read every part of the input.

/// A policy that answers at `decision`.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) rego: &'static str,
    /// Whether it needs the body, so that it may as well have the whole document.
    pub(crate) reads_bodies: bool,
}

const fn sample(name: &'static str, rego: &'static str) -> Sample {
    Sample { name, rego, reads_bodies: false }
}

const fn with_body(name: &'static str, rego: &'static str) -> Sample {
    Sample { name, rego, reads_bodies: true }
}

/// Decisions of these are kept.
pub(crate) const KEPT: &[Sample] = &[
    sample(
        "method and header",
        r#"default decision := false
decision if {
	input.attributes.request.http.method in data.teams[input.attributes.request.http.headers["x-team"]]
}"#,
    ),
    sample("no default", r#"decision if input.source_principal == "spiffe://td/ns/a/sa/a""#),
    sample(
        "path and query",
        r#"decision := {"allowed": input.parsed_path[0] == "a", "http_status": 401} if count(input.parsed_query.x) < 2
decision := {"allowed": false} if count(input.parsed_query.x) > 1"#,
    ),
    sample(
        "headers in, headers out",
        r#"decision := {"allowed": true, "headers": {"x-team": team, "x-host": input.attributes.request.http.host}}
team := t if t := input.attributes.request.http.headers["x-team"]
else := "none""#,
    ),
    sample(
        "identity",
        r#"import input.sidegate.source as caller
decision := {"allowed": caller.namespace == "a", "headers": {"n": sprintf("%d", [count(caller.uri_sans)])}}"#,
    ),
    sample(
        "tls, protocol, direction, addresses",
        r#"decision := {"allowed": input.sidegate.tls.mtls, "headers": {
	"p": input.attributes.request.http.protocol, "d": input.sidegate.direction,
	"v": input.sidegate.tls.version, "a": input.attributes.source.address.socketAddress.address,
	"port": sprintf("%v", [input.attributes.destination.address])}}"#,
    ),
    sample(
        "metadata",
        r#"decision := {"allowed": true, "headers": {"x": json.marshal(input.attributes.metadataContext.filterMetadata.jwt)}}
default decision := {"allowed": false}"#,
    ),
    sample(
        "conflicts",
        r#"decision := {"allowed": true} if input.attributes.request.http.method == "GET"
decision := {"allowed": false} if input.attributes.request.http.headers["x-team"] == "a""#,
    ),
    sample(
        "names that may be others",
        r#"decision := {"allowed": true, "headers": {"x": input.attributes.request.http.headers[":path"]}} if {
	input.attributes.request.http.headers["x-two"] == "a,b"
}"#,
    ),
    sample(
        "with",
        r#"default decision := false
decision if allowed with input as {"team": input.attributes.request.http.headers["x-team"]}
allowed if input.team == "a"
allowed if input.team == "b""#,
    ),
    sample(
        "constants of the proxy",
        r#"decision := {"allowed": input.sidegate.workload.name == "orders", "headers": {
	"v": input.version.ext_authz, "p": input.sidegate.phase, "o": input.attributes.destination.principal}}"#,
    ),
];

/// Decisions of these are not.
pub(crate) const NOT_KEPT: &[Sample] = &[
    sample("clock", "decision if time.now_ns() % 2 == 0"),
    sample("chance", r#"decision if rand.intn(input.attributes.request.http.method, 2) == 0"#),
    sample("time of the request", "decision if input.attributes.request.time.nanos % 2 == 0"),
    sample(
        "all headers",
        r#"decision if {
	some name, value in input.attributes.request.http.headers
	startswith(name, "x-")
	value == "a"
}"#,
    ),
    sample("one name of many", r#"decision if input.attributes.request.http.headers["x-!"] == "b""#),
    sample(
        "id of the request",
        r#"decision := {"allowed": true, "headers": {"i": input.attributes.request.http.headers["x-request-id"]}}"#,
    ),
    sample(
        "port of the client",
        "decision if input.attributes.source.address.socketAddress.portValue % 2 == 0",
    ),
    sample("query that is changed", r#"decision := {"allowed": true, "query_parameters_to_remove": ["x"]}"#),
    with_body("body", r#"decision if input.parsed_body.a == 1"#),
    with_body(
        "mark on a body",
        r#"decision if input.attributes.request.http.headers["x-envoy-auth-partial-body"] == "false""#,
    ),
    with_body("a large part", r#"decision if json.marshal(input.attributes.request) != """#),
    sample(
        "the input changed",
        r#"decision if allowed with input.attributes.request.http.headers as {"x-team": "a"}
allowed if {
	input.attributes.request.http.headers["x-team"] == "a"
	input.attributes.request.http.method == "GET"
}"#,
    ),
    with_body("all of it", "decision if count(input) > 3"),
];

/// Reads nothing of a request.
pub(crate) const ONE_FOR_ALL: Sample =
    sample("nothing", r#"decision := {"allowed": true, "headers": {"a": "b"}}"#);
