//! Taking what was fetched, or what another VM fetched.

use super::effect::{About, Count, Effect, Level, plain};
use super::error::{FetchError, Refusal};
use super::fetch::{Retry, is_etag};
use super::judge::Judge;
use super::machine::Machine;
use super::shared::{Shared, Stored};
use super::timing::SECOND;
use super::trial::Trial;
use crate::config::Form;
use crate::crypto::{Hash, hex};
use crate::trust::{Layer, Pointer};

/// Most blobs that are remembered to be in the shared data.
const MOST_STORED: usize = 16;

/// What decides.
#[derive(Debug)]
pub(super) struct Active {
    /// The pointer that names it, and its bytes for the others; none where bundles are fetched.
    pub(super) pointer: Option<Pointer>,
    raw: Vec<u8>,
    /// SHA-256 of the blob or bundle, in hex.
    pub(super) digest: String,
}

/// What is to decide, and is not there yet.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) pointer: Pointer,
    /// The pointer as it came, for the others.
    raw: Vec<u8>,
    pub(super) retry: Retry,
    /// Its blob is there and of no use: nothing to ask for.
    pub(super) is_spoiled: bool,
}

impl Active {
    pub(super) fn about(&self) -> About {
        let Self { pointer, raw: _, digest } = self;
        let digest = digest.clone();
        match pointer {
            None => About { digest, ..About::default() },
            Some(pointer) => About {
                revision: plain(&pointer.revision),
                order: pointer.order(),
                expires: Some(pointer.expires),
                digest,
            },
        }
    }
}

impl Wanted {
    pub(super) fn layer(&self) -> Option<&Layer> {
        self.pointer.stable.layers.last()
    }
}

impl<J: Judge> Machine<J> {
    /// Looks at what others have shared. Whatever it is, it is verified as if it had come from the source; only the
    /// time is left out, since the others decide by it already.
    pub(super) fn look(&mut self, now: i64, shared: &mut impl Shared, out: &mut Vec<Effect<J::Policy>>) {
        let is_bundle = self.settings.location.form == Form::Bundle;
        let key = self.key(if is_bundle { "bundle" } else { "pointer" });
        let Some((bytes, _)) = shared.get(&key).filter(|(bytes, _)| !bytes.is_empty()) else { return };
        let taken = if is_bundle {
            self.stored_bundle(&bytes, out)
        } else {
            self.stored_pointer(&bytes, now, shared, out)
        };
        if let Err(refusal) = taken {
            self.report(now, &refusal, false, out);
        }
        self.seek_trial(now, shared, out);
    }

    fn stored_pointer(
        &mut self,
        bytes: &[u8],
        now: i64,
        shared: &mut impl Shared,
        out: &mut Vec<Effect<J::Policy>>,
    ) -> Result<(), Refusal> {
        let pointer = self.judge.pointer(bytes)?;
        let wanted = self.wanted.as_ref().map(|wanted| wanted.pointer.order());
        pointer.check_order(self.floor().max(wanted), self.judge.min_serial())?;
        if self.active.as_ref().and_then(|active| active.pointer.as_ref()) != Some(&pointer) {
            // What was asked for last need not be this one: the next answer is to say what there is.
            self.poll.etag = None;
        }
        self.adopt(pointer, bytes, now, shared, out).map(|_| ())
    }

    /// Epoch and serial of what decides: nothing lower is taken.
    fn floor(&self) -> Option<(u64, u64)> {
        self.active.as_ref()?.pointer.as_ref().map(Pointer::order)
    }

    /// A pointer came from the source.
    pub(super) fn pointer_came(
        &mut self,
        bytes: &[u8],
        now: i64,
        shared: &mut impl Shared,
        out: &mut Vec<Effect<J::Policy>>,
    ) -> Result<(), Refusal> {
        let pointer = self.judge.pointer(bytes)?;
        pointer.check(now.div_euclid(SECOND), self.floor(), self.judge.min_serial())?;
        if self.adopt(pointer, bytes, now, shared, out)? {
            self.share(shared);
        }
        self.seek_trial(now, shared, out);
        Ok(())
    }

