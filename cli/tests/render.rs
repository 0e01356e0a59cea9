//! `sidegate render`: what is refused, what is warned of, and what real proxies take.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde::Deserialize;
use serde_json::Value;
use sidegate_tests::certs::{Authority, spiffe};
use sidegate_tests::envoy::validate;
use sidegate_tests::manifests::parse;
use sidegate_tests::places;

const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const VALUES: &str = r#"namespace: pay
select: {labels: {app: payments}}
proxies: sidecar
module:
  url: https://files.example/sidegate.wasm
  sha256: HASH
delivery: ecds
bodies: false
failure: reload
bundles: {service: sidegate-bundles.sidegate-system, port: 8080}
config:
  version: 1
  verify: {required: false}
"#;
const OCI: &str = "oci://registry.example/sidegate:1";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    kind: String,
    #[serde(default)]
    changed: Vec<Change>,
    refused: Refused,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    from: String,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    at: String,
    code: String,
    says: String,
}

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn sidegate(dir: &Path, args: &[&str]) -> Run {
    let output = Command::cargo_bin("sidegate").unwrap().current_dir(dir).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn values() -> String {
    VALUES.replace("HASH", HASH)
}

/// Renders values in which some text is another.
fn changed(kind: &str, changes: &[(&str, &str)]) -> Run {
    let dir = tempfile::tempdir().unwrap();
    render_in(dir.path(), kind, changes, &[])
}

fn render_in(dir: &Path, kind: &str, changes: &[(&str, &str)], more: &[&str]) -> Run {
    let mut text = values();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    fs::write(dir.join("v.yaml"), text).unwrap();
    sidegate(dir, &[&["render", kind, "v.yaml"], more].concat())
}

fn object(run: &Run) -> Value {
    assert_eq!(run.code, 0, "{}", run.err);
    parse(&run.out).unwrap().remove(0)
}

/// What cannot be, or would leave a door open.
#[test]
fn what_is_refused() {
    let cases: Vec<Case> = serde_json::from_value(Value::Array(
        parse(include_str!("fixtures/render/refused.yaml")).unwrap().remove(0).as_array().unwrap().clone(),
    ))
    .unwrap();
    assert!(cases.len() > 30, "{}", cases.len());
    let mut others = String::new();
    for Case { kind, changed: changes, refused } in cases {
        let changes: Vec<(String, String)> =
            changes.into_iter().map(|change| (change.from.replace("HASH", HASH), change.to)).collect();
        let pairs: Vec<(&str, &str)> =
            changes.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
        let run = changed(&kind, &pairs);
        let Refused { at, code, says } = refused;
        let is_told =
            [format!("{at}: "), format!("[{code}]"), says.clone()].iter().all(|part| run.err.contains(part));
        if run.code != 1 || !run.out.is_empty() || !is_told {
            others.push_str(&format!(
                "{kind} {pairs:?}: expected {at}, {code}, {says}: {} {}\n",
                run.code, run.err
            ));
        }
    }
    assert!(others.is_empty(), "{others}");
}

#[test]
fn files_that_are_not_what_they_should_be() {
    let dir = tempfile::tempdir().unwrap();
    let run = sidegate(dir.path(), &["render", "envoyfilter", "none.yaml"]);
    assert!(run.code == 2 && run.err.contains("`none.yaml`"), "{}", run.err);
    fs::write(dir.path().join("v.yaml"), "").unwrap();
    let run = sidegate(dir.path(), &["render", "envoyfilter", "v.yaml"]);
    assert_eq!(
        (run.code, run.err.as_str()),
        (1, "sidegate: 1 finding\nv.yaml: expected values, got an empty file [values_empty]\n")
    );
    fs::write(dir.path().join("junk"), "no bundle, no module").unwrap();
    let run = render_in(dir.path(), "envoyfilter", &[], &["--bundle", "junk"]);
    assert!(run.code == 2 && run.err.contains("`junk`") && run.err.contains("[bundle_"), "{}", run.err);
    let run = render_in(dir.path(), "envoyfilter", &[], &["--wasm", "junk"]);
    assert!(run.code == 1 && run.err.contains("junk: expected a WebAssembly module"), "{}", run.err);
}

#[test]
fn the_hash_of_a_module() {
    let dir = tempfile::tempdir().unwrap();
    let hash = "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476";
    fs::write(dir.path().join("m.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let own = format!("  sha256: {HASH}\n");
    let wasm = ["--wasm", "m.wasm"];
    let run = render_in(dir.path(), "wasmplugin", &[(&own, "")], &wasm);
    assert_eq!(object(&run)["spec"]["sha256"], hash);
    assert!(
        run.out.starts_with("# Made by `sidegate render wasmplugin v.yaml --wasm m.wasm`;"),
        "{}",
        run.out
    );
    let run = render_in(dir.path(), "wasmplugin", &[], &wasm);
    assert!(run.code == 1 && run.err.contains(hash) && run.err.contains(HASH), "{}", run.err);
    // Of an image Istio compares something else.
    let run = render_in(dir.path(), "wasmplugin", &[("https://files.example/sidegate.wasm", OCI)], &wasm);
    assert!(run.code == 1 && run.err.contains("the image's manifest"), "{}", run.err);
    let pinned = format!("oci://r.example/s@sha256:{HASH}");
    let run = render_in(
        dir.path(),
        "wasmplugin",
        &[("https://files.example/sidegate.wasm", &pinned), (&own, "")],
        &[],
    );
    assert_eq!(object(&run)["spec"]["sha256"], HASH);
}

#[test]
fn settings_get_where_they_belong() {
    let run =
        changed("envoyfilter", &[("bodies: false", "bodies: true"), ("failure: reload", "failure: close")]);
    let filter = object(&run);
    let patches = filter["spec"]["configPatches"].as_array().unwrap();
    let plugin = &patches[0]["patch"]["value"]["typed_config"]["config"];
    assert_eq!(plugin["allow_on_headers_stop_iteration"], true);
    assert_eq!((&plugin["failure_policy"], &plugin["reload_config"]), (&"FAIL_CLOSED".into(), &Value::Null));
    let config: Value = serde_json::from_str(plugin["configuration"]["value"].as_str().unwrap()).unwrap();
    let host = "sidegate-bundles.sidegate-system.svc.cluster.local";
    assert_eq!(config["bundle"]["http"]["cluster"], format!("outbound|8080||{host}"));
    assert_eq!(config["bundle"]["http"]["authority"], format!("{host}:8080"));
    assert_eq!(patches[0]["patch"]["value"]["name"], patches[1]["patch"]["value"]["name"]);
    assert!(run.err.contains("connections that are not HTTP"), "{}", run.err);

    let network = [("  version: 1", "  version: 1\n  network_entrypoint: a/b")];
    let run = changed("envoyfilter", &network);
    assert_eq!(run.err, "");
    let filter = object(&run);
    let [_, _, _, config, insert, guard] = &filter["spec"]["configPatches"].as_array().unwrap()[..] else {
        panic!("{filter}")
    };
    let kind = config["patch"]["value"]["typed_config"]["@type"].as_str().unwrap();
    assert!(kind.ends_with(".network.wasm.v3.Wasm"), "{kind}");
    assert_eq!(insert["applyTo"], "NETWORK_FILTER");
    assert_eq!(
        insert["match"]["listener"]["filterChain"]["filter"]["name"],
        "envoy.filters.network.tcp_proxy"
    );

    assert_eq!(guard["applyTo"], insert["applyTo"]);
    assert_eq!(guard["match"], insert["match"]);

    // A waypoint has no cluster that no route leads to, unless it is told.
    let waypoint = [
        ("proxies: sidecar", "proxies: waypoint"),
        ("select: {labels: {app: payments}}", "select: {targetRefs: [{kind: Gateway, name: w}]}"),
    ];
    let run = changed("wasmplugin", &waypoint);
    let all = parse(&run.out).unwrap();
    assert_eq!((all.len(), &all[0]["spec"]["match"]), (2, &Value::Null));
    assert_eq!(all[1]["metadata"]["annotations"]["envoyfilter.istio.io/referenced-services"], host);
    assert_eq!(all[1]["spec"]["targetRefs"], all[0]["spec"]["targetRefs"]);

    let run = changed("trafficextension", &[]);
    assert_eq!(object(&run)["spec"]["match"][0]["mode"], "SERVER");
}

#[test]
fn json_and_files() {
    let dir = tempfile::tempdir().unwrap();
    let run = render_in(dir.path(), "bundles", &[], &["--format", "json", "-o", "b.json"]);
    assert_eq!((run.code, run.out.as_str()), (0, "b.json: written\n"), "{}", run.err);
    let list: Value = serde_json::from_slice(&fs::read(dir.path().join("b.json")).unwrap()).unwrap();
    let kinds = list["items"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap());
    assert_eq!(kinds.collect::<Vec<_>>(), ["Deployment", "Service", "PodDisruptionBudget"]);
    assert_eq!(list["kind"], "List");
    let text = render_in(dir.path(), "wasmplugin", &[], &[]);
    let json = render_in(dir.path(), "wasmplugin", &[], &["--format", "json"]);
    let list: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(Value::from(parse(&text.out).unwrap()), list["items"]);
}

/// What stands behind the filter denies where the filter does, counts in shadow, and is not there where nobody decides.
#[test]
fn a_guard_stands_behind_the_filter() {
    let guard_of = |run: &Run| {
        let all = parse(&run.out).unwrap();
        let patches = all.last().unwrap()["spec"]["configPatches"].as_array().cloned().unwrap_or_default();
        let guards = patches.iter().filter(|patch| {
            let name = patch["patch"]["value"]["name"].as_str().unwrap();
            name == "pay.sidegate.guard" && patch["patch"]["operation"] == "INSERT_BEFORE"
        });
        guards.map(|patch| patch["patch"]["value"]["typed_config"].clone()).collect::<Vec<_>>()
    };
    let mode =
        |mode: &str| changed("envoyfilter", &[("  version: 1", &format!("  version: 1\n  mode: {mode}"))]);
    let [enforce, shadow, off] = ["enforce", "shadow", "off"].map(mode);
    for (run, is_marked) in [(&enforce, true), (&shadow, true), (&off, false)] {
        assert_eq!(run.out.contains("\"guard\": true"), is_marked, "{}", run.out);
    }
    let rules = &guard_of(&enforce)[0]["rules"];
    assert_eq!(rules["action"], "ALLOW");
    assert!(rules.to_string().contains("wasm.sidegate_seen"), "{rules}");
    let counts = &guard_of(&shadow)[0];
    assert_eq!((&counts["shadow_rules"], &counts["rules"]), (rules, &Value::Null));
    assert_eq!(counts["shadow_rules_stat_prefix"], "sidegate_guard");
    assert_eq!(guard_of(&off), Vec::<Value>::new());

    // A plugin of Istio's own is marked by itself, and has it from an EnvoyFilter for the same proxies.
    let plugin = changed("wasmplugin", &[]);
    let all = parse(&plugin.out).unwrap();
    assert_eq!(all[0]["spec"]["pluginConfig"]["guard"], true);
    assert_eq!(all[1]["metadata"]["name"], "sidegate-guard");
    assert_eq!(all[1]["spec"]["workloadSelector"]["labels"], all[0]["spec"]["selector"]["matchLabels"]);
    assert_eq!(&guard_of(&plugin)[0]["rules"], rules);

    let without = changed("wasmplugin", &[("bodies: false", "guard: false")]);
    let plugin = object(&without);
    assert_eq!(plugin["spec"]["pluginConfig"]["guard"], Value::Null);
    // Marks without a guard are how one begins.
    let marks = changed(
        "envoyfilter",
        &[("bodies: false", "guard: false"), ("  version: 1", "  version: 1\n  guard: true")],
    );
    assert_eq!((guard_of(&marks).len(), marks.out.contains("\"guard\": true")), (0, true));
}

/// A bundle that reads this of its input.
fn bundle(dir: &Path, reads: &str) {
    fs::create_dir_all(dir.join("p")).unwrap();
    let policy =
        format!("package envoy.authz\n\ndefault allow := false\n\nallow if input.{reads} == \"a\"\n");
    fs::write(dir.join("p/authz.rego"), policy).unwrap();
    let run = sidegate(dir, &["build", "p", "-o", "b.tar.gz"]);
    assert_eq!(run.code, 0, "{}", run.err);
}

#[test]
fn bundles_in_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let inline = ["--bundle", "b.tar.gz"];
    bundle(dir.path(), "parsed_body.x");
    for kind in ["envoyfilter", "wasmplugin"] {
        let run = render_in(dir.path(), kind, &[], &inline);
        assert!(run.code == 1 && run.err.contains("which needs `bodies: true`"), "{kind}: {}", run.err);
    }
    let run = render_in(dir.path(), "envoyfilter", &[("bodies: false", "bodies: true")], &inline);
    assert_eq!(run.code, 0, "{}", run.err);

    bundle(dir.path(), "source_principal");
    let run = render_in(dir.path(), "wasmplugin", &[], &inline);
    let config = object(&run)["spec"]["pluginConfig"].clone();
    assert!(config["bundle"]["inline"].is_string() && config["bundle"]["http"].is_object(), "{config}");
    // As the filter would say.
    let run =
        render_in(dir.path(), "wasmplugin", &[("version: 1", "version: 1\n  entrypoint: a/b")], &inline);
    assert!(run.code == 1 && run.err.contains("`a/b`"), "{}", run.err);
    let run = render_in(dir.path(), "wasmplugin", &[("  verify: {required: false}\n", "")], &inline);
    assert!(run.code == 1 && run.err.contains("sign"), "{}", run.err);
    let twice = [("version: 1", "version: 1\n  bundle: {inline: aGVsbG8=}")];
    let run = render_in(dir.path(), "wasmplugin", &twice, &inline);
    assert!(run.code == 1 && run.err.contains("beside `--bundle`"), "{}", run.err);
}

#[test]
fn large_bundles_are_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    bundle(dir.path(), "source_principal");
    // Digits of a generator, which do not compress.
    let mut state = 1_u64;
    let mut noise = |bytes: usize| {
        let mut text = String::new();
        while text.len() < bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push_str(&format!("{:08x}", state >> 32));
        }
        text
    };
    for (bytes, words) in [(500_000, "--server-side"), (2_000_000, "etcd does not take")] {
        let data = serde_json::json!({ "noise": noise(bytes) });
        fs::write(dir.path().join("p/data.json"), data.to_string()).unwrap();
        let run = sidegate(dir.path(), &["build", "p", "-o", "b.tar.gz"]);
        assert_eq!(run.code, 0, "{}", run.err);
        let run = render_in(dir.path(), "wasmplugin", &[], &["--bundle", "b.tar.gz"]);
        assert!(run.code == 0 && run.err.contains(words), "{bytes}: {}", run.err);
    }
}

