//! Paths made up of what paths are got around with.

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
pub struct Paths {
    state: u64,
}

impl Paths {
    /// Paths of this seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed ^ 0x9e37_79b9_7f4a_7c15 }
    }

    /// SplitMix64.
    fn below(&mut self, most: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % most as u64).expect("less than `most`")
    }
}

impl Iterator for Paths {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut path = ["/", "/public/", "/items/", "/ops/", ""][self.below(5)].to_owned();
        for _ in 0..=self.below(6) {
            path.push_str(PIECES[self.below(PIECES.len())]);
        }
        // So that more of them get as far as a decision.
        if !path.starts_with('/') {
            path.insert(0, '/');
        }
        Some(path)
    }
}