    /// Takes a pointer that was verified. Its blob, where it is not the one that decides, comes from the shared data
    /// or has to be asked for. Whether the pointer holds now.
    fn adopt(
        &mut self,
        pointer: Pointer,
        raw: &[u8],
        now: i64,
        shared: &mut impl Shared,
        out: &mut Vec<Effect<J::Policy>>,
    ) -> Result<bool, Refusal> {
        let layer = only_layer(&pointer.stable.layers)?.clone();
        self.check_size(&layer)?;
        let digest = layer.hex().unwrap_or_default();
        if let Some(active) = &self.active {
            let known = active.pointer.as_ref();
            if known == Some(&pointer) {
                self.wanted = None;
                return Ok(true);
            }
            if known.is_some_and(|known| known.order() == pointer.order()) {
                let message = "expected a higher serial for a pointer that says something else, got the same";
                return Err(Refusal { code: "pointer_replay", message: message.to_owned() });
            }
            if active.digest == digest {
                self.wanted = None;
                let active = Active { pointer: Some(pointer), raw: raw.to_vec(), digest: digest.to_owned() };
                out.push(Effect::About(active.about()));
                self.active = Some(active);
                self.aim_trial(now, out);
                return Ok(true);
            }
        }
        if self.wanted.as_ref().is_none_or(|wanted| wanted.pointer != pointer) {
            let retry = Retry::default();
            self.wanted = Some(Wanted { pointer, raw: raw.to_vec(), retry, is_spoiled: false });
        }
        match shared.get(&self.blob_key(digest)).filter(|(bytes, _)| !bytes.is_empty()) {
            None => Ok(false),
            Some((bytes, _)) if layer.is_of(&bytes) => {
                self.remember(digest);
                self.take_blob(&bytes, now, out)
            }
            // It has to be asked for; that somebody spoils what is shared is worth a line.
            Some(_) => {
                self.report(now, &FetchError::BlobDigest.into(), false, out);
                Ok(false)
            }
        }
    }

    /// The blob that is wanted came from the source.
    pub(super) fn blob_came(
        &mut self,
        layer: &Layer,
        bytes: &[u8],
        now: i64,
        shared: &mut impl Shared,
        out: &mut Vec<Effect<J::Policy>>,
    ) {
        // A newer pointer may have come in between, from another VM.
        if self.wanted.as_ref().and_then(Wanted::layer) != Some(layer) {
            return;
        }
        match self.take_blob(bytes, now, out) {
            Ok(false) => {}
            Ok(true) => {
                out.push(Effect::Count(Count::Ok));
                self.recovered(out);
                self.store(layer, bytes, shared);
                self.share(shared);
                self.seek_trial(now, shared, out);
            }
            Err(refusal) => self.refuse(now, refusal, false, out),
        }
    }

    /// Opens the blob that is wanted. Whether it decides now.
    fn take_blob(
        &mut self,
        bytes: &[u8],
        now: i64,
        out: &mut Vec<Effect<J::Policy>>,
    ) -> Result<bool, Refusal> {
        let Some(mut wanted) = self.wanted.take_if(|wanted| !wanted.is_spoiled) else { return Ok(false) };
        let Some(layer) = wanted.layer() else { return Ok(false) };
        match self.judge.blob(bytes, layer) {
            Ok(policy) => {
                let digest = layer.hex().unwrap_or_default().to_owned();
                let Wanted { pointer, raw, .. } = wanted;
                self.decide_by(policy, Active { pointer: Some(pointer), raw, digest }, out);
                self.aim_trial(now, out);
                Ok(true)
            }
            Err(refusal) => {
                wanted.is_spoiled = true;
                self.wanted = Some(wanted);
                // What the source says next, "not modified", is then no better.
                self.poll.refused = Some(refusal.clone());
                Err(refusal)
            }
        }
    }

    fn decide_by(&mut self, policy: J::Policy, active: Active, out: &mut Vec<Effect<J::Policy>>) {
        let about = active.about();
        out.push(Effect::Log(Level::Info, describe(&about)));
        out.push(Effect::Stable(policy, about));
        self.active = Some(active);
    }

    /// A bundle came from the source.
    pub(super) fn bundle_came(
        &mut self,
        bytes: &[u8],
        etag: Option<&[u8]>,
        shared: &mut impl Shared,
        out: &mut Vec<Effect<J::Policy>>,
    ) -> Result<(), Refusal> {
        self.take_bundle(bytes, out)?;
        let stored = Stored { etag: etag.unwrap_or_default(), bytes }.to_bytes();
        let key = self.key("bundle");
        if shared.get(&key).is_none_or(|(bytes, _)| bytes != stored) {
            shared.set(&key, &stored, None);
        }
        self.announce(shared);
        Ok(())
    }

    fn stored_bundle(&mut self, bytes: &[u8], out: &mut Vec<Effect<J::Policy>>) -> Result<(), Refusal> {
        let Some(Stored { etag, bytes }) = Stored::read(bytes) else {
            let message = "expected a bundle in the shared data, got something else".to_owned();
            return Err(Refusal { code: "bundle_shared", message });
        };
        self.take_bundle(bytes, out)?;
        // Not while leading: what was asked last need not be this one.
        if !self.is_leader {
            self.poll.etag = is_etag(etag).then(|| etag.to_vec());
            self.poll.refused = None;
        }
        Ok(())
    }

