//! The publisher's own books: what it made from what, what is published, and that it is alone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sidegate_engine::trust::{Layer, Pointer};

use super::PublishError;
use super::history::History;
use super::tree::Tree;
use crate::slice::{DataRead, Workload};

const STATE: &str = "state.json";
const LOCK: &str = "lock";
/// The form of `state.json` that this version writes and reads.
const FORMAT: u32 = 1;

/// What `state.json` holds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    format: u32,
    pub(super) mesh: String,
    pub(super) epoch: u64,
    /// The highest serial that was given out.
    pub(super) serial: u64,
    /// Hash of the code that slices were made from.
    pub(super) code: String,
    pub(super) slices: BTreeMap<Workload, Made>,
    pub(super) pointers: BTreeMap<Workload, Published>,
}

/// A slice that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Made {
    /// The base data that it was made from.
    pub(super) reads: Vec<DataRead>,
    /// Hash of what these were.
    pub(super) seen: String,
    pub(super) layer: Layer,
}

/// A pointer that is in the tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Published {
    /// SHA-256 of its file.
    pub(super) file: String,
    pub(super) pointer: Pointer,
}

/// The open books of a tree.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) tree: Tree,
    pub(super) state: State,
    pub(super) history: History,
    /// What the operator should know.
    pub(super) notes: Vec<String>,
    /// Held as long as the books are open.
    _lock: Option<File>,
}

impl Books {
    /// Opens the books of a tree to write in them. `who` is what others see who come meanwhile.
    pub(super) fn open(tree: Tree, who: &str) -> Result<Self, PublishError> {
        let lock = lock(&tree, who)?;
        Self::read(tree, Some(lock))
    }

    /// Opens the books to look at them.
    pub(super) fn look(tree: Tree) -> Result<Self, PublishError> {
        if !tree.pointers().is_dir() {
            let message = format!("expected a published tree in `{}`, got none", tree.root().display());
            return Err(PublishError::Request(message));
        }
        Self::read(tree, None)
    }

    fn read(tree: Tree, lock: Option<File>) -> Result<Self, PublishError> {
        let mut notes = Vec::new();
        let history = History::read(&tree)?;
        if history.damaged > 0 {
            notes.push(format!("{} lines of the history cannot be read and do not count", history.damaged));
        }
        let mut state = match state(&tree) {
            Ok(state) => state,
            Err(why) => {
                notes.push(format!("`{STATE}` cannot be used ({why}): all slices are made anew"));
                State::default()
            }
        };
        state.pointers = pointers(&tree, &state.pointers, &mut notes)?;
        let published = state.pointers.values().map(|published| &published.pointer);
        let orders = published.map(|pointer| (pointer.epoch, pointer.serial));
        let orders = orders.chain(history.lines.iter().map(|line| (line.epoch, line.serial)));
        for (epoch, serial) in orders.collect::<Vec<_>>() {
            state.epoch = state.epoch.max(epoch);
            state.serial = state.serial.max(serial);
        }
        Ok(Self { tree, state, history, notes, _lock: lock })
    }

    /// Writes the state down.
    pub(super) fn save(&mut self) -> Result<(), PublishError> {
        self.state.format = FORMAT;
        let path = self.tree.book(STATE);
        let text = serde_json::to_vec(&self.state)
            .map_err(|error| PublishError::file("write", &path)(error.into()))?;
        if fs::read(&path).is_ok_and(|before| before == text) {
            return Ok(());
        }
        self.tree.write(&path, &text)
    }
}

fn state(tree: &Tree) -> Result<State, String> {
    let bytes = match fs::read(tree.book(STATE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
        Err(error) => return Err(error.to_string()),
    };
    let state: State = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    if state.format == FORMAT { Ok(state) } else { Err(format!("its format is {}", state.format)) }
}

/// The pointers in the tree: what the state says of each, where its file is as it was left, else what the
/// file says.
fn pointers(
    tree: &Tree,
    known: &BTreeMap<Workload, Published>,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<Workload, Published>, PublishError> {
    let mut found = BTreeMap::new();
    for namespace in folder(&tree.pointers())? {
        for name in folder(&tree.pointers().join(&namespace))? {
            let Some(workload) =
                name.strip_suffix(".json").and_then(|name| Workload::new(&namespace, name).ok())
            else {
                continue;
            };
            let path = tree.pointer(&workload);
            let bytes = fs::read(&path).map_err(PublishError::file("read", &path))?;
            let file = super::hex(&bytes);
            let same = known.get(&workload).filter(|known| known.file == file).cloned();
            let own = |pointer: &Pointer| {
                pointer.namespace == workload.namespace() && pointer.workload == workload.name()
            };
            match same.or_else(|| decode(&bytes).filter(own).map(|pointer| Published { file, pointer })) {
                Some(published) => {
                    found.insert(workload, published);
                }
                None => notes
                    .push(format!("`{}` is no pointer of `{workload}` and does not count", path.display())),
            }
        }
    }
    Ok(found)
}

/// The names in a folder, sorted; none where there is no folder.
pub(super) fn folder(path: &std::path::Path) -> Result<Vec<String>, PublishError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(PublishError::file("read", path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(PublishError::file("read", path))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// What a pointer's file says. The publisher trusts its own disk; the proxies do not.
fn decode(bytes: &[u8]) -> Option<Pointer> {
    #[derive(Deserialize)]
    struct Signed {
        payload: String,
    }
    let Signed { payload } = serde_json::from_slice(bytes).ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// Locks the tree. The lock ends with the process, however that ends.
fn lock(tree: &Tree, who: &str) -> Result<File, PublishError> {
    let path = tree.book(LOCK);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(PublishError::file("make the folder", folder))?;
    }
    let open = File::options().create(true).read(true).write(true).truncate(false).open(&path);
    let mut file = open.map_err(PublishError::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = if holder.is_empty() { "it does not say who".to_owned() } else { holder };
            return Err(PublishError::Locked { tree: tree.root().to_owned(), holder });
        }
        Err(fs::TryLockError::Error(error)) => return Err(PublishError::file("lock", &path)(error)),
    }
    let write = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(who.as_bytes()));
    write.map_err(PublishError::file("write", &path))?;
    Ok(file)
}
