//! Candidates: releases that some of the sidecars try.

use super::adopt::only_layer;
use super::effect::{Count, Effect, Level, plain};
use super::error::{FetchError, Refusal};
use super::fetch::Retry;
use super::judge::Judge;
use super::machine::Machine;
use super::shared::Shared;
use crate::crypto::Hash;
use crate::trust::{Candidate, Layer, Pointer, PointerMode};

/// A candidate that this sidecar is to try.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) layer: Layer,
    pub(super) retry: Retry,
    mode: PointerMode,
    revision: String,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Missing,
    Loaded,
    /// Its blob is there and of no use.
    Spoiled,
}

impl Trial {
    pub(super) fn is_missing(&self) -> bool {
        self.state == State::Missing
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.state == State::Loaded
    }
}

/// Whether the sidecar of this node id is among the `percent` of a hundred that try this revision: the first eight
/// bytes (big-endian) of SHA-256 over node id, a NUL and revision, modulo 100, are below it. So the same sidecars
/// stay in when the percentage grows, and other ones try another revision.
pub fn takes_part(node: &str, revision: &str, percent: u8) -> bool {
    let digest = Hash::Sha256.digest(&[node.as_bytes(), b"\0", revision.as_bytes()].concat());
    let first = digest.first_chunk::<8>().map_or(u64::MAX, |bytes| u64::from_be_bytes(*bytes));
    first % 100 < u64::from(percent)
}

impl<J: Judge> Machine<J> {
    /// Turns to the candidate of the pointer that holds now, if it has one and this sidecar takes part.
    pub(super) fn aim_trial(&mut self, now: i64, out: &mut Vec<Effect<J::Policy>>) {
        let pointer = self.active.as_ref().and_then(|active| active.pointer.as_ref());
        let aimed = pointer.and_then(|pointer| aimed_at(pointer, &self.settings.node));
        let aimed = aimed.map(|candidate| {
            let layer = only_layer(&candidate.layers)?;
            self.check_size(layer)?;
            Ok((layer.clone(), candidate.mode, plain(&candidate.revision)))
        });
        let (layer, mode, revision) = match aimed {
            None => return self.end_trial(out),
            Some(Ok(aim)) => aim,
            Some(Err(refusal)) => {
                self.end_trial(out);
                return self.refuse(now, refusal, true, out);
            }
        };
        match &mut self.trial {
            Some(trial) if trial.layer == layer => {
                trial.revision = revision;
                if std::mem::replace(&mut trial.mode, mode) != mode && trial.state == State::Loaded {
                    out.push(Effect::CandidateMode(mode));
                }
            }
            _ => {
                self.end_trial(out);
                let retry = Retry::default();
                self.trial = Some(Trial { layer, retry, mode, revision, state: State::Missing });
            }
        }
    }

    fn end_trial(&mut self, out: &mut Vec<Effect<J::Policy>>) {
        if self.trial.take().is_some_and(|trial| trial.state == State::Loaded) {
            out.push(Effect::NoCandidate);
            out.push(Effect::Log(Level::Info, "no candidate is tried any more".to_owned()));
        }
    }

    /// Takes the candidate's blob from the shared data, if it is missing here and there.
    pub(super) fn seek_trial(
        &mut self,
        now: i64,
        shared: &mut impl Shared,
        out: &mut Vec<Effect<J::Policy>>,
    ) {
        let Some(layer) = self.trial.as_ref().filter(|trial| trial.is_missing()).map(|t| t.layer.clone())
        else {
            return;
        };
        let Some(digest) = layer.hex() else { return };
        let Some((bytes, _)) = shared.get(&self.blob_key(digest)).filter(|(bytes, _)| !bytes.is_empty())
        else {
            return;
        };
        if !layer.is_of(&bytes) {
            return self.report(now, &FetchError::BlobDigest.into(), true, out);
        }
        self.remember(digest);
        if let Err(refusal) = self.take_trial(&bytes, out) {
            self.report(now, &refusal, true, out);
        }
    }

    /// The candidate's blob came from the source.
    pub(super) fn trial_came(
        &mut self,
        layer: &Layer,
        bytes: &[u8],
        now: i64,
        shared: &mut impl Shared,
        out: &mut Vec<Effect<J::Policy>>,
    ) {
        if self.trial.as_ref().is_none_or(|trial| trial.layer != *layer || !trial.is_missing()) {
            return;
        }
        match self.take_trial(bytes, out) {
            Ok(()) => {
                out.push(Effect::Count(Count::Ok));
                self.store(layer, bytes, shared);
                self.announce(shared);
            }
            Err(refusal) => self.refuse(now, refusal, true, out),
        }
    }

    fn take_trial(&mut self, bytes: &[u8], out: &mut Vec<Effect<J::Policy>>) -> Result<(), Refusal> {
        let Some(trial) = &mut self.trial else { return Ok(()) };
        match self.judge.blob(bytes, &trial.layer) {
            Ok(policy) => {
                trial.state = State::Loaded;
                let how = match trial.mode {
                    PointerMode::Enforce => "decides here",
                    PointerMode::Shadow => "is tried in shadow",
                };
                out.push(Effect::Log(Level::Info, format!("candidate `{}` {how}", trial.revision)));
                out.push(Effect::Candidate(policy, trial.mode));
                Ok(())
            }
            Err(refusal) => {
                trial.state = State::Spoiled;
                Err(refusal)
            }
        }
    }
}

/// The candidate, unless it is what decides anyway, or others are to try it.
fn aimed_at<'a>(pointer: &'a Pointer, node: &str) -> Option<&'a Candidate> {
    let candidate = pointer.candidate.as_ref()?;
    let is_other = candidate.layers != pointer.stable.layers;
    (is_other && takes_part(node, &candidate.revision, candidate.percent)).then_some(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn about_as_many_take_part_as_are_to_and_the_same_ones_stay_in() {
        let nodes: Vec<String> =
            (0..2000).map(|n| format!("sidecar~10.0.0.{n}~pod-{n}.shop~local")).collect();
        let part = |percent| nodes.iter().filter(|node| takes_part(node, "r2", percent)).collect::<Vec<_>>();
        assert!((140..=260).contains(&part(10).len()), "{}", part(10).len());
        assert!(part(10).iter().all(|node| part(25).contains(node)));
        assert_eq!(part(100).len(), nodes.len());
        assert_eq!(part(0).len(), 0);
        // Written down: other versions and tools have to agree on it.
        assert!(takes_part("sidecar~127.0.0.1~test", "r2", 100));
        let shares = ["a", "b", "c", "d"].map(|node| (0..=100).find(|p| takes_part(node, "r2", *p)));
        assert_eq!(shares, [Some(74), Some(66), Some(27), Some(34)]);
    }
}
