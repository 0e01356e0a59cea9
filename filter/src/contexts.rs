//! The contexts of this VM. One VM serves every plugin of its `vm_id`: each configuration is a root
//! context, each request a stream context under one of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use sidegate_engine::log::Buffer;

use crate::body::Progress;
use crate::loaded::Loaded;
use crate::refresh::Refresh;
use crate::response::Kept;
use crate::send::Post;

enum Context {
    Root(Root),
    Stream(Stream),
}

#[derive(Default)]
struct Root {
    /// What decides; `None` before the first configuration.
    loaded: Option<Rc<Loaded>>,
    /// What keeps it current, if anything does. Taken out while it works, since it calls the host.
    refresh: Option<Box<Refresh>>,
    /// Decisions that wait to be posted; the same for every configuration that comes.
    buffer: Rc<RefCell<Buffer>>,
    /// What posts them, if anything does. Taken out while it works.
    post: Option<Box<Post>>,
    /// Streams that are held until there is a policy, in the order in which they came, and until when.
    held: Vec<(u32, i64)>,
}

struct Stream {
    root: u32,
    /// What decides about this stream: that of its root context when the stream began. A new
    /// policy is for later streams.
    loaded: Option<Rc<Loaded>>,
    /// What is to be done when the response comes.
    kept: Option<Kept>,
    /// How far the request is, once it has been looked at.
    progress: Progress,
}

type Contexts = HashMap<u32, Context, BuildHasherDefault<IdHasher>>;

/// Most streams of one root context that are held for want of a policy; those beyond are refused at once.
const MOST_HELD: usize = 4096;

thread_local! {
    static CONTEXTS: RefCell<Contexts> = const { RefCell::new(Contexts::with_hasher(BuildHasherDefault::new())) };
}

/// A context begins.
pub(crate) fn create(context: u32, parent: u32) {
    with(|contexts| {
        if parent == 0 {
            // Envoy creates a root context anew when it starts a plugin again; what it had stays until
            // the configuration that follows has been accepted.
            contexts.entry(context).or_insert_with(|| Context::Root(Root::default()));
        } else {
            let loaded = match contexts.get(&parent) {
                Some(Context::Root(root)) => root.loaded.clone(),
                _ => None,
            };
            let stream = Stream { root: parent, loaded, kept: None, progress: Progress::Refused };
            contexts.insert(context, Context::Stream(stream));
        }
    });
}

/// A context ends. Streams of a root context that ends keep what they began with. Gives back how far a
/// stream had got, and its root context.
pub(crate) fn delete(context: u32) -> Option<(Progress, u32)> {
    match with(|contexts| contexts.remove(&context)).flatten() {
        Some(Context::Stream(stream)) => Some((stream.progress, stream.root)),
        Some(Context::Root(root)) => {
            root.post.iter().for_each(|post| post.end());
            None
        }
        None => None,
    }
}

/// Gives a root context its configuration, what keeps its policy current, and what posts its decisions; false if there is no such context.
pub(crate) fn configure(
    root: u32,
    loaded: Rc<Loaded>,
    refresh: Option<Box<Refresh>>,
    post: Option<Box<Post>>,
) -> bool {
    let before = in_root(root, |place| {
        place.loaded = Some(loaded);
        place.refresh = refresh;
        std::mem::replace(&mut place.post, post)
    });
    // What waits may be for a collector that the new configuration does not know.
    before.iter().flatten().for_each(|post| post.end());
    before.is_some()
}

/// Another policy, candidate or mode for the streams that begin from now on.
pub(crate) fn swap(root: u32, loaded: Rc<Loaded>) {
    in_root(root, |place| place.loaded = Some(loaded));
}

/// What decides about streams that begin now.
pub(crate) fn loaded_of_root(root: u32) -> Option<Rc<Loaded>> {
    in_root(root, |place| place.loaded.clone()).flatten()
}

/// Takes out what keeps a root context's policy current; `None` if nothing does, or it is at work.
pub(crate) fn take_refresh(root: u32) -> Option<Box<Refresh>> {
    in_root(root, |place| place.refresh.take()).flatten()
}

/// Puts it back, unless the context has been given another meanwhile, or is gone.
pub(crate) fn put_refresh(root: u32, refresh: Box<Refresh>) {
    in_root(root, |place| {
        place.refresh.get_or_insert(refresh);
    });
}

/// Where the decisions of a root context wait to be posted.
pub(crate) fn buffer(root: u32) -> Rc<RefCell<Buffer>> {
    in_root(root, |place| Rc::clone(&place.buffer)).unwrap_or_default()
}

/// Takes out what posts a root context's decisions; `None` if nothing does, or it is at work.
pub(crate) fn take_post(root: u32) -> Option<Box<Post>> {
    in_root(root, |place| place.post.take()).flatten()
}

/// Puts it back, unless the context has been given another meanwhile, or is gone.
pub(crate) fn put_post(root: u32, post: Box<Post>) {
    in_root(root, |place| {
        place.post.get_or_insert(post);
    });
}

/// Holds a stream until there is a policy, or until then; false if that cannot be.
pub(crate) fn hold(stream: u32, until: i64, progress: Progress) -> bool {
    let root = with(|contexts| match contexts.get(&stream) {
        Some(Context::Stream(stream)) => Some(stream.root),
        _ => None,
    });
    let Some(root) = root.flatten() else { return false };
    let is_noted = in_root(root, |place| {
        let has_room = place.held.len() < MOST_HELD;
        if has_room {
            place.held.push((stream, until));
        }
        has_room
    });
    is_noted == Some(true) && set_progress(stream, progress)
}

/// Takes out the streams that are held and for which `is_over` says that it is over.
pub(crate) fn take_held(root: u32, is_over: impl Fn(i64) -> bool) -> Vec<u32> {
    let taken = with(|contexts| {
        let Some(Context::Root(place)) = contexts.get_mut(&root) else { return Vec::new() };
        let (over, held) =
            std::mem::take(&mut place.held).into_iter().partition(|(_, until)| is_over(*until));
        place.held = held;
        let over: Vec<(u32, i64)> = over;
        over.into_iter().map(|(stream, _)| stream).collect()
    });
    taken.unwrap_or_default()
}

/// Forgets a stream that was held and has ended.
pub(crate) fn forget_held(root: u32, stream: u32) {
    in_root(root, |place| place.held.retain(|(held, _)| *held != stream));
}

/// What decides about a stream; `None` if its plugin has no configuration.
pub(crate) fn loaded(stream: u32) -> Option<Rc<Loaded>> {
    with(|contexts| match contexts.get(&stream) {
        Some(Context::Stream(stream)) => stream.loaded.clone(),
        _ => None,
    })
    .flatten()
}

/// Keeps something for when the response comes; false if there is no such stream.
pub(crate) fn keep(stream: u32, kept: Kept) -> bool {
    let done = with(|contexts| match contexts.get_mut(&stream) {
        Some(Context::Stream(stream)) => {
            stream.kept = Some(kept);
            true
        }
        _ => false,
    });
    done == Some(true)
}

/// Takes what was kept.
pub(crate) fn take_kept(stream: u32) -> Option<Kept> {
    with(|contexts| match contexts.get_mut(&stream) {
        Some(Context::Stream(stream)) => stream.kept.take(),
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

fn in_root<T>(root: u32, work: impl FnOnce(&mut Root) -> T) -> Option<T> {
    with(|contexts| match contexts.get_mut(&root) {
        Some(Context::Root(place)) => Some(work(place)),
        _ => None,
    })
    .flatten()
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
