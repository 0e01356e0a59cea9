//! Asking the source, and what its answers mean.

use super::effect::{Asked, Body, Count, Effect, Response};
use super::error::{FetchError, Refusal};
use super::judge::Judge;
use super::machine::Machine;
use super::shared::Shared;
use super::timing::{self, SECOND};
use crate::config::Form;
use crate::trust::{Layer, POINTER_BYTES};

/// How much longer than its time-out a request is waited for: should its end never be told.
const GRACE: i64 = 5 * SECOND;
/// The content type by which a server says that it knows long polling (OPA's bundle API).
const LONG_POLL: &[u8] = b"application/vnd.openpolicyagent.bundles";
/// The longest `ETag` that is kept.
const MOST_ETAG: usize = 1024;

/// When the source is polled next, and what is known from before.
#[derive(Debug, Default)]
pub(super) struct Poll {
    /// When; 0 is at once.
    pub(super) next: i64,
    failures: u32,
    /// What the last answer bore; sent as `if-none-match`.
    pub(super) etag: Option<Vec<u8>>,
    /// The last answer was refused, for this reason. What is not modified since is still refused.
    pub(super) refused: Option<Refusal>,
    /// The server holds requests until there is something new.
    is_long: bool,
    /// When it last answered as it should, in seconds since 1970.
    pub(super) succeeded_s: Option<i64>,
}

/// When something that did not come is asked for again.
#[derive(Debug, Default)]
pub(super) struct Retry {
    /// When; 0 is at once.
    pub(super) next: i64,
    failures: u32,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Flight {
    /// The host's name for it, once it has one.
    token: Option<u32>,
    what: What,
    began: i64,
    /// When it is given up.
    until: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// The pointer, or the bundle; whether `if-none-match` was sent.
    Poll(bool),
    /// The blob of what is wanted.
    Blob(Layer),
    /// The candidate's blob.
    Trial(Layer),
}

impl Retry {
    fn fail(&mut self, now: i64, interval: i64, has_bundle: bool, seed: u64) {
        self.failures = self.failures.saturating_add(1);
        self.next = now.saturating_add(timing::pause_after(self.failures, interval, has_bundle, seed));
    }
}

impl<J: Judge> Machine<J> {
    /// Asks for what is due, one thing at a time.
    pub(super) fn ask(&mut self, now: i64, seed: u64, out: &mut Vec<Effect<J::Policy>>) {
        if let Some(flight) = &self.flight {
            let most = flight.until.saturating_sub(flight.began).saturating_mul(2);
            if !timing::is_due(now, flight.until, most) {
                return;
            }
            let what = flight.what.clone();
            self.flight = None;
            self.failed(&what, FetchError::Failed.into(), now, seed, out);
        }
        let most = timing::longest(self.settings.interval).saturating_mul(2);
        let is_due = |at: i64| timing::is_due(now, at, most);
        let Some((what, asked)) = self.due(is_due) else { return };
        let until = now.saturating_add(asked.timeout).saturating_add(GRACE);
        self.flight = Some(Flight { token: None, what, began: now, until });
        out.push(Effect::Fetch(asked));
    }

    fn due(&self, is_due: impl Fn(i64) -> bool) -> Option<(What, Asked)> {
        let wanted = self.wanted.as_ref().filter(|wanted| !wanted.is_spoiled && is_due(wanted.retry.next));
        if let Some((layer, asked)) = wanted.and_then(|wanted| self.blob(wanted.layer()?)) {
            return Some((What::Blob(layer), asked));
        }
        let trial = self.trial.as_ref().filter(|trial| trial.is_missing() && is_due(trial.retry.next));
        // What is to decide comes first.
        if let Some((layer, asked)) =
            trial.filter(|_| self.wanted.is_none()).and_then(|t| self.blob(&t.layer))
        {
            return Some((What::Trial(layer), asked));
        }
        is_due(self.poll.next).then(|| self.poll_request())
    }

    fn blob(&self, layer: &Layer) -> Option<(Layer, Asked)> {
        let Form::Pointer { blobs } = &self.settings.location.form else { return None };
        let asked = Asked {
            path: format!("{blobs}{}", layer.hex()?),
            if_none_match: None,
            prefer: None,
            timeout: self.settings.timeout,
            most: usize::try_from(layer.size).unwrap_or(usize::MAX).min(self.settings.bundle_bytes),
        };
        Some((layer.clone(), asked))
    }

