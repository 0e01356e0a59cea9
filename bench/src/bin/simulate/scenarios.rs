//! What is simulated.

use std::fmt::Write as _;

use sidegate_bench::policy::thousands;
use sidegate_bench::sim::{Change, Fleet, Outcome, SECOND, Server, Sizes};

use super::step;

const SIDECARS: usize = 100_000;
/// Sidecars of one service.
const OF_ONE: usize = 10;
/// Requests a second of servers that a restarting fleet meets: the first can hardly do more than answer its polls.
const HERD_RATES: [u64; 4] = [4_000, 6_000, 10_000, 50_000];
const SEED: u64 = 20_261_129;
/// A gigabit a second.
const LINE: u64 = 125_000_000;
/// `bundle.http.first_wait`.
const FIRST_WAIT: i64 = 3 * SECOND;
/// OPA polls every 60 to 120 s by default.
const CLASSIC_INTERVAL: i64 = 90 * SECOND;

type Scenario = fn(Sizes) -> String;

pub(crate) fn all(sizes: Sizes) -> String {
    let all: [(&str, Scenario); 6] = [
        ("nothing changes", steady),
        ("jitter", jitter),
        ("a change", converge),
        ("everything restarts", herd),
        ("the server is down", outage),
        ("one bundle for all", classic),
    ];
    all.into_iter().map(|(what, scenario)| step(what, || scenario(sizes))).collect()
}

fn fleet(interval: i64) -> Fleet {
    Fleet {
        sidecars: SIDECARS,
        interval: interval * SECOND,
        timeout: 5 * SECOND,
        spread: 2 * interval * SECOND,
        has_policy: true,
        jitter: true,
        classic: false,
    }
}

fn steady(sizes: Sizes) -> String {
    let mut text = "\n### Nothing changes\nTen minutes, sidecars that started at any time.\n\n\
        | `interval` | polls/s | busiest second | in MB/s | out MB/s | out GB a day |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for interval in [10, 30, 60, 120] {
        let mut server = Server::new(1_000_000, 10 * LINE).with(sizes);
        let begin = 4 * interval;
        fleet(interval).run(&mut server, None, (begin + 600) * SECOND, SEED);
        let of = |counts: &[u64]| window(counts, begin, begin + 600).to_vec();
        let (polls, sent) = (of(server.arrivals()), of(server.sent()));
        let (rate, out) = (mean(&polls), mean(&sent) / 1e6);
        let request = rate * float(sizes.request) / 1e6;
        let _ = writeln!(
            text,
            "| {interval} s | {} | {} | {request:.2} | {out:.2} | {:.0} |",
            whole(rate),
            whole(float(most(&polls))),
            out * 86.4,
        );
    }
    text
}

fn jitter(sizes: Sizes) -> String {
    let mut text =
        "\n### What the tenth of jitter does\nAll sidecars start within one second; the busiest second of a \
        minute, `interval` 30 s.\n\n| | 1st minute | 5th | 10th | 30th | 60th |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for (name, jitter) in [("give or take a tenth (the filter)", true), ("exact intervals", false)] {
        let mut server = Server::new(1_000_000, 10 * LINE).with(sizes);
        let fleet = Fleet { jitter, spread: SECOND, ..fleet(30) };
        fleet.run(&mut server, None, 3600 * SECOND, SEED);
        let busiest =
            |minute: i64| whole(float(most(window(server.arrivals(), (minute - 1) * 60, minute * 60))));
        let cells: Vec<String> = [1, 5, 10, 30, 60].map(busiest).to_vec();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text
}

fn converge(sizes: Sizes) -> String {
    let mut text = "\n### A change\nFrom the publish to the last worker of each sidecar; one service in 20 runs; a server that answers 10,000 \
        requests a second over a gigabit.\n\n\
        | changed | `interval` | p50 s | p99 s | last s | blob MB | busiest second |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    for (name, changed) in [("one service", OF_ONE), ("all services", SIDECARS)] {
        for interval in [10, 30, 60] {
            let at = 5 * interval;
            let (outcome, server) = changed_by(changed, interval, at, sizes);
            let [p50, p99, last] = quantiles(&outcome.converged, changed * runs_of(changed));
            let blobs = float(sizes.slice + sizes.head) * float(u64::try_from(changed).unwrap_or(0)) / 1e6;
            let busiest = whole(float(most(window(server.arrivals(), at, at + 5 * interval))));
            let _ =
                writeln!(text, "| {name} | {interval} s | {p50} | {p99} | {last} | {blobs:.2} | {busiest} |");
        }
    }
    text
}

/// Of a few sidecars one run is luck.
fn runs_of(changed: usize) -> usize {
    if changed == OF_ONE { 20 } else { 1 }
}

/// What came of a change, of all the runs that it takes, and the server of the last one.
fn changed_by(changed: usize, interval: i64, at: i64, sizes: Sizes) -> (Outcome, Server) {
    let mut all = Outcome::default();
    let mut server = Server::new(10_000, LINE).with(sizes);
    for run in (0..).take(runs_of(changed)) {
        server = Server::new(10_000, LINE).with(sizes);
        let change = Change { at: at * SECOND, sidecars: changed };
        let end = (at + 10 * interval) * SECOND;
        let outcome = fleet(interval).run(&mut server, Some(change), end, SEED + run);
        all.converged.extend(outcome.converged);
        all.failed += outcome.failed;
    }
    (all, server)
}