    fn take_bundle(&mut self, bytes: &[u8], out: &mut Vec<Effect<J::Policy>>) -> Result<(), Refusal> {
        let digest = hex(&Hash::Sha256.digest(bytes));
        if self.active.as_ref().is_some_and(|active| active.digest == digest) {
            return Ok(());
        }
        let policy = self.judge.bundle(bytes)?;
        self.decide_by(policy, Active { pointer: None, raw: Vec::new(), digest }, out);
        Ok(())
    }

    /// The source has nothing new: what is shared has to be what decides. Others may have spoiled it.
    pub(super) fn mend(&mut self, shared: &mut impl Shared) {
        let Some(active) = self.active.as_ref().filter(|_| !self.is_waiting()) else { return };
        if self.settings.location.form != Form::Bundle {
            return self.share(shared);
        }
        let found = shared.get(&self.key("bundle"));
        let bytes = found.as_ref().and_then(|(bytes, _)| Stored::read(bytes)).map(|stored| stored.bytes);
        if bytes.is_none_or(|bytes| hex(&Hash::Sha256.digest(bytes)) != active.digest) {
            // The bytes are not kept here: asked for once more.
            self.poll.etag = None;
        }
    }

    /// Whether something newer than what decides is under way: others may have it already.
    pub(super) fn is_waiting(&self) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| !wanted.is_spoiled)
    }

    /// What stands in the lease when what decides here is shared.
    pub(super) fn mark(&self) -> Option<u64> {
        self.mark_with(self.trial.as_ref().filter(|trial| trial.is_loaded()))
    }

    /// Whether others try a candidate that is missing here.
    pub(super) fn is_behind(&self, generation: u64) -> bool {
        let missing = self.trial.as_ref().filter(|trial| trial.is_missing());
        missing.is_some() && self.mark_with(missing) == Some(generation)
    }

    fn mark_with(&self, trial: Option<&Trial>) -> Option<u64> {
        let Active { raw, digest, .. } = self.active.as_ref()?;
        let tried = trial.and_then(|trial| trial.layer.hex()).unwrap_or_default();
        let digest = Hash::Sha256.digest(&[raw, digest.as_bytes(), tried.as_bytes()].concat());
        let first = digest.first_chunk::<8>().map_or(1, |bytes| u64::from_le_bytes(*bytes));
        Some(first.max(1))
    }

    /// Puts a blob where the others find it.
    pub(super) fn store(&mut self, layer: &Layer, bytes: &[u8], shared: &mut impl Shared) {
        if let Some(digest) = layer.hex() {
            shared.set(&self.blob_key(digest), bytes, None);
            self.remember(digest);
        }
    }

    pub(super) fn remember(&mut self, digest: &str) {
        if self.stored.len() < MOST_STORED {
            self.stored.insert(digest.to_owned());
        }
    }

    /// Puts the pointer that holds where the others find it, and takes away blobs that nobody needs now.
    fn share(&mut self, shared: &mut impl Shared) {
        let Some(active) = &self.active else { return };
        let key = self.key("pointer");
        if shared.get(&key).is_none_or(|(bytes, _)| bytes != active.raw) {
            shared.set(&key, &active.raw, None);
        }
        self.announce(shared);
        let Some(active) = &self.active else { return };
        let tried = self.trial.as_ref().and_then(|trial| trial.layer.hex());
        let is_needed = |digest: &String| *digest == active.digest || Some(digest.as_str()) == tried;
        let gone: Vec<String> = self.stored.iter().filter(|digest| !is_needed(digest)).cloned().collect();
        for digest in gone {
            // There is no call to remove a key.
            shared.set(&self.blob_key(&digest), b"", None);
            self.stored.remove(&digest);
        }
    }

    pub(super) fn check_size(&self, layer: &Layer) -> Result<(), Refusal> {
        let most = self.settings.bundle_bytes;
        if usize::try_from(layer.size).is_ok_and(|size| size <= most) {
            return Ok(());
        }
        let message = format!("expected a blob of at most {most} bytes, got a pointer to {}", layer.size);
        Err(Refusal { code: "bundle_size", message })
    }
}

/// The layer of a release. Shared layers are for a later version.
pub(super) fn only_layer(layers: &[Layer]) -> Result<&Layer, Refusal> {
    match layers {
        [layer] => Ok(layer),
        _ => Err(Refusal {
            code: "pointer_layers",
            message: format!("expected a release of one layer, got {}", layers.len()),
        }),
    }
}

fn describe(about: &About) -> String {
    let About { revision, order: (epoch, serial), expires, digest } = about;
    let short = digest.get(..12).unwrap_or(digest);
    match expires {
        Some(_) => format!("revision `{revision}` decides: epoch {epoch}, serial {serial}, sha256 {short}"),
        None => format!("a new bundle decides: sha256 {short}"),
    }
}
