//! A clock that a test moves: [`clock.c`](clock.c), put between Envoy and the C library.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The clock of the processes that run with [`Clock::environment`].
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// Compiles it into `dir`; it goes right so far.
    ///
    /// # Errors
    /// There is no C compiler.
    pub fn new(dir: &Path) -> Result<Self, String> {
        let (source, library) = (dir.join("clock.c"), dir.join("clock.so"));
        let at = |e: std::io::Error| format!("could not write below {}: {e}", dir.display());
        std::fs::write(&source, include_str!("clock.c")).map_err(at)?;
        let compiled = Command::new("cc")
            .args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .output()
            .map_err(|e| format!("expected a C compiler: {e}; run: apt-get install gcc"))?;
        if !compiled.status.success() {
            return Err(format!("clock.c: {}", String::from_utf8_lossy(&compiled.stderr)));
        }
        let clock = Self { library, file: dir.join("clock") };
        std::fs::write(&clock.file, 0_i64.to_ne_bytes()).map_err(at)?;
        Ok(clock)
    }

    /// What a process needs to have this clock.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.display().to_string();
        vec![("LD_PRELOAD".to_owned(), text(&self.library)), ("SIDEGATE_CLOCK".to_owned(), text(&self.file))]
    }

    /// Sets it so far ahead of the true time, or behind.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set(&self, seconds: i64) -> Result<(), String> {
        use std::os::unix::fs::FileExt as _;
        let nanoseconds = seconds.saturating_mul(1_000_000_000).to_ne_bytes();
        // In its place: the processes look into this file, not into one of the same name.
        std::fs::OpenOptions::new()
            .write(true)
            .open(&self.file)
            .and_then(|file| file.write_all_at(&nanoseconds, 0))
            .map_err(|e| format!("could not write {}: {e}", self.file.display()))
    }

    /// How far it is ahead, as a process with it sees.
    ///
    /// # Errors
    /// `date` cannot be run.
    pub fn seen(&self) -> Result<Duration, String> {
        let output =
            Command::new("date").arg("+%s").envs(self.environment()).output().map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse().map(Duration::from_secs).map_err(|_| format!("expected seconds, got `{text}`"))
    }
}
