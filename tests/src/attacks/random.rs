//! Paths made up of what paths are got around with.

use crate::hostile::Random;

const PIECES: [&str; 45] = [
    "/",
    "/",
    "/",
    "//",
    "\\",
    "%2f",
    "%2F",
    "%5c",
    "%252f",
    "/./",
    "/../",
    "/..;/",
    "/.;/",
    "..",
    ".",
    "%2e",
    "%2E%2e",
    ";x=1",
    ";",
    "%3b",
    "#",
    "%23",
    "%00",
    "%0a",
    "%09",
    "?",
    "%3f",
    "%20",
    "admin",
    "ADMIN",
    "%61dmin",
    "a%64min",
    "public",
    "items",
    "ops",
    "x",
    "%u002f",
    "%c0%af",
    "%ef%bc%8f",
    "%",
    "%2",
    "+",
    "*",
    "@",
    ":",
];

/// Random paths, the same for the same seed.
pub struct Paths(Random);

impl Paths {
    /// Paths of this seed.
    pub fn new(seed: u64) -> Self {
        Self(Random::new(seed, 0))
    }
}

impl Iterator for Paths {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut path = self.0.pick(&["/", "/public/", "/items/", "/ops/", ""]).to_owned();
        for _ in 0..=self.0.below(6) {
            path.push_str(self.0.pick(&PIECES));
        }
        // So that more of them get as far as a decision.
        if !path.starts_with('/') {
            path.insert(0, '/');
        }
        Some(path)
    }
}