/// `SIDEGATE_WRITE=1` writes the files anew.
#[test]
fn what_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/render");
    for (kind, values, name) in [
        ("envoy", "standalone.yaml", "envoy.yaml"),
        ("wasmplugin", "waypoint.yaml", "waypoint-wasmplugin.yaml"),
    ] {
        let run = sidegate(&folder, &["render", kind, values]);
        assert_eq!(run.code, 0, "{}", run.err);
        if std::env::var_os("SIDEGATE_WRITE").is_some() {
            fs::write(folder.join(name), &run.out).unwrap();
        }
        assert_eq!(run.out, fs::read_to_string(folder.join(name)).unwrap(), "{name}");
    }
}

/// With all that is in it, in real Envoys.
#[test]
fn a_stand_alone_envoy_takes_what_is_made_for_it() {
    let dir = tempfile::tempdir().unwrap();
    bundle(dir.path(), "source_principal");
    let own = Authority::new(dir.path()).identity("service", &spiffe("pay", "payments"));
    let module = format!("file://{}", places::filter_wasm().unwrap().display());
    let standalone = format!(
        "standalone: {{cert: \"{}\", key: \"{}\", ca: \"{}\", listen: \"127.0.0.1:0\", upstream: \"localhost:8080\", \
         namespace: pay, workload: payments}}\nconfig:",
        own.cert.display(),
        own.key.display(),
        own.ca.display()
    );
    let hash = format!("  sha256: {HASH}\n");
    let changes = [
        ("https://files.example/sidegate.wasm", module.as_str()),
        (hash.as_str(), ""),
        (
            "service: sidegate-bundles.sidegate-system, port: 8080",
            "host: bundles.example.com, port: 443, tls: true",
        ),
        ("config:", &standalone.replace(":0\"", ":15006\"")),
    ];
    let run = render_in(dir.path(), "envoy", &changes, &["--bundle", "b.tar.gz"]);
    let config = object(&run);
    for version in [places::envoy_oldest(), places::envoy_newest()] {
        let validation = validate(&version, &config, dir.path()).unwrap();
        assert!(validation.accepted, "envoy {version}: {}", validation.log);
    }
    let broken = run.out.replace("\"version\": 1", "\"version\": 2");
    assert_ne!(broken, run.out);
    let validation = validate(&places::envoy_newest(), &parse(&broken).unwrap()[0], dir.path()).unwrap();
    assert!(!validation.accepted, "the configuration in it is the filter's");
    assert_eq!(config["node"]["metadata"]["WORKLOAD_NAME"], "payments");
}
