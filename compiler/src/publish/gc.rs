//! Removing blobs that nobody names any more.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Serialize;
use sidegate_engine::trust::Layer;

use super::books::{Books, folder};
use super::tree::{Tree, is_unfinished};
use super::{PublishError, list};

/// What was removed.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Freed {
    /// Blobs that were removed.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files of publishes that were cut off.
    pub unfinished: usize,
    /// Blobs that stay.
    pub kept: usize,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// Removes the blobs that no pointer names and that none of the last `keep` publishes would be rolled back
/// to with.
///
/// # Errors
/// [`PublishError`], where the tree is none or cannot be read.
pub fn collect(tree: &Path, keep: usize, by: &str, now: i64) -> Result<Freed, PublishError> {
    // Not to make a tree where there is none.
    drop(Books::look(Tree::new(tree)?)?);
    let who = format!("{by} since {} (process {})", list::date(now), std::process::id());
    let books = Books::open(Tree::new(tree)?, &who)?;
    let mut named: BTreeSet<&str> = BTreeSet::new();
    for published in books.state.pointers.values() {
        let layers = published.pointer.stable.layers.iter();
        let candidate = published.pointer.candidate.iter().flat_map(|candidate| &candidate.layers);
        named.extend(layers.chain(candidate).filter_map(Layer::hex));
    }
    // After the first of the last ones, and all that came since.
    let first = books.history.lines.len().saturating_sub(keep);
    if keep > 0 {
        let then = books.history.after(first.saturating_add(1));
        let since = books.history.lines.iter().skip(first).flat_map(|line| line.workloads.values());
        for entry in then.into_values().chain(since) {
            let candidate = entry.candidate.iter().flat_map(|candidate| &candidate.layers);
            named.extend(entry.layers.iter().chain(candidate).filter_map(Layer::hex));
        }
    }
    let mut freed = Freed { notes: books.notes.clone(), ..Freed::default() };
    let blobs = books.tree.blobs();
    for name in folder(&blobs)? {
        let path = blobs.join(&name);
        let is_blob = Layer { digest: format!("sha256:{name}"), size: 0 }.hex().is_some();
        if is_blob && named.contains(name.as_str()) {
            freed.kept = freed.kept.saturating_add(1);
        } else if is_blob {
            let size = fs::metadata(&path).map_or(0, |file| file.len());
            books.tree.remove(&path)?;
            freed.blobs = freed.blobs.saturating_add(1);
            freed.bytes = freed.bytes.saturating_add(size);
        } else if is_unfinished(&name) {
            books.tree.remove(&path)?;
            freed.unfinished = freed.unfinished.saturating_add(1);
        }
    }
    let mut folders = vec![books.tree.book("")];
    for namespace in folder(&books.tree.pointers())? {
        folders.push(books.tree.pointers().join(namespace));
    }
    for place in folders {
        for name in folder(&place)?.into_iter().filter(|name| is_unfinished(name)) {
            books.tree.remove(&place.join(name))?;
            freed.unfinished = freed.unfinished.saturating_add(1);
        }
    }
    Ok(freed)
}
