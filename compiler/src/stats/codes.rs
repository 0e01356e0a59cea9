//! The codes that errors and refusals are counted by.

/// A code.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// The code.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// Whether it may be about a blob, and so about a candidate's.
    pub is_of_blobs: bool,
}

const HOST: &str =
    "a bug in the filter, or an Envoy that it was not made for: report it with Envoy's version";
const REPORT: &str = "a bug in Sidegate: report it";
const CLIENT: &str = "nothing, unless it is one of your callers: 400, as OPA answers";
const POLICY: &str = "mend the policy; `sidegate test` and `sidegate eval` show what it answers";
const REBUILD: &str = "build it again with `sidegate build`, or publish again";
const CARRIED: &str = "is the upload complete, does something on the way change it?";
const SIGN: &str = "sign as the configuration wants it ([signing.md](../signing.md))";

/// Codes of `errors.CODE`.
pub const ERRORS: &[Code] = &[
    of(
        "no_policy",
        "there is no policy yet; 503",
        "look at `refused` and `fetch` of this sidecar: why does none come?",
    ),
    of(
        "no_network_entrypoint",
        "a connection, and no `network_entrypoint` is configured",
        "configure one, or take the filter out of the network filters",
    ),
    of("eval_conflict", "two rules give the decision, or a function, different values", POLICY),
    of(
        "eval_inexact",
        "a builtin got arguments for which the answer is not certain to be OPA's",
        "see [upstream.md](../upstream.md); guard the call in the policy",
    ),
    of("eval_missing", "the policy asked for a clock or randomness that it was not given", REPORT),
    of(
        "eval_steps",
        "the evaluation needs more than `limits.steps`",
        "make the policy cheaper (`sidegate build --report` says what is a table), or raise the limit",
    ),
    of("eval_malformed", "the compiled policy breaks a rule that loading should have caught", REPORT),
    of("request_path_escape", "a `%` in the path without two hexadecimal digits", CLIENT),
    of("request_query_escape", "a `%` in the query, or in a form, without two hexadecimal digits", CLIENT),
    of("request_query_separator", "a `;` in the query, or in a form", CLIENT),
    of("request_query_parameters", "more parameters than OPA parses", CLIENT),
    of(
        "request_content_length",
        "a `content-length` that is no number, on a body that the policy reads",
        CLIENT,
    ),
    of("request_body_json", "a body that is to be JSON and is not", CLIENT),
    of("request_body_multipart", "a body that is to be `multipart/form-data` and is not", CLIENT),
    of(
        "request_body_grpc",
        "a body that is no gRPC message of its method",
        "nothing, unless a client is right: then the bundle's descriptors are old",
    ),
    of("request_body_inexact", "a body of numbers, or of a depth, that cannot be held exactly", CLIENT),
    of(
        "request_body_cut",
        "a body longer than `limits.body_bytes` that did not say so; 413",
        "raise `limits.body_bytes`, or have the client send `content-length`",
    ),
    of("request_metadata", "metadata that is not what Envoy writes", "look at the filters before this one"),
    of(
        "request_source_address",
        "the policy reads the source address, and Envoy took it from `x-forwarded-for`",
        "decide by principal, or set `use_remote_address`",
    ),
    of("decision_undefined", "the entry point has no value for this request", "give the rule a `default`"),
    of("decision_type", "the decision is neither a boolean nor an object", POLICY),
    of("decision_allowed_missing", "the decision is an object without `allowed`", POLICY),
    of("decision_key_type", "a key of the decision has a value of the wrong kind", POLICY),
    of("decision_header_name", "the decision has a header name that is none", POLICY),
    of("decision_header_reserved", "the decision changes a header that policies may not change", POLICY),
    of("decision_header_value", "the decision has a header value with control characters", POLICY),
    of("decision_http_status", "the decision has a status that Envoy does not know", POLICY),
    of("decision_mode", "the decision has a `mode` that is neither `enforce` nor `shadow`", POLICY),
    of("decision_undeclared", "a decision allows and says `undeclared`", POLICY),
    of("decision_query_parameter", "the decision has a query parameter that is not URL-encoded", POLICY),
    of("decision_no_path", "the decision changes the query of a request without a path (`CONNECT`)", POLICY),
    of("decision_phase", "a decision about a response changes the request", POLICY),
    of(
        "decision_output_bytes",
        "the decision is longer than `limits.output_bytes`",
        "shorten it, or raise the limit",
    ),
    of("host_headers", "the request's headers could not be read", HOST),
    of("host_property", "an attribute of the request or connection could not be read", HOST),
    of("host_clock", "the clock could not be read, and the policy reads it", HOST),
    of("host_body", "the body could not be read", HOST),
    of("host_request_headers", "the decision's changes to the request could not be made", HOST),
    of("host_response_headers", "the response's headers could not be read, or not be changed", HOST),
    of("host_filter_state", "the decision's `dynamic_metadata` could not be kept", HOST),
    of("host_continue", "what was held could not be let go on", HOST),
    of("host_local_response", "the answer could not be sent: the stream was reset", HOST),
    of("host_close", "a connection that is denied could not be closed", HOST),
    of("internal", "the filter does not know the stream any more", REPORT),
];