    fn poll_request(&self) -> (What, Asked) {
        let timeout = self.settings.timeout;
        let mut asked = Asked {
            path: self.settings.location.path.clone(),
            if_none_match: self.poll.etag.clone(),
            prefer: None,
            timeout,
            most: POINTER_BYTES,
        };
        if self.settings.location.form == Form::Bundle {
            asked.most = self.settings.bundle_bytes;
            let mut prefer = "modes=snapshot".to_owned();
            // Only something that was answered once can be waited for.
            if self.poll.is_long && asked.if_none_match.is_some() {
                let wait = (timeout / SECOND).max(1);
                prefer.push_str(&format!(";wait={wait}"));
                asked.timeout = timeout.saturating_add(wait.saturating_mul(SECOND));
            }
            asked.prefer = Some(prefer);
        }
        (What::Poll(asked.if_none_match.is_some()), asked)
    }

    /// This machine leads now: it asks at once, and for all there is. The server's answers that it knows, it knows
    /// from a time when it led before.
    pub(super) fn begin_to_lead(&mut self, now: i64) {
        self.poll.next = now;
        self.poll.failures = 0;
        if self.settings.location.form != Form::Bundle {
            self.poll.etag = None;
        }
        if let Some(wanted) = &mut self.wanted {
            wanted.retry = Retry::default();
        }
        if let Some(trial) = &mut self.trial {
            trial.retry = Retry::default();
        }
    }

    /// What became of the request of the last [`Effect::Fetch`]: the host's name for it, or why it was not sent.
    pub fn started(&mut self, sent: Result<u32, FetchError>, now: i64, seed: u64) -> Vec<Effect<J::Policy>> {
        let mut out = Vec::new();
        match (sent, &mut self.flight) {
            (Ok(token), Some(flight)) => flight.token = Some(token),
            (Err(error), Some(flight)) => {
                let what = flight.what.clone();
                self.flight = None;
                self.failed(&what, error.into(), now, seed, &mut out);
            }
            (_, None) => {}
        }
        out
    }

    /// How many bytes of the answer to this request are looked at; `None` if this machine did not ask.
    pub fn awaits(&self, token: u32) -> Option<usize> {
        let flight = self.flight.as_ref().filter(|flight| flight.token == Some(token))?;
        let most = self.settings.bundle_bytes;
        Some(match &flight.what {
            What::Poll(_) if self.settings.location.form == Form::Bundle => most,
            What::Poll(_) => POINTER_BYTES,
            What::Blob(layer) | What::Trial(layer) => {
                usize::try_from(layer.size).unwrap_or(usize::MAX).min(most)
            }
        })
    }

    /// An answer came, or none will.
    pub fn answered(
        &mut self,
        token: u32,
        response: Response,
        now: i64,
        seed: u64,
        shared: &mut impl Shared,
    ) -> Vec<Effect<J::Policy>> {
        let mut out = Vec::new();
        let Some(flight) = self.flight.take_if(|flight| flight.token == Some(token)) else { return out };
        let Flight { what, began, .. } = flight;
        match (&what, response.status) {
            (_, None) => self.failed(&what, FetchError::Failed.into(), now, seed, &mut out),
            (What::Poll(true), Some(304)) => {
                self.plan_poll(&response, began, now, seed);
                self.poll.is_long |= is_long_poll(&response);
                self.not_modified(now, shared, &mut out);
            }
            (What::Poll(_), Some(200)) => {
                self.poll.is_long = is_long_poll(&response);
                self.plan_poll(&response, began, now, seed);
                self.polled(response, now, shared, &mut out);
            }
            (What::Blob(layer), Some(200)) => match checked(layer, response.body) {
                Ok(bytes) => self.blob_came(layer, &bytes, now, shared, &mut out),
                Err(error) => self.failed(&what, error.into(), now, seed, &mut out),
            },
            (What::Trial(layer), Some(200)) => match checked(layer, response.body) {
                Ok(bytes) => self.trial_came(layer, &bytes, now, shared, &mut out),
                Err(error) => self.failed(&what, error.into(), now, seed, &mut out),
            },
            (_, Some(status)) => self.failed(&what, FetchError::Status(status).into(), now, seed, &mut out),
        }
        // A pointer is followed by its blob at once, not with the next tick.
        if self.is_leader {
            self.ask(now, seed, &mut out);
        }
        out
    }

    fn plan_poll(&mut self, response: &Response, began: i64, now: i64, seed: u64) {
        self.poll.failures = 0;
        self.poll.succeeded_s = Some(now.div_euclid(SECOND));
        let is_long = self.settings.location.form == Form::Bundle
            && (is_long_poll(response) || (self.poll.is_long && response.status == Some(304)));
        self.poll.next = if is_long {
            // At once, but never more than once a second: a server might answer at once, too.
            began.saturating_add(SECOND)
        } else {
            now.saturating_add(timing::pause(self.settings.interval, seed))
        };
    }

