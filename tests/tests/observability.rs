//! What is told about the filter: the reference of stats and codes, labels, alerts and the dashboard, against the
//! sources, real Envoys and a real Prometheus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sidegate_compiler::stats::{self, FAMILIES, Family, PREFIX};
use sidegate_engine::decide::{Difference, Waived};
use sidegate_engine::refresh::Count;
use sidegate_tests::certs::{Authority, spiffe};
use sidegate_tests::docs::assert_written_by;
use sidegate_tests::envoy::validate;
use sidegate_tests::envoy_config::{Listener, bootstrap};
use sidegate_tests::observe::{
    Dashboard, Prometheus, Scene, alerts, errors_in_sources, families_in, gauges_and_counters_in_sources,
    promtool, refusals_in_sources,
};
use sidegate_tests::{features, places};

const SHIPPED: &str = "envoy-config/observability";

fn shipped(name: &str) -> String {
    fs::read_to_string(places::root().join(SHIPPED).join(name)).unwrap()
}

fn yaml(text: &str) -> Value {
    serde_yaml_ng::from_str(text).unwrap()
}

/// The figures that the filter in this tree does not have yet.
fn missing() -> Vec<&'static Family> {
    let known = gauges_and_counters_in_sources();
    let is_known = |family: &Family| {
        let before = format!("{}.", family.name);
        known.iter().any(|name| name == family.name || name.starts_with(&before))
    };
    FAMILIES.iter().filter(|family| !is_known(family)).collect()
}

#[test]
fn the_reference_says_what_the_table_says() {
    assert_written_by("make metrics UPDATE=1", "docs/reference/metrics.md", &stats::page());
}