/// Codes of `refused.CODE`.
pub const REFUSALS: &[Code] = &[
    blob(
        "fetch_failed",
        "no answer: out of time, refused, cut off, no healthy host, or more than 32 MiB",
        "is the server up, does its cluster in the proxy reach it?",
    ),
    blob(
        "fetch_status",
        "another status than 200 (or 304)",
        "is `bundle.http.path` right, is the workload published?",
    ),
    blob(
        "fetch_cluster",
        "the proxy has no cluster of the name in `bundle.http.cluster`",
        "add the cluster, or name another",
    ),
    of("pointer_size", "more than 64 KiB: no pointer", "what does the server send at this path?"),
    of(
        "pointer_syntax",
        "not a pointer: a page for people, something cut off",
        "what does the server send at this path?",
    ),
    of("pointer_type", "signed, but as something else", "publish with `sidegate publish`"),
    of("key_unknown", "signed by a key that `verify.keys` does not have", SIGN),
    of("key_namespace", "signed by a key that is not for this namespace", SIGN),
    of("signature_algorithm", "signed by another algorithm than the key's", SIGN),
    of(
        "signature_bad",
        "the signature does not verify",
        "somebody changed it, or the key's text is another one's: find out which",
    ),
    of("pointer_mesh", "a good pointer for another mesh", "compare `verify.mesh` with `publish --mesh`"),
    of(
        "pointer_workload",
        "a good pointer for another workload",
        "what does the server serve at this workload's path?",
    ),
    of("pointer_expired", "the pointer's time is over", "`sidegate publish --refresh`; look at the clocks"),
    of(
        "pointer_replay",
        "an older pointer than the one in force, or another of the same serial",
        "a cache that is behind, or somebody trying",
    ),
    of("pointer_serial", "below `verify.min_serial`", "publish anew, or lower the setting"),
    blob(
        "pointer_layers",
        "a release of several layers, which this version does not take",
        "publish with the `sidegate` of this version",
    ),
    blob("blob_size", "the blob is not as long as the pointer says", CARRIED),
    blob("blob_digest", "the blob has another digest than the pointer says", CARRIED),
    blob("bundle_digest", "a bundle is not the blob that the pointer names", CARRIED),
    blob(
        "bundle_size",
        "larger than `limits.bundle_bytes`, packed or unpacked",
        "raise the limit, or publish slices",
    ),
    blob("bundle_ratio", "unpacks to far more than policies do", REBUILD),
    blob("bundle_files", "more files than a bundle has", REBUILD),
    blob("bundle_archive", "no gzipped tar, or a damaged one", REBUILD),
    blob("bundle_entry", "something in the archive that is no plain file", REBUILD),
    blob("bundle_name", "a name in the archive that might mean another file elsewhere", REBUILD),
    blob("bundle_file_twice", "one name in the archive for two files", REBUILD),
    blob("bundle_no_plan", "not built by `sidegate build`: it has no `sidegate.bin`", REBUILD),
    blob(
        "bundle_version",
        "of a format that this filter does not read",
        "build with the `sidegate` of the filter's version, or update the filter first",
    ),
    blob("bundle_plan", "the compiled policy is damaged", REBUILD),
    blob(
        "bundle_entrypoint",
        "the policy does not have the entry point of the configuration",
        "build it with `--entrypoint`, or configure another",
    ),
    blob(
        "bundle_depth",
        "the policy nests deeper than `limits.depth`",
        "raise the limit, or flatten the policy",
    ),
    of(
        "bundle_shared",
        "the shared data holds something that is no bundle",
        "another plugin of this `vm_id` writes there: give Sidegate one of its own",
    ),
    of("bundle_unsigned", "a classic bundle without a signature, and one is required", SIGN),
    of("bundle_signatures", "a classic bundle whose `.signatures.json` cannot be read", SIGN),
    of(
        "bundle_scope",
        "a classic bundle signed for another scope",
        "compare `verify.scope` with `build --scope`",
    ),
    of("bundle_file_missing", "a classic bundle lacks a file that its signature lists", REBUILD),
    of("bundle_file_unlisted", "a classic bundle has a file that its signature does not list", REBUILD),
    of("bundle_file_hash", "a file of a classic bundle is not the one that was signed", REBUILD),
];

const fn of(name: &'static str, meaning: &'static str, remedy: &'static str) -> Code {
    Code { name, meaning, remedy, is_of_blobs: false }
}

const fn blob(name: &'static str, meaning: &'static str, remedy: &'static str) -> Code {
    Code { name, meaning, remedy, is_of_blobs: true }
}
