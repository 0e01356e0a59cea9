//! The files of a published tree.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use sidegate_engine::trust::Layer;

use super::PublishError;
use crate::slice::Workload;

/// The folder of the publisher's own books, which nobody needs to serve.
const BOOKS: &str = ".sidegate";
/// Begins the names of files that are being written.
const UNFINISHED: &str = ".unfinished-";

/// Where a tree is, and how its files are written.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    written: AtomicUsize,
    /// Fails every write after so many: what a crash at that point would leave.
    #[cfg(test)]
    breaks_after: Option<usize>,
}

#[cfg(test)]
thread_local! {
    /// For the trees that this thread opens.
    pub(super) static BREAKS_AFTER: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
}

impl Tree {
    /// A tree in a folder, which need not be there yet.
    pub(super) fn new(root: &Path) -> Result<Self, PublishError> {
        if root.exists() && !root.is_dir() {
            return Err(PublishError::Tree(root.to_owned()));
        }
        Ok(Self {
            root: root.to_owned(),
            written: AtomicUsize::new(0),
            #[cfg(test)]
            breaks_after: BREAKS_AFTER.get(),
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn pointers(&self) -> PathBuf {
        self.root.join("v1")
    }

    pub(super) fn pointer(&self, workload: &Workload) -> PathBuf {
        self.pointers().join(workload.namespace()).join(format!("{}.json", workload.name()))
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.root.join("blobs").join("sha256")
    }

    /// `None` where the digest is none.
    pub(super) fn blob(&self, layer: &Layer) -> Option<PathBuf> {
        Some(self.blobs().join(layer.hex()?))
    }

    /// Whether the blob of a layer is there in its full size.
    pub(super) fn has(&self, layer: &Layer) -> bool {
        let size =
            |path: PathBuf| fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|file| file.len());
        self.blob(layer).and_then(size) == Some(layer.size)
    }

    pub(super) fn book(&self, name: &str) -> PathBuf {
        self.root.join(BOOKS).join(name)
    }

    /// Makes a file, with its folders: all of it or nothing, whoever looks and whenever this ends.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), PublishError> {
        let count = self.written.fetch_add(1, Ordering::Relaxed);
        self.may_write(path, count)?;
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(PublishError::Tree(path.to_owned()));
        };
        fs::create_dir_all(folder).map_err(PublishError::file("make the folder", folder))?;
        // Two threads may write one blob, each its own file.
        let own = format!("{UNFINISHED}{}-{}-{count}", name.to_string_lossy(), std::process::id());
        let unfinished = folder.join(own);
        let result = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path));
        if result.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        result.map_err(PublishError::file("write", path))
    }

    /// Adds a line to a file. What an append that was cut off left behind stays a line of its own.
    pub(super) fn append(&self, path: &Path, line: &str) -> Result<(), PublishError> {
        self.may_write(path, self.written.fetch_add(1, Ordering::Relaxed))?;
        let whole = match fs::read(path) {
            Ok(before) => before.last().is_none_or(|last| *last == b'\n'),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(PublishError::file("read", path)(error)),
        };
        let text = if whole { format!("{line}\n") } else { format!("\n{line}\n") };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(PublishError::file("make the folder", folder))?;
        }
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_data()))
            .map_err(PublishError::file("add a line to", path))
    }

    pub(super) fn remove(&self, path: &Path) -> Result<(), PublishError> {
        self.may_write(path, self.written.fetch_add(1, Ordering::Relaxed))?;
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(PublishError::file("remove", path)),
        }
    }

    #[cfg(test)]
    fn may_write(&self, path: &Path, count: usize) -> Result<(), PublishError> {
        if self.breaks_after.is_some_and(|most| count >= most) {
            return Err(PublishError::file("write", path)(io::Error::other("crash")));
        }
        Ok(())
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests let it fail")]
    fn may_write(&self, _: &Path, _: usize) -> Result<(), PublishError> {
        Ok(())
    }
}

/// Whether a file is one that was never finished.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.starts_with(UNFINISHED)
}
