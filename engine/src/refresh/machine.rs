//! The machine's state, its ticks, and who holds the lease.

use std::collections::BTreeSet;

use super::adopt::{Active, Wanted};
use super::effect::{Effect, Gauges, Level, plain};
use super::fetch::{Flight, Poll};
use super::judge::Judge;
use super::shared::{Lease, Shared};
use super::timing::{self, SECOND};
use super::trial::Trial;
use super::{About, Refusal};
use crate::config::Location;
use crate::trust::PointerMode;

/// What a machine is configured with. Times are nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What is polled.
    pub location: Location,
    /// From one poll to the next.
    pub interval: i64,
    /// How long one request may take.
    pub timeout: i64,
    /// Most bytes of a bundle.
    pub bundle_bytes: usize,
    /// What every key in the shared data begins with; the same for those that share what they fetch.
    pub prefix: String,
    /// The proxy's node id: whether it takes part in a trial depends on it.
    pub node: String,
    /// Whether a pointer may lower the mode.
    pub allow_lowering: bool,
}

/// Keeps the policy of one configured plugin in one VM current.
#[derive(Debug)]
pub struct Machine<J: Judge> {
    pub(super) settings: Settings,
    pub(super) judge: J,
    /// This machine's number among those that share; 0 until it has one.
    id: u64,
    pub(super) is_leader: bool,
    /// The generation that was looked at last.
    generation: Option<u64>,
    /// What was there was not what the lease said: when to look again.
    look_again: Option<i64>,
    pub(super) poll: Poll,
    pub(super) flight: Option<Flight>,
    pub(super) active: Option<Active>,
    pub(super) wanted: Option<Wanted>,
    pub(super) trial: Option<Trial>,
    /// Digests whose blobs may be in the shared data.
    pub(super) stored: BTreeSet<String>,
    /// Since when others have had what this machine could not use.
    needy_since: Option<i64>,
    lowered: Option<i64>,
    /// The last problem that was logged, and when.
    reported: Option<(&'static str, i64)>,
}

/// Problems of one kind are logged so often, in nanoseconds.
const REPEAT: i64 = 600 * SECOND;

impl<J: Judge> Machine<J> {
    /// A machine that has nothing yet. Makes the lease where there is none: done when the plugin is configured,
    /// which the proxy does on one thread before the others begin, so that all find the same one.
    pub fn new(settings: Settings, judge: J, shared: &mut impl Shared) -> Self {
        let key = format!("{}.lease", settings.prefix);
        if shared.get(&key).is_none() {
            shared.set(&key, &Lease { next_id: 1, ..Lease::default() }.to_bytes(), None);
        }
        Self {
            settings,
            judge,
            id: 0,
            is_leader: false,
            generation: None,
            look_again: None,
            poll: Poll::default(),
            flight: None,
            active: None,
            wanted: None,
            trial: None,
            stored: BTreeSet::new(),
            needy_since: None,
            lowered: None,
            reported: None,
        }
    }

    /// Takes what others have shared already, before the first tick: a VM that is made anew decides by it at once.
    pub fn begin(&mut self, now: i64, shared: &mut impl Shared) -> Vec<Effect<J::Policy>> {
        let mut out = Vec::new();
        let key = self.key("lease");
        let (lease, number) = read_lease(&key, shared);
        if lease.generation != 0 && lease.is_left_behind(now) {
            // Releases may have been taken back since. Nobody is to find it; whoever decides by it says so again.
            shared.set(&key, &Lease { generation: 0, ..lease }.to_bytes(), number);
        } else if lease.generation != 0 {
            self.look(now, shared, &mut out);
        }
        out
    }

    /// Time has passed. `now` is nanoseconds since 1970, `seed` any number that is not always the same.
    pub fn tick(&mut self, now: i64, seed: u64, shared: &mut impl Shared) -> Vec<Effect<J::Policy>> {
        let mut out = Vec::new();
        let lease = self.take_part(now, shared);
        // Before anything was published there is nothing to look at, and nothing wrong with that.
        let is_new = lease.generation != 0 && self.generation != Some(lease.generation);
        if is_new || self.look_again.is_some_and(|at| timing::is_due(now, at, SECOND)) {
            self.generation = Some(lease.generation);
            self.look(now, shared, &mut out);
            // What is there and is not what the lease says may be put right without any other sign.
            self.look_again = (self.mark() != self.generation).then(|| now.saturating_add(SECOND));
        }
        self.note_need(now, lease.generation);
        if self.is_leader {
            if !self.is_waiting() && self.mark().is_some_and(|mark| mark != lease.generation) {
                // Somebody has spoiled the lease, and others would miss what is new.
                self.announce(shared);
            }
            self.ask(now, seed, &mut out);
        }
        self.lower(now, &mut out);
        out
    }

    /// Whether there is a policy that came this way.
    pub fn has_policy(&self) -> bool {
        self.active.is_some()
    }

    /// What is known of the policy that decides; nothing before the first.
    pub fn about(&self) -> Option<About> {
        self.active.as_ref().map(Active::about)
    }

    /// Figures for the proxy's statistics; `None` before the first policy.
    pub fn gauges(&self, now: i64) -> Option<Gauges> {
        let About { order, expires, digest, .. } = self.about()?;
        let now_s = now.div_euclid(SECOND);
        Some(Gauges {
            epoch: order.0,
            serial: order.1,
            expires_in_s: expires.map(|at| u64::try_from(at.saturating_sub(now_s)).unwrap_or(0)),
            last_success_s: self.poll.succeeded_s.and_then(|at| u64::try_from(at).ok()),
            digest_prefix: digest.get(..12).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0),
        })
    }

