//! What the border costs: each callback that a filter exports, and each host call that it makes, by filters that do
//! nothing else. Calls are made [`TIMES`] times for each request, for one alone is lost in the noise.

use serde_json::{Value, json};
use sidegate_bench::border::{ANSWER, Arg, COUNTER, Filter};
use sidegate_bench::request::HEADERS;
use sidegate_bench::summary::{Summary, least, rounded};
use sidegate_tests::table::Table;

use super::bench::Bench;
use super::subject::{Subject, interleave};

const TIMES: usize = 40;
const REQUEST: Arg = Arg::Number(0);
const OUT: [Arg; 2] = [Arg::Place(ANSWER), Arg::Place(ANSWER + 4)];

/// A filter with a name, and how often it does what it is about.
struct Subjects(Vec<(String, Filter, usize)>);

pub(crate) fn measure(bench: &Bench) -> Result<Value, String> {
    let Subjects(all) = subjects();
    let mut subjects = vec![Subject::None];
    for (at, (_, filter, _)) in all.iter().enumerate() {
        let path = bench.path().join(format!("border-{at}.wasm"));
        std::fs::write(&path, filter.to_wasm())
            .map_err(|e| format!("could not write {}: {e}", path.display()))?;
        subjects.push(Subject::Border(at));
    }
    let running = subjects.iter().map(|s| s.start(bench, 1)).collect::<Result<Vec<_>, _>>()?;
    let with_headers: Vec<_> = running.iter().map(|running| (running, HEADERS)).collect();
    let (rounds, requests) = (bench.settings.rounds, bench.settings.requests);
    let taken = interleave(bench, &with_headers, rounds, requests)?;
    let (none, bare) = (&taken[0].envoy, &taken[1].envoy);
    println!("bench: the border, {rounds} rounds of {requests} requests");
    let mut table = Table::new(&["what", "µs each", "quartiles", "least"]);
    let mut rows = Vec::new();
    for (at, ((name, _, times), row)) in all.iter().zip(&taken[1..]).enumerate() {
        let base = if at == 0 { none } else { bare };
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let each = Summary::paired(&row.envoy, base, |this, that| (this - that) / *times as f64);
        let spread = format!("{:.2} .. {:.2}", each.low, each.high);
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let by_least = (least(&row.envoy) - least(base)) / *times as f64;
        table.row(&[name, &format!("{:.2}", each.median), &spread, &format!("{by_least:.2}")]);
        rows.push(json!({"name": name, "each_us": each.to_json(), "least_us": rounded(by_least)}));
    }
    print!("{}", table.text());
    Ok(json!({"times": TIMES, "rows": rows}))
}

/// The first is the least that a filter can be; it costs what it costs over none, the others what they cost over it.
fn subjects() -> Subjects {
    let mut all = vec![(
        "the callback for request headers, and that there is a filter".to_owned(),
        Filter::default(),
        1,
    )];
    for name in [
        "proxy_on_context_create",
        "proxy_on_response_headers",
        "proxy_on_done",
        "proxy_on_log",
        "proxy_on_delete",
    ] {
        all.push((format!("callback {name}"), Filter { callbacks: vec![name], ..Filter::default() }, 1));
    }
    let mut call = |what: &str, name: &'static str, args: Vec<Arg>| {
        let filter = Filter { calls: vec![(name, args); TIMES], ..Filter::default() };
        all.push((what.to_owned(), filter, TIMES));
    };
    let with_answer = |args: &[Arg]| [args, &OUT].concat();
    call("all 15 headers", "proxy_get_header_map_pairs", with_answer(&[REQUEST]));
    for name in [":path", "user-agent", "x-nowhere"] {
        let args = with_answer(&[REQUEST, Arg::Text(name)]);
        call(&format!("one header, `{name}`"), "proxy_get_header_map_value", args);
    }
    for path in [
        "connection\0uri_san_peer_certificate",
        "connection\0mtls",
        "source\0address",
        "request\0time",
        "request\0path",
        "request\0headers\0user-agent",
        "xds\0listener_direction",
        "connection\0nowhere",
    ] {
        let name = format!("property `{}`", path.replace('\0', "."));
        call(&name, "proxy_get_property", with_answer(&[Arg::Text(path)]));
    }
    call("current time", "proxy_get_current_time_nanoseconds", vec![Arg::Place(ANSWER)]);
    call("a log below the level", "proxy_log", vec![Arg::Number(0), Arg::Text("nobody reads this")]);
    call("filter state set", "proxy_set_property", vec![Arg::Text("bench"), Arg::Text("value")]);
    let set = ("proxy_replace_header_map_value", vec![REQUEST, Arg::Text("x-bench"), Arg::Text("value")]);
    let once = Filter { calls: vec![set.clone()], ..Filter::default() };
    all.push(("a request header set, after which Envoy selects the route again".to_owned(), once, 1));
    let again = Filter { calls: vec![set; TIMES], ..Filter::default() };
    all.push(("the same for each of several".to_owned(), again, TIMES));
    let counted = ("proxy_increment_metric", vec![Arg::At(COUNTER), Arg::Long(1)]);
    let filter = Filter { calls: vec![counted; TIMES], counter: Some("bench.requests"), ..Filter::default() };
    all.push(("a counter incremented".to_owned(), filter, TIMES));
    Subjects(all)
}