fn herd(sizes: Sizes) -> String {
    let mut text = format!(
        "\n### Everything restarts\nAll sidecars without a policy, `interval` 30 s, `timeout` 5 s, over a gigabit; \"in \
         time\" is within `first_wait`, {} s, until when requests are held. Requests are those of sidecars without a policy: \
         two for each are the least. Half an hour is simulated after the last start.\n\n\
         | start within | server, requests/s | busiest second | requests a sidecar | in time | p50 s | p99 s | last s |\n\
         |---|---|---|---|---|---|---|---|\n",
        FIRST_WAIT / SECOND
    );
    for spread in [1, 60, 600] {
        for rate in HERD_RATES {
            let mut server = Server::new(rate, LINE).with(sizes);
            let fleet = Fleet { has_policy: false, spread: spread * SECOND, ..fleet(30) };
            let end = (spread + 1800) * SECOND;
            let outcome = fleet.run(&mut server, None, end, SEED);
            let [p50, p99, last] = quantiles(&outcome.first, SIDECARS);
            let _ = writeln!(
                text,
                "| {spread} s | {} | {} | {:.1} | {:.0} % | {p50} | {p99} | {last} |",
                thousands(usize::try_from(rate).unwrap_or(0)),
                whole(float(most(server.arrivals()))),
                float(outcome.before_first) / float(u64::try_from(SIDECARS).unwrap_or(1)),
                in_time(&outcome) * 100.0,
            );
        }
    }
    text
}

fn in_time(outcome: &Outcome) -> f64 {
    let soon = outcome.first.iter().filter(|took| **took <= FIRST_WAIT).count();
    float(u64::try_from(soon).unwrap_or(0)) / float(u64::try_from(SIDECARS).unwrap_or(1))
}

fn outage(sizes: Sizes) -> String {
    let mut text = "\n### The server is down\nWhat decides goes on deciding. Sidecars ask less and less often, up to ten \
        intervals (at most 5 minutes); a change is published as the server comes back. `interval` 30 s, 10,000 requests \
        a second.\n\n| down for | busiest second after | p50 s | p99 s | last s |\n|---|---|---|---|---|\n"
        .to_owned();
    for minutes in [1, 10, 60] {
        let (from, to) = (120, 120 + minutes * 60);
        let mut server = Server::new(10_000, LINE).with(sizes).down(from * SECOND, to * SECOND);
        let change = Change { at: to * SECOND, sidecars: SIDECARS };
        let outcome = fleet(30).run(&mut server, Some(change), (to + 900) * SECOND, SEED);
        let [p50, p99, last] = quantiles(&outcome.converged, SIDECARS);
        let busiest = whole(float(most(window(server.arrivals(), to, to + 900))));
        let _ = writeln!(text, "| {minutes} min | {busiest} | {p50} | {p99} | {last} |");
    }
    text
}

fn classic(sizes: Sizes) -> String {
    let mut text = "\n### The classic way: one bundle for all\nOne service changes. Every sidecar fetches the bundle of the \
        whole mesh, polled every 60 to 120 s (here 90 s, give or take a tenth), with a minute for each request.\n\n\
        | way | line | out in all | p50 s | p99 s | last s | requests that failed |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    let at = 300;
    for gigabits in [1, 10] {
        let mut server = Server::new(10_000, gigabits * LINE).with(sizes);
        let change = Change { at: at * SECOND, sidecars: SIDECARS };
        let fleet = Fleet { interval: CLASSIC_INTERVAL, timeout: 60 * SECOND, classic: true, ..fleet(90) };
        let end = at + 14_400;
        let outcome = fleet.run(&mut server, Some(change), end * SECOND, SEED);
        let [p50, p99, last] = quantiles(&outcome.converged, SIDECARS);
        let until = outcome.converged.iter().max().map_or(end, |last| at + last / SECOND + 1);
        let out: u64 = window(server.sent(), at, until).iter().sum();
        let _ = writeln!(
            text,
            "| one bundle | {gigabits} Gbit/s | {:.1} GB | {p50} | {p99} | {last} | {} |",
            float(out) / 1e9,
            thousands(usize::try_from(outcome.failed).unwrap_or(0)),
        );
    }
    let (outcome, _) = changed_by(OF_ONE, 30, at, sizes);
    let [p50, p99, last] = quantiles(&outcome.converged, OF_ONE * runs_of(OF_ONE));
    let out = float(sizes.slice + sizes.pointer + 2 * sizes.head) * float(u64::try_from(OF_ONE).unwrap_or(0));
    let _ = writeln!(
        text,
        "| pointer and slice, every 30 s | 1 Gbit/s | {:.0} KB | {p50} | {p99} | {last} | {} |",
        out / 1e3,
        outcome.failed
    );
    text
}

/// The median, the 99th of a hundred and the last, in seconds; of `expected` that there are to be. One that is not
/// there is later than all.
fn quantiles(times: &[i64], expected: usize) -> [String; 3] {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |rank: usize| {
        let found = sorted.get(rank.min(expected.saturating_sub(1)));
        #[expect(clippy::cast_precision_loss, reason = "hours")]
        let seconds = found.map(|ns| *ns as f64 / 1e9);
        seconds.map_or_else(|| "not in this time".to_owned(), |s| format!("{s:.1}"))
    };
    [at(expected / 2), at(expected * 99 / 100), at(expected)]
}

fn window(counts: &[u64], from: i64, to: i64) -> &[u64] {
    let at = |second: i64| usize::try_from(second).unwrap_or(0).min(counts.len());
    &counts[at(from)..at(to)]
}

fn most(counts: &[u64]) -> u64 {
    counts.iter().max().copied().unwrap_or(0)
}

fn mean(counts: &[u64]) -> f64 {
    float(counts.iter().sum()) / float(u64::try_from(counts.len()).unwrap_or(1))
}

fn float(number: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let float = number as f64;
    float
}

fn whole(number: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
    let rounded = number.round() as usize;
    thousands(rounded)
}