    fn not_modified(&mut self, now: i64, shared: &mut impl Shared, out: &mut Vec<Effect<J::Policy>>) {
        self.mend(shared);
        match self.poll.refused.clone() {
            Some(refusal) => self.refuse(now, refusal, false, out),
            None => {
                out.push(Effect::Count(Count::NotModified));
                if self.wanted.is_none() {
                    self.recovered(out);
                }
            }
        }
    }

    /// A pointer or a bundle came.
    fn polled(
        &mut self,
        response: Response,
        now: i64,
        shared: &mut impl Shared,
        out: &mut Vec<Effect<J::Policy>>,
    ) {
        let Response { etag, body, .. } = response;
        let etag = etag.filter(|etag| is_etag(etag));
        self.poll.refused = None;
        let taken = match body {
            Body::Bytes(bytes) if self.settings.location.form == Form::Bundle => {
                self.bundle_came(&bytes, etag.as_deref(), shared, out)
            }
            Body::Bytes(bytes) => self.pointer_came(&bytes, now, shared, out),
            Body::TooLarge(got) => Err(self.too_large(got)),
        };
        match taken {
            Ok(()) => {
                self.poll.etag = etag;
                out.push(Effect::Count(Count::Ok));
                if self.wanted.is_none() {
                    self.recovered(out);
                }
            }
            Err(refusal) => {
                // By the server's clock it may not have ended, and ours may be put right: looked at anew each time.
                self.poll.etag = etag.filter(|_| refusal.code != "pointer_expired");
                self.poll.refused = Some(refusal.clone());
                self.refuse(now, refusal, false, out);
            }
        }
    }

    fn too_large(&self, got: usize) -> Refusal {
        let (code, most) = match self.settings.location.form {
            Form::Bundle => ("bundle_size", self.settings.bundle_bytes),
            Form::Pointer { .. } => ("pointer_size", POINTER_BYTES),
        };
        Refusal { code, message: format!("expected at most {most} bytes, got {got}") }
    }

    /// Counts something that came and is not taken.
    pub(super) fn refuse(
        &mut self,
        now: i64,
        refusal: Refusal,
        is_candidate: bool,
        out: &mut Vec<Effect<J::Policy>>,
    ) {
        out.push(Effect::Count(Count::Refused));
        self.report(now, &refusal, is_candidate, out);
    }

    /// A request came to nothing: it is made again, later and later.
    fn failed(
        &mut self,
        what: &What,
        refusal: Refusal,
        now: i64,
        seed: u64,
        out: &mut Vec<Effect<J::Policy>>,
    ) {
        let has_bundle = self.active.is_some();
        let interval = self.settings.interval;
        match what {
            What::Poll(_) => {
                self.poll.failures = self.poll.failures.saturating_add(1);
                let pause = timing::pause_after(self.poll.failures, interval, has_bundle, seed);
                self.poll.next = now.saturating_add(pause);
            }
            What::Blob(layer) => {
                if let Some(wanted) = self.wanted.as_mut().filter(|wanted| wanted.layer() == Some(layer)) {
                    wanted.retry.fail(now, interval, has_bundle, seed);
                }
            }
            What::Trial(layer) => {
                if let Some(trial) = self.trial.as_mut().filter(|trial| trial.layer == *layer) {
                    trial.retry.fail(now, interval, true, seed);
                }
            }
        }
        let is_bad = matches!(refusal.code, "blob_digest" | "blob_size");
        out.push(Effect::Count(if is_bad { Count::Refused } else { Count::Failed }));
        self.report(now, &refusal, matches!(what, What::Trial(_)), out);
    }
}

/// The bytes, if they are those of the layer: looked at before anything is unpacked.
fn checked(layer: &Layer, body: Body) -> Result<Vec<u8>, FetchError> {
    let got = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    match body {
        Body::Bytes(bytes) if layer.is_of(&bytes) => Ok(bytes),
        Body::Bytes(bytes) if got(bytes.len()) == layer.size => Err(FetchError::BlobDigest),
        Body::Bytes(bytes) => Err(FetchError::BlobSize { expected: layer.size, got: got(bytes.len()) }),
        Body::TooLarge(length) => Err(FetchError::BlobSize { expected: layer.size, got: got(length) }),
    }
}

/// Whether this can be sent back: text of one line, and not too long.
pub(super) fn is_etag(etag: &[u8]) -> bool {
    (1..=MOST_ETAG).contains(&etag.len()) && etag.iter().all(|byte| (0x20..0x7f).contains(byte))
}

fn is_long_poll(response: &Response) -> bool {
    response.content_type.as_deref() == Some(LONG_POLL)
}
