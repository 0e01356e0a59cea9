//! The contexts of this VM. One VM serves every plugin of its `vm_id`: each configuration is a root
//! context, each request a stream context under one of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use crate::body::Progress;
use crate::configure::Loaded;
use crate::response::Changes;

enum Context {
    Root(Option<Rc<Loaded>>),
    Stream(Stream),
}

struct Stream {
    /// What decides about this stream: that of its root context when the stream began. A new
    /// configuration is for later streams.
    loaded: Option<Rc<Loaded>>,
    /// What is to be done with the response.
    changes: Option<Changes>,
    /// How far the request is, once it has been looked at.
    progress: Progress,
}

type Contexts = HashMap<u32, Context, BuildHasherDefault<IdHasher>>;

thread_local! {
    static CONTEXTS: RefCell<Contexts> = const { RefCell::new(Contexts::with_hasher(BuildHasherDefault::new())) };
}

/// A context begins.
pub(crate) fn create(context: u32, parent: u32) {
    with(|contexts| {
        if parent == 0 {
            // Envoy creates a root context anew when it starts a plugin again; what it had stays until
            // the configuration that follows has been accepted.
            contexts.entry(context).or_insert(Context::Root(None));
        } else {
            let loaded = match contexts.get(&parent) {
                Some(Context::Root(loaded)) => loaded.clone(),
                _ => None,
            };
            contexts.insert(
                context,
                Context::Stream(Stream { loaded, changes: None, progress: Progress::Refused }),
            );
        }
    });
}

/// A context ends. Streams of a root context that ends keep what they began with. Gives back how far a
/// stream had got.
pub(crate) fn delete(context: u32) -> Option<Progress> {
    match with(|contexts| contexts.remove(&context)).flatten() {
        Some(Context::Stream(stream)) => Some(stream.progress),
        _ => None,
    }
}

/// Gives a root context its configuration; false if there is no such context.
pub(crate) fn configure(root: u32, loaded: Rc<Loaded>) -> bool {
    let done = with(|contexts| match contexts.get_mut(&root) {
        Some(Context::Root(place)) => {
            *place = Some(loaded);
            true
        }
        _ => false,
    });
    done == Some(true)
}

/// What decides about a stream; `None` if its plugin has no configuration.
pub(crate) fn loaded(stream: u32) -> Option<Rc<Loaded>> {
    with(|contexts| match contexts.get(&stream) {
        Some(Context::Stream(stream)) => stream.loaded.clone(),
        _ => None,
    })
    .flatten()
}

/// Keeps changes for when the response comes; false if there is no such stream.
pub(crate) fn keep_changes(stream: u32, changes: Changes) -> bool {
    let done = with(|contexts| match contexts.get_mut(&stream) {
        Some(Context::Stream(stream)) => {
            stream.changes = Some(changes);
            true
        }
        _ => false,
    });
    done == Some(true)
}

/// Takes the changes that were kept.
pub(crate) fn take_changes(stream: u32) -> Option<Changes> {
    with(|contexts| match contexts.get_mut(&stream) {
        Some(Context::Stream(stream)) => stream.changes.take(),
        _ => None,
    })
    .flatten()
}

/// Notes how far a stream is; false if there is no such stream.
pub(crate) fn set_progress(stream: u32, progress: Progress) -> bool {
    let done = with(|contexts| match contexts.get_mut(&stream) {
        Some(Context::Stream(stream)) => {
            stream.progress = progress;
            true
        }
        _ => false,
    });
    done == Some(true)
}

/// Takes out how far a stream is, which leaves it refused; so is a stream that is not there.
pub(crate) fn take_progress(stream: u32) -> Progress {
    with(|contexts| match contexts.get_mut(&stream) {
        Some(Context::Stream(stream)) => match stream.progress {
            Progress::Passed => Progress::Passed,
            _ => std::mem::replace(&mut stream.progress, Progress::Refused),
        },
        _ => Progress::Refused,
    })
    .unwrap_or(Progress::Refused)
}

/// Runs `work` on the contexts. It must not call the host. `None` where they are in use, which the
/// callers take for "no such context": a request is then refused.
fn with<T>(work: impl FnOnce(&mut Contexts) -> T) -> Option<T> {
    CONTEXTS
        .try_with(|contexts| contexts.try_borrow_mut().ok().map(|mut contexts| work(&mut contexts)))
        .ok()
        .flatten()
}

/// The host counts contexts up, so one multiplication spreads their numbers well enough.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