    pub(super) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.settings.prefix)
    }

    pub(super) fn blob_key(&self, hex: &str) -> String {
        self.key(&format!("blob.{hex}"))
    }

    /// Tells the others that there is something new to look at. Not heeding who holds the lease: what is new is
    /// new, even if it came late.
    pub(super) fn announce(&mut self, shared: &mut impl Shared) {
        let Some(mark) = self.mark() else { return };
        let key = self.key("lease");
        for _ in 0..8 {
            let (lease, number) = read_lease(&key, shared);
            if lease.generation == mark
                || shared.set(&key, &Lease { generation: mark, ..lease }.to_bytes(), number)
            {
                self.generation = Some(mark);
                return;
            }
        }
    }

    /// Renews the lease, takes it where it is free, or takes note of who has it.
    fn take_part(&mut self, now: i64, shared: &mut impl Shared) -> Lease {
        let key = self.key("lease");
        let (mut lease, number) = read_lease(&key, shared);
        let before = lease;
        let length = timing::lease(self.settings.interval);
        if self.id == 0 {
            self.id = lease.next_id.max(1);
            lease.next_id = self.id.wrapping_add(1).max(1);
        }
        let is_mine = lease.holder == self.id;
        let is_held = lease.is_held(now, length);
        let wants = !is_held || (!is_mine && self.is_starved(now, length));
        let renews = is_mine && is_held && lease.until.saturating_sub(now) < length / 3 * 2;
        if wants || renews {
            lease.holder = self.id;
            lease.until = now.saturating_add(length);
        }
        if lease != before && !shared.set(&key, &lease.to_bytes(), number) {
            // Somebody was quicker; the next tick sees who.
            if before.next_id != lease.next_id {
                self.id = 0;
            }
            self.is_leader = is_mine && is_held;
            return before;
        }
        let was_leader = self.is_leader;
        self.is_leader = lease.holder == self.id && self.id != 0;
        if self.is_leader && !was_leader {
            self.needy_since = None;
            self.begin_to_lead(now);
        }
        lease
    }

    /// Others have published, and for two leases this machine could not use it: it asks for itself.
    fn is_starved(&self, now: i64, length: i64) -> bool {
        self.needy_since.is_some_and(|since| now.saturating_sub(since) > length.saturating_mul(2))
    }

    fn note_need(&mut self, now: i64, generation: u64) {
        let lacks = self.active.is_none() || self.is_waiting() || self.is_behind(generation);
        let is_needy = !self.is_leader && generation != 0 && lacks;
        self.needy_since = match self.needy_since {
            Some(since) if is_needy && since <= now => Some(since),
            _ if is_needy => Some(now),
            _ => None,
        };
    }

    /// Begins or ends what the pointer says about the mode.
    fn lower(&mut self, now: i64, out: &mut Vec<Effect<J::Policy>>) {
        let pointer = self.active.as_ref().and_then(|active| active.pointer.as_ref());
        let lowering = pointer
            .and_then(|pointer| pointer.lowering.as_ref())
            .filter(|lowering| self.settings.allow_lowering && lowering.mode == PointerMode::Shadow);
        let until =
            lowering.map(|lowering| lowering.until.saturating_mul(SECOND)).filter(|until| now < *until);
        if until == self.lowered {
            return;
        }
        let text = match (until, lowering) {
            (Some(_), Some(lowering)) => format!(
                "break glass: decisions are only counted until {} (seconds since 1970): {}",
                lowering.until,
                plain(&lowering.reason)
            ),
            _ => "break glass: over, decisions are carried out again".to_owned(),
        };
        out.push(Effect::Log(Level::Warn, text));
        out.push(Effect::Lowered(until));
        self.lowered = until;
    }

    /// Counts a refusal or failure, and logs it: once, and again when it has gone on for long.
    pub(super) fn report(
        &mut self,
        now: i64,
        refusal: &Refusal,
        is_candidate: bool,
        out: &mut Vec<Effect<J::Policy>>,
    ) {
        let Refusal { code, message } = refusal;
        out.push(Effect::Refused(code, is_candidate));
        let is_known = self.reported.is_some_and(|(known, at)| {
            known == *code && !timing::is_due(now, at.saturating_add(REPEAT), REPEAT)
        });
        if is_known {
            return;
        }
        self.reported = Some((code, now));
        let (what, prefix) = if is_candidate { ("candidate", "candidate_") } else { ("bundle", "") };
        let stays = match (&self.active, is_candidate) {
            (_, true) => "it is not tried",
            (Some(_), false) => "what decided goes on deciding",
            (None, false) => "there is no fetched policy yet",
        };
        let text = format!("{what} not taken, {stays}: {} [{prefix}{code}]", plain(message));
        out.push(Effect::Log(Level::Warn, text));
    }

    /// The source answers as it should.
    pub(super) fn recovered(&mut self, out: &mut Vec<Effect<J::Policy>>) {
        if let Some((code, _)) = self.reported.take() {
            out.push(Effect::Log(Level::Info, format!("fetching goes as it should again, no more {code}")));
        }
    }
}

fn read_lease(key: &str, shared: &mut impl Shared) -> (Lease, Option<u32>) {
    match shared.get(key) {
        Some((bytes, number)) => (Lease::read(&bytes), Some(number)),
        None => (Lease::default(), None),
    }
}
