//! The run: one attack after the other, good requests between them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Random;
use super::attack::{Attack, Ending, attack, caller};
use super::stage::{Caller, KINDS, Stage};
use crate::client::Connection;
use crate::frames::{End, RawConnection};
use crate::table::Table;
use crate::wire::Wire;

/// Attacks between two rounds of good requests.
const BETWEEN: u64 = 50;
/// How long an answer is waited for that is due.
const ANSWER: Duration = Duration::from_millis(300);
/// How long it is waited for where there may be none.
const PERHAPS: Duration = Duration::from_millis(20);
/// How long where none is due.
const GLANCE: Duration = Duration::from_millis(2);
/// Attacks on one connection.
const MOST_USES: u32 = 100;

/// What came of a run.
pub struct Report {
    /// Attacks.
    pub attacks: u64,
    /// Good requests, all of which were answered as they must be.
    pub good: u64,
    /// Requests that got to the upstream, all of which had a right to.
    pub reached: u64,
    /// Memory of the proxy, in KiB: at the start (after the first good requests), in the middle, at the end.
    pub resident_kib: [u64; 3],
    /// How long it took.
    pub took: Duration,
    outcomes: BTreeMap<(&'static str, &'static str), BTreeMap<String, u64>>,
}

/// Connections that may be used again.
#[derive(Default)]
struct Kept {
    http1: BTreeMap<(&'static str, Caller), (Connection, u32)>,
    http2: BTreeMap<(&'static str, Caller), (RawConnection, u32)>,
}

/// Runs so many attacks.
///
/// # Errors
/// A good request is answered wrongly, a VM is not what it was, something got through; the message says among which
/// attacks.
pub fn run(
    stage: &mut Stage,
    seed: u64,
    attacks: u64,
    mut progress: impl FnMut(u64),
) -> Result<Report, String> {
    let begun = Instant::now();
    stage.check()?;
    stage.check()?;
    let resident = |stage: &Stage| stage.envoy().resident_kib();
    let at_start = resident(stage)?;
    let mut middle = at_start;
    let mut kept = Kept::default();
    let mut outcomes: BTreeMap<_, BTreeMap<String, u64>> = BTreeMap::new();
    for number in 0..attacks {
        let mut random = Random::new(seed, number);
        let (what, is_http2, outcome) = one(stage, &mut kept, &mut random);
        let protocol = if is_http2 { "HTTP/2" } else { "HTTP/1.1" };
        *outcomes.entry((protocol, what)).or_default().entry(outcome).or_default() += 1;
        if number % BETWEEN == BETWEEN - 1 || number == attacks - 1 {
            let among =
                |e: String| format!("attacks {} to {number} of seed {seed}: {e}", number / BETWEEN * BETWEEN);
            stage.check().map_err(among)?;
            stage.verdict().map_err(among)?;
        }
        if number == attacks / 2 {
            middle = resident(stage)?;
        }
        if (number + 1) % 10_000 == 0 {
            progress(number + 1);
        }
    }
    drop(kept);
    // What was broken off has been dealt with by the time that these are answered.
    stage.check()?;
    stage.verdict()?;
    Ok(Report {
        attacks,
        good: stage.asked(),
        reached: stage.judge().reached(),
        resident_kib: [at_start, middle, resident(stage)?],
        took: begun.elapsed(),
        outcomes,
    })
}

fn one(stage: &Stage, kept: &mut Kept, random: &mut Random) -> (&'static str, bool, String) {
    let kind = random.pick(&KINDS);
    let caller = caller(random);
    if random.one_in(2) {
        over_http2(stage, kept, random, kind, caller)
    } else {
        over_http1(stage, kept, random, kind, caller)
    }
}

fn over_http1(
    stage: &Stage,
    kept: &mut Kept,
    random: &mut Random,
    kind: &'static str,
    caller: Caller,
) -> (&'static str, bool, String) {
    let attack = attack(random, kind, false, 0);
    let open = match kept.http1.remove(&(kind, caller)) {
        Some((connection, uses)) if attack.end == Ending::Keep && uses < MOST_USES => Ok((connection, uses)),
        _ => Wire::open(stage.address(kind), stage.identity(caller), None).map(|wire| {
            wire.set_write_timeout(ANSWER);
            (Connection::over(wire), 0)
        }),
    };
    let Ok((mut connection, uses)) = open else { return (attack.what, false, "no connection".to_owned()) };
    for write in &attack.writes {
        // Refused requests are answered before all of them is there, and the connection is closed.
        if connection.write(write).is_err() {
            break;
        }
    }
    let outcome = match attack.end {
        Ending::Keep | Ending::Answer => {
            connection.wire().set_read_timeout(patience(attack.end));
            let answer = connection.receive(false);
            let outcome = outcome(&answer);
            let lives = answer.is_ok_and(|answer| !answer.closes());
            if lives && attack.end == Ending::Keep {
                kept.http1.insert((kind, caller), (connection, uses + 1));
            }
            outcome
        }
        end => finish(connection.into_wire(), end),
    };
    (attack.what, false, outcome)
}

fn patience(end: Ending) -> Duration {
    if end == Ending::Keep { ANSWER } else { PERHAPS }
}

fn outcome(answer: &Result<crate::client::Response, String>) -> String {
    match answer {
        Ok(response) => response.status.to_string(),
        Err(e) if e.contains("closed") || e.contains("reset") => "closed".to_owned(),
        Err(_) => "no answer".to_owned(),
    }
}

fn finish(mut wire: Wire, end: Ending) -> String {
    match end {
        Ending::Reset => {
            wire.reset();
            "reset by us".to_owned()
        }
        Ending::HalfClose => {
            wire.half_close();
            wire.set_read_timeout(GLANCE);
            let mut buffer = [0; 4096];
            let _ = wire.read(&mut buffer);
            "half-closed by us".to_owned()
        }
        Ending::Close | Ending::Keep | Ending::Answer => "closed by us".to_owned(),
    }
}

fn over_http2(
    stage: &Stage,
    kept: &mut Kept,
    random: &mut Random,
    kind: &'static str,
    caller: Caller,
) -> (&'static str, bool, String) {
    let found = kept.http2.remove(&(kind, caller)).filter(|(_, stream)| *stream < 2 * MOST_USES);
    let open = match found {
        Some(open) => Ok(open),
        None => RawConnection::open(stage.address(kind), stage.identity(caller)).map(|raw| (raw, 1)),
    };
    let (mut raw, stream) = match open {
        Ok(open) => open,
        Err(_) => return ("a handshake", true, "no connection".to_owned()),
    };
    raw.wire().set_write_timeout(ANSWER);
    let Attack { what, writes, end, streams, .. } = attack(random, kind, true, stream);
    for write in &writes {
        if raw.write(write).is_err() {
            break;
        }
    }
    let outcome = match end {
        Ending::Keep | Ending::Answer => {
            let got = raw.end_of(stream, patience(end));
            if matches!(got, End::Status(_) | End::Reset(_)) && end == Ending::Keep {
                kept.http2.insert((kind, caller), (raw, stream + 2 * streams));
            }
            match got {
                End::Status(status) => status.to_string(),
                End::Reset(_) => "stream reset".to_owned(),
                End::Gone(_) => "closed".to_owned(),
                End::Nothing => "no answer".to_owned(),
            }
        }
        end => finish(raw.into_wire(), end),
    };
    (what, true, outcome)
}

impl Report {
    /// What became of the attacks, by what they were.
    pub fn table(&self) -> String {
        let mut table = Table::new(&["protocol", "attack", "what became of it"]);
        for ((protocol, what), outcomes) in &self.outcomes {
            let text: Vec<String> =
                outcomes.iter().map(|(outcome, count)| format!("{outcome}: {count}")).collect();
            table.row(&[protocol, what, &text.join(", ")]);
        }
        table.text()
    }
}