#[test]
fn every_code_in_the_sources_is_in_the_table() {
    let names =
        |codes: &[stats::Code]| codes.iter().map(|code| code.name.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(errors_in_sources(), names(stats::ERRORS));
    assert_eq!(refusals_in_sources(), names(stats::REFUSALS));
}

#[test]
fn every_stat_in_the_sources_is_in_the_table() {
    let found = gauges_and_counters_in_sources();
    assert!(found.len() > 10, "{found:?}");
    // `refused.candidate_` is the beginning of more names than one.
    let beginnings: Vec<String> = FAMILIES
        .iter()
        .filter(|family| family.label.is_some())
        .map(|family| format!("{}.", family.name))
        .chain(["refused.candidate_", "bundle."].map(str::to_owned))
        .collect();
    for name in &found {
        assert!(beginnings.contains(name) || stats::find(name).is_some(), "{name}");
    }
    let differences =
        [Difference::Same, Difference::Stricter, Difference::Looser, Difference::Changed, Difference::Error];
    let words = differences.map(|it| format!("candidate.{}", it.name())).into_iter();
    let words = words.chain([Waived::Shadow, Waived::Undeclared].map(|it| format!("waived.{}", it.name())));
    let counts = [Count::Ok, Count::NotModified, Count::Failed, Count::Refused];
    for name in words.chain(counts.map(|it| format!("fetch.{}", it.name()))) {
        assert!(stats::find(&name).is_some(), "{name}");
    }
}

#[test]
fn labels_are_those_of_the_table() {
    let tags = yaml(&shipped("stats-tags.yaml"));
    let wanted: Vec<Value> = stats::labels()
        .into_iter()
        .map(|label| json!({"tag_name": label, "regex": stats::tag_regex(label)}))
        .collect();
    assert_eq!(tags["stats_config"]["stats_tags"], json!(wanted));
    let envoy = fs::read_to_string(places::root().join("envoy-config/envoy.yaml")).unwrap();
    assert_eq!(yaml(&envoy)["stats_config"], tags["stats_config"]);

    let rules = yaml(&shipped("prometheus.yaml"));
    let rules = rules["scrape_configs"][0]["metric_relabel_configs"].as_array().unwrap().clone();
    let rule = |names: &[&str], target: &str, replacement: &str| {
        let regex = format!("sidegate_({})_([a-z0-9_]+)", names.join("|"));
        json!({"source_labels": ["__name__"], "regex": regex, "target_label": target, "replacement": replacement})
    };
    let mut all: Vec<&str> = Vec::new();
    for label in stats::labels() {
        let names = stats::labelled(label);
        assert!(rules.contains(&rule(&names, label, "$2")), "{label}: {names:?}");
        all.extend(names);
    }
    assert_eq!(rules.last(), Some(&rule(&all, "__name__", "sidegate_$1")));
}

#[test]
fn alerts_fire_where_they_should_and_not_where_they_should_not() {
    let path = |name: &str| places::root().join(SHIPPED).join(name).display().to_string();
    promtool(&["check", "rules", &path("alerts.yaml")]).unwrap();
    promtool(&["test", "rules", &path("alerts-test.yaml")]).unwrap();
    let tests = yaml(&shipped("alerts-test.yaml"));
    let tested = |fires: bool| -> BTreeSet<String> {
        let tests = tests["tests"].as_array().unwrap().iter();
        tests
            .flat_map(|test| test["alert_rule_test"].as_array().unwrap())
            .filter(|test| test["exp_alerts"].as_array().unwrap().is_empty() != fires)
            .map(|test| test["alertname"].as_str().unwrap().to_owned())
            .collect()
    };
    let names: BTreeSet<String> = alerts().into_iter().map(|(name, ..)| name).collect();
    assert_eq!((tested(true), tested(false)), (names.clone(), names));
    for (name, expr, runbook) in alerts() {
        let (page, section) = runbook.split_once('#').unwrap();
        let page = fs::read_to_string(places::root().join(page)).unwrap();
        let has = |line: &str| {
            line.strip_prefix("### ").is_some_and(|title| title.trim().to_lowercase() == section)
        };
        assert!(page.lines().any(has), "{name}: {runbook}");
        assert!(!families_in(&expr).is_empty() || name == "SidegateTrapped", "{name}");
    }
}

#[test]
fn the_dashboard_and_the_alerts_have_data() {
    let dir = tempfile::TempDir::new().unwrap();
    let mut scene = Scene::start(dir.path()).unwrap();
    scene.prometheus.wait_for("sidegate_bundle_serial == 1").unwrap();
    scene.publish_candidate();
    scene.publish_badly();
    scene.wait("a refusal", |scene| Ok(scene.stat("refused.signature_bad")? > 1)).unwrap();
    scene.break_second_server();
    let mut round = 0;
    scene
        .wait("everything to happen", |scene| {
            for round in 0..8 {
                scene.requests(round)?;
            }
            Ok(scene.stat("candidate.looser")? > 0 && scene.stat("refused.fetch_status")? > 0)
        })
        .unwrap();
    // Rates need two scrapes between which something happened, histograms Envoy's flush.
    let until = Instant::now() + Duration::from_secs(90);
    while let Err(what) = panels_have_data(&scene.prometheus) {
        assert!(Instant::now() < until, "{what}");
        round += 1;
        scene.requests(round).unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
    every_stat_is_in_the_table(&scene);
    labels_are_the_same_with_tags_and_without(&scene);
    alerts_have_data(&scene.prometheus);
}

fn every_stat_is_in_the_table(scene: &Scene) {
    let mut seen = BTreeSet::new();
    for sidecar in &scene.sidecars {
        for name in sidecar.envoy().stats(PREFIX).unwrap().keys() {
            let name = name.strip_prefix(PREFIX).unwrap();
            let (family, _) = stats::find(name).unwrap_or_else(|| panic!("not in the table: {name}"));
            seen.insert(family.name);
        }
        let (_, text) = sidecar.envoy().admin("GET", "/stats/prometheus").unwrap();
        for family in FAMILIES {
            let kind = format!("# TYPE {} {}\n", family.prometheus(), family.kind.name());
            let begins = format!("# TYPE {} ", family.prometheus());
            assert!(!text.contains(&begins) || text.contains(&kind), "{kind}");
        }
    }
    let absent: Vec<_> = missing().iter().map(|family| family.name).collect();
    // What does not happen here: nothing is waived, no mode lowered.
    let quiet = ["waived", "bundle.lowered"];
    for family in
        FAMILIES.iter().filter(|family| !absent.contains(&family.name) && !quiet.contains(&family.name))
    {
        let text = scene.sidecars[0].envoy().admin("GET", "/stats/prometheus").unwrap().1;
        let is_seen = seen.contains(family.name) || text.contains(&family.prometheus());
        assert!(is_seen, "{} never came up: {seen:?}", family.name);
    }
}

fn labels_are_the_same_with_tags_and_without(scene: &Scene) {
    let (_, text) = scene.sidecars[0].envoy().admin("GET", "/stats/prometheus").unwrap();
    for wanted in [
        "sidegate_decisions{sidegate_outcome=\"denied\"}",
        "sidegate_errors{sidegate_code=\"decision_type\"}",
        "sidegate_candidate{sidegate_difference=\"looser\"}",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let (_, text) = scene.sidecars[1].envoy().admin("GET", "/stats/prometheus").unwrap();
    assert!(text.contains("sidegate_decisions_denied{}"), "{text}");
    for (name, label, value) in [
        ("decisions", "sidegate_outcome", "denied"),
        ("errors", "sidegate_code", "request_query_separator"),
        ("fetch", "sidegate_result", "ok"),
    ] {
        let query = format!("count by (instance) (sidegate_{name}{{{label}=\"{value}\"}})");
        assert_eq!(scene.prometheus.query(&query).unwrap().len(), 3, "{query}");
    }
    let strays = scene.prometheus.query("{__name__=~\"sidegate_.*_(denied|ok|decision_type)\"}");
    assert!(strays.unwrap().is_empty(), "names that should be labels");
}

/// Whether a query may find nothing: it is about figures that the filter in this tree does not have yet, or about what
/// does not happen here.
fn may_be_empty(expr: &str) -> bool {
    let missing = missing();
    families_in(expr)
        .iter()
        .any(|family| family.name == "waived" || missing.iter().any(|it| it.name == family.name))
}

/// Which panel has none, or not yet.
fn panels_have_data(prometheus: &Prometheus) -> Result<(), String> {
    let mut asked = 0;
    for panel in Dashboard::shipped().panels {
        for target in &panel.targets {
            let query = target.query("20s");
            assert!(!families_in(&query).is_empty(), "{query}");
            let found = prometheus.query(&query).unwrap_or_else(|e| panic!("{}: {e}", panel.title));
            let is_number =
                found.iter().flat_map(|series| &series.points).all(|(_, value)| value.is_finite());
            if !may_be_empty(&query) && (found.is_empty() || !is_number) {
                return Err(format!("{}: {query}: {found:?}", panel.title));
            }
            for series in &found {
                let name = target.name(&series.labels);
                assert!(!name.contains("{{"), "{}: {name}", panel.title);
            }
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked}");
    Ok(())
}

fn alerts_have_data(prometheus: &Prometheus) {
    // What happened.
    let fire =
        ["SidegateErrors", "SidegateRefusedBundle", "SidegateSerialsDisagree", "SidegateCandidateLooser"];
    let fire = [fire.as_slice(), &["SidegateCandidateStricter", "SidegateBundleExpires"]].concat();
    for (name, expr, _) in alerts() {
        let found = prometheus.query(&expr).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(found.is_empty() != fire.contains(&name.as_str()), "{name}: {found:?}");
    }
}

#[test]
fn the_access_log_is_one_that_envoy_takes() {
    let dir = tempfile::TempDir::new().unwrap();
    let own = Authority::new(dir.path()).identity("service", &spiffe("shop", "cart"));
    let with = |more: &Value| {
        let listener = Listener {
            name: "inbound",
            identity: &own,
            plaintext: true,
            filters: Vec::new(),
            route_metadata: None,
            access_log: None,
            cluster: None,
        };
        let mut listener = listener.to_json();
        for chain in listener["filter_chains"].as_array_mut().unwrap() {
            let manager = chain["filters"][0]["typed_config"].as_object_mut().unwrap();
            manager.extend(more.as_object().unwrap().clone());
        }
        bootstrap(&[listener], &[])
    };
    let log = yaml(&shipped("access-log.yaml"));
    for version in &places::envoys() {
        let said = validate(version, &with(&log), dir.path()).unwrap();
        assert!(said.accepted, "{version}: {}", said.log);
        let mut wrong = log.clone();
        let format = &mut wrong["access_log"][0]["typed_config"]["log_format"]["json_format"];
        format["sidegate"] = json!("%FILTERSTATE(wasm.sidegate:PLAIN)%");
        assert!(!validate(version, &with(&wrong), dir.path()).unwrap().accepted, "{version}");
        let said = validate(version, &with(&yaml(&shipped("tracing.yaml"))), dir.path()).unwrap();
        assert_eq!(said.accepted, features::SPANS.is_in(version), "{version}: {}", said.log);
    }
}
