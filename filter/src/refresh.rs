//! Carries out what the engine's [`Machine`] says: requests, shared data, log, metrics, and the swap itself.

use std::rc::Rc;

use sidegate_engine::config::{HttpSource, Location};
use sidegate_engine::policy::Policies;
use sidegate_engine::refresh::{
    Asked, Body, Effect, FetchError, Level as Weight, Machine, Opener, Response, Settings, Shared, prefix,
};
use sidegate_engine::trust::PointerMode;

use crate::attributes;
use crate::candidate;
use crate::contexts;
use crate::host::{self, Level, Map, Status};
use crate::loaded::Loaded;
use crate::metrics;
use crate::policy::Gates;
use crate::request;

/// Milliseconds between two ticks: what a change takes from the worker that fetched it to the others, as a part of
/// the interval and within these bounds. A tick costs some microseconds of every worker.
const TICKS_PER_INTERVAL: i64 = 20;
const TICK_MS: std::ops::RangeInclusive<i64> = 50..=250;

/// Nanoseconds of a millisecond, and of a second.
const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;

/// Keeps the policy of one root context current.
pub(crate) struct Refresh {
    machine: Machine<Opener>,
    cluster: String,
    authority: String,
    /// Nanoseconds from one poll to the next.
    interval: i64,
    /// What decides now, as the root context has it.
    loaded: Loaded,
    /// When the figures were written last.
    recorded: i64,
}

/// The host's shared data.
pub(crate) struct HostData;

impl Shared for HostData {
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, u32)> {
        host::shared_data(key).ok().flatten()
    }

    fn set(&mut self, key: &str, value: &[u8], unchanged: Option<u32>) -> bool {
        host::set_shared_data(key, value, unchanged.unwrap_or(0)).is_ok()
    }
}

impl Refresh {
    /// For a configuration that fetches. `loaded` is what decides until something was fetched.
    pub(crate) fn new(
        http: HttpSource,
        location: Location,
        opener: Opener,
        allow_lowering: bool,
        loaded: Loaded,
    ) -> Self {
        let prefix = prefix(&[&format!("{http:?} {location:?} {opener:?}")]);
        let HttpSource { cluster, authority, path: _, interval, timeout, first_wait: _ } = http;
        let settings = Settings {
            location,
            interval,
            timeout,
            bundle_bytes: opener.limits.bundle_bytes,
            prefix,
            node: attributes::node_id(),
            allow_lowering,
        };
        let machine = Machine::new(settings, opener, &mut HostData);
        Self { machine, cluster, authority, interval, loaded, recorded: 0 }
    }

    /// Milliseconds between two ticks.
    pub(crate) fn tick_ms(&self) -> u32 {
        let part = self.interval / MS / TICKS_PER_INTERVAL;
        u32::try_from(part.clamp(*TICK_MS.start(), *TICK_MS.end())).unwrap_or(u32::MAX)
    }

    /// Takes what other workers have, if anything; gives what decides then.
    pub(crate) fn begin(&mut self) -> Loaded {
        if let Ok(now) = host::current_time_ns() {
            let effects = self.machine.begin(now, &mut HostData);
            self.apply(effects, now);
        }
        self.loaded.clone()
    }

    fn carry_out(&mut self, root: u32, effects: Vec<Effect<Policies>>, now: i64) {
        if self.apply(effects, now) {
            contexts::swap(root, Rc::new(self.loaded.clone()));
            self.recorded = 0;
        }
    }

    /// Whether something else decides now.
    fn apply(&mut self, effects: Vec<Effect<Policies>>, now: i64) -> bool {
        let mut is_changed = false;
        for effect in effects {
            match effect {
                Effect::Fetch(asked) => {
                    let sent = self.send(&asked);
                    // That a request was sent, or not, has no further requests for its consequence.
                    let more = self.machine.started(sent, now, seed(now));
                    self.tell(more);
                }
                Effect::Stable(policies, _) => {
                    self.loaded.gate = Some(Rc::new(self.gate(policies)));
                    is_changed = true;
                }
                Effect::Candidate(policies, mode) => {
                    self.loaded.candidate = Some((Rc::new(self.gate(policies)), mode));
                    is_changed = true;
                }
                Effect::CandidateMode(mode) => {
                    if let Some((_, current)) = &mut self.loaded.candidate {
                        *current = mode;
                    }
                    is_changed = true;
                }
                Effect::NoCandidate => {
                    self.loaded.candidate = None;
                    is_changed = true;
                }
                Effect::Lowered(until) => {
                    self.loaded.lowered = until;
                    metrics::record_gauge("lowered", Some(u64::from(until.is_some())));
                    metrics::record_mode(self.loaded.mode());
                    is_changed = true;
                }
                other => self.tell(vec![other]),
            }
        }
        if is_changed {
            let is_enforced = matches!(self.loaded.candidate, Some((_, PointerMode::Enforce)));
            metrics::record_gauge(
                "candidate",
                Some(match (&self.loaded.candidate, is_enforced) {
                    (None, _) => 0,
                    (Some(_), false) => 1,
                    (Some(_), true) => 2,
                }),
            );
        }
        is_changed
    }

    /// Counts and logs.
    fn tell(&self, effects: Vec<Effect<Policies>>) {
        for effect in effects {
            match effect {
                Effect::Count(count) => metrics::count_named("fetch.", count.name()),
                Effect::Refused(code, false) => metrics::count_named("refused.", code),
                Effect::Refused(code, true) => metrics::count_named("refused.candidate_", code),
                Effect::Log(Weight::Info, text) => host::log(Level::Info, &format!("sidegate: {text}")),
                Effect::Log(Weight::Warn, text) => host::log(Level::Warn, &format!("sidegate: {text}")),
                _ => {}
            }
        }
    }

    fn gate(&self, policies: Policies) -> Gates {
        Gates::new(policies, &self.loaded.fixed)
    }

    fn send(&self, asked: &Asked) -> Result<u32, FetchError> {
        let Asked { path, if_none_match, prefer, timeout, most: _ } = asked;
        let mut headers: Vec<(String, String)> = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", self.authority.as_str()),
            (":path", path),
            ("user-agent", concat!("sidegate/", env!("CARGO_PKG_VERSION"))),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        // An `ETag` that is not text cannot be sent back; the answer is then whole again.
        if let Some(etag) = if_none_match.as_ref().and_then(|etag| String::from_utf8(etag.clone()).ok()) {
            headers.push(("if-none-match".to_owned(), etag));
        }
        if let Some(prefer) = prefer {
            headers.push(("prefer".to_owned(), prefer.clone()));
        }
        let timeout = u32::try_from(timeout / MS).unwrap_or(u32::MAX);
        host::http_call(&self.cluster, &headers, b"", timeout).map_err(|status| match status {
            // Our own headers are complete, so it is the cluster that the host does not like.
            Status::BadArgument => FetchError::Cluster,
            _ => FetchError::Failed,
        })
    }

    /// Writes the figures, once a second.
    fn record(&mut self, now: i64) {
        let since = now.saturating_sub(self.recorded);
        if (0..SECOND).contains(&since) {
            return;
        }
        self.recorded = now;
        candidate::permit_sample();
        if let Some(gauges) = self.machine.gauges(now) {
            metrics::record(&gauges);
        }
    }
}

/// A root context is ticked.
pub(crate) fn on_tick(root: u32) {
    let Ok(now) = host::current_time_ns() else { return };
    let Some(mut refresh) = contexts::take_refresh(root) else { return };
    let effects = refresh.machine.tick(now, seed(now), &mut HostData);
    refresh.carry_out(root, effects, now);
    refresh.record(now);
    contexts::put_refresh(root, refresh);
    release(root, now);
}

/// A request of ours has been answered, or will not be: then there are no headers.
pub(crate) fn on_call_response(root: u32, token: u32, headers: u32, body_size: usize) {
    let Some(mut refresh) = contexts::take_refresh(root) else { return };
    if let (Some(most), Ok(now)) = (refresh.machine.awaits(token), host::current_time_ns()) {
        let response = if headers == 0 { None } else { response(body_size, most) };
        let response = response.unwrap_or_else(Response::none);
        let effects = refresh.machine.answered(token, response, now, seed(now), &mut HostData);
        refresh.carry_out(root, effects, now);
        contexts::put_refresh(root, refresh);
        release(root, now);
    } else {
        contexts::put_refresh(root, refresh);
    }
}

/// The response that the callback under way is about; `None` where it cannot be read.
fn response(body_size: usize, most: usize) -> Option<Response> {
    let headers = host::header_map(Map::CallResponse).ok()?;
    let header = |wanted: &[u8]| headers.first(wanted).map(<[u8]>::to_vec);
    let status = header(b":status").and_then(|status| std::str::from_utf8(&status).ok()?.parse().ok())?;
    let body = if body_size > most {
        Body::TooLarge(body_size)
    } else {
        Body::Bytes(host::call_response_body(body_size).ok()?)
    };
    if matches!(&body, Body::Bytes(bytes) if is_own_answer(status, bytes)) {
        return None;
    }
    Some(Response {
        status: Some(status),
        etag: header(b"etag"),
        content_type: header(b"content-type"),
        body,
    })
}

/// Whether the proxy made this answer itself, because it got none: it gives no other sign of it.
fn is_own_answer(status: u16, body: &[u8]) -> bool {
    let begins = |text: &str| body.starts_with(text.as_bytes());
    match status {
        503 => begins("upstream connect error") || begins("no healthy upstream"),
        504 => begins("upstream request timeout"),
        _ => false,
    }
}

/// Lets those that were held go on: all, if there is a policy now; else those whose time is over.
fn release(root: u32, now: i64) {
    let loaded = contexts::loaded_of_root(root);
    let first_wait = loaded.as_ref().map_or(0, |loaded| loaded.fixed.first_wait);
    let loaded = loaded.filter(|loaded| loaded.gate.is_some());
    let streams = match &loaded {
        Some(_) => contexts::take_held(root, |_| true),
        // Nobody waits for longer than that: then the clock has been put back.
        None => contexts::take_held(root, |until| now >= until || until.saturating_sub(now) > first_wait),
    };
    if streams.is_empty() {
        return;
    }
    for stream in streams {
        // One that is gone is not turned to, and the calls would be about another.
        if host::turn_to(stream).is_ok() {
            request::release(stream, loaded.as_ref());
        }
    }
    let _ = host::turn_to(root);
}

/// A number that differs from call to call and from proxy to proxy: for jitter, not for secrets.
pub(crate) fn seed(now: i64) -> u64 {
    let mut mixed = now.cast_unsigned().wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
