//! What a server may send, and what is to come of it: each refused by its own code, the last good policy kept.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sidegate_compiler::signing::Signer as _;
use sidegate_engine::trust::{Layer, POINTER_BYTES, Pointer};

use super::bundles::{BAD_BUNDLES, versioned};
use super::load::Load;
use super::publisher::Publisher;
use super::site::{Site, SiteOptions};
use crate::bundle_server::{BundleServer, Reply};

const PATIENCE: Duration = Duration::from_secs(30);
/// The version that answers all the while.
const GOOD: u32 = 1;
const CLIENTS: usize = 2;

/// What came of a hostile reply.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What the server did.
    pub what: &'static str,
    /// The code that is to count it.
    pub expected: &'static str,
    /// The codes that counted meanwhile.
    pub seen: Vec<String>,
    /// Requests meanwhile, all of them answered by the last good policy.
    pub asked: u64,
}

/// A server that turns hostile, and what it can sign with.
struct Stage {
    site: Site,
    net: Publisher,
    /// A trusted key, but for another namespace.
    other: Publisher,
    /// A key that nobody knows.
    stranger: Publisher,
    /// A key that nobody knows, under a name that is trusted.
    impostor: Publisher,
    good: Layer,
}

/// A row: what the server does, the code, and how it does it.
type Row = (&'static str, &'static str, fn(&mut Stage));

const ROWS: &[Row] = &[
    ("404", "fetch_status", |s| s.serve(Reply::page(404))),
    ("500", "fetch_status", |s| s.serve(Reply::page(500))),
    ("slower than the time-out", "fetch_failed", |s| {
        let reply = s.good_reply();
        s.serve(Reply { delay: Duration::from_secs(3), ..reply });
    }),
    ("cut off in the middle", "fetch_failed", |s| {
        let reply = s.good_reply();
        s.serve(Reply { cut_after: Some(100), ..reply });
    }),
    ("no connection", "fetch_failed", |s| s.site.server.set_down(true)),
    ("a page with status 200", "pointer_syntax", |s| s.serve(Reply { status: 200, ..Reply::page(200) })),
    ("a bundle in the place of the pointer", "pointer_syntax", |s| s.serve(Reply::ok(versioned(9)))),
    ("a pointer that is too big", "pointer_size", |s| s.serve(Reply::ok(vec![b' '; POINTER_BYTES + 1]))),
    ("a truncated pointer", "pointer_syntax", |s| {
        let mut bytes = s.good_reply().body;
        bytes.truncate(200);
        s.serve(Reply::ok(bytes));
    }),
    ("a bad signature", "signature_bad", |s| s.signed(|_| {}, |s| &s.impostor)),
    ("an unknown key", "key_unknown", |s| s.signed(|_| {}, |s| &s.stranger)),
    ("a key of another namespace", "key_namespace", |s| s.signed(|_| {}, |s| &s.other)),
    ("no signature", "signature_bad", |s| {
        let mut jws: Value = serde_json::from_slice(&s.good_reply().body).expect("a pointer is JSON");
        jws["signature"] = json!("");
        s.serve(Reply::ok(jws.to_string()));
    }),
    ("a bundle's signature passed off as a pointer", "pointer_type", |s| {
        let payload =
            json!({"files": [{"name": "data.json", "hash": "00", "algorithm": "SHA-256"}], "scope": ""});
        let file = s.jws(&json!({"alg": "ES256", "kid": "net", "typ": "JWT"}), &payload);
        s.serve(Reply::ok(file));
    }),
    ("the same with a pointer's type", "pointer_syntax", |s| {
        let payload =
            json!({"files": [{"name": "data.json", "hash": "00", "algorithm": "SHA-256"}], "scope": ""});
        let file = s.jws(&json!({"alg": "ES256", "kid": "net", "typ": "sidegate-pointer"}), &payload);
        s.serve(Reply::ok(file));
    }),
    ("another algorithm", "signature_algorithm", |s| {
        let payload = serde_json::to_value(s.net.next(s.good.clone())).expect("a pointer is JSON");
        let file = s.jws(&json!({"alg": "none", "kid": "net", "typ": "sidegate-pointer"}), &payload);
        s.serve(Reply::ok(file));
    }),
    ("another workload's pointer", "pointer_workload", |s| {
        s.signed(|p| p.workload = "checkout".to_owned(), |s| &s.net);
    }),
    ("another namespace's pointer", "pointer_workload", |s| {
        s.signed(|p| p.namespace = "payments".to_owned(), |s| &s.net);
    }),
    ("another mesh's pointer", "pointer_mesh", |s| s.signed(|p| p.mesh = "test".to_owned(), |s| &s.net)),
    ("an expired pointer", "pointer_expired", |s| s.signed(|p| p.expires = p.issued - 1, |s| &s.net)),
    ("a lower serial", "pointer_replay", |s| s.signed(|p| p.serial = 0, |s| &s.net)),
    ("a lower epoch", "pointer_replay", |s| s.signed(|p| p.epoch = 0, |s| &s.net)),
    ("a blob that is not there", "fetch_status", |s| s.names(&Layer::of(b"nowhere"))),
    ("a blob with another digest", "blob_digest", |s| {
        let mut bytes = versioned(9);
        let layer = Layer::of(&bytes);
        bytes[40] ^= 1;
        s.blob(&layer, Reply::ok(bytes));
    }),
    ("a blob that is too short", "blob_size", |s| {
        let mut bytes = versioned(9);
        let layer = Layer::of(&bytes);
        bytes.truncate(bytes.len() / 2);
        s.blob(&layer, Reply::ok(bytes));
    }),
    ("a blob cut off in the middle", "fetch_failed", |s| {
        let bytes = versioned(9);
        let reply = Reply { cut_after: Some(bytes.len() / 2), ..Reply::ok(bytes.clone()) };
        s.blob(&Layer::of(&bytes), reply);
    }),
    ("a blob that is longer than it says", "blob_size", |s| {
        let mut bytes = versioned(9);
        let layer = Layer::of(&bytes);
        bytes.extend([0; 4096]);
        s.blob(&layer, Reply::ok(bytes));
    }),
    ("a blob that is too big", "bundle_size", |s| {
        let bytes = vec![0x5A; BUNDLE_BYTES + 1];
        s.blob(&Layer::of(&bytes), Reply::ok(bytes));
    }),
];

/// `limits.bundle_bytes` of the site.
pub(super) const BUNDLE_BYTES: usize = 1 << 20;
/// `limits.depth` of the site.
pub(super) const DEPTH: usize = 32;

/// Runs every hostile reply against a real Envoy, four sidecars side by side, each under load.
///
/// # Errors
/// A sidecar cannot be asked, a request was not answered by the last good policy, or nothing was refused.
pub fn live_refusals(envoy: &str) -> Result<Vec<Refused>, String> {
    const SIDECARS: usize = 4;
    let bad_bundles = BAD_BUNDLES.iter().map(|(what, code, make)| (*what, *code, Act::Bundle(*make)));
    let acts: Vec<_> =
        ROWS.iter().map(|(what, code, act)| (*what, *code, Act::Reply(*act))).chain(bad_bundles).collect();
    let size = acts.len().div_ceil(SIDECARS);
    std::thread::scope(|scope| {
        let threads: Vec<_> = acts
            .chunks(size)
            .map(|part| {
                scope.spawn(move || {
                    let mut stage = Stage::open(envoy)?;
                    part.iter().map(|(what, code, act)| stage.play(what, code, *act)).collect()
                })
            })
            .collect();
        let joined =
            threads.into_iter().map(|thread| thread.join().map_err(|_| "a sidecar's thread panicked")?);
        let parts: Vec<Vec<Refused>> = joined.collect::<Result<_, String>>()?;
        Ok(parts.into_iter().flatten().collect())
    })
}

#[derive(Clone, Copy)]
enum Act {
    Reply(fn(&mut Stage)),
    /// A blob that the pointer names rightly, and that is no good.
    Bundle(fn() -> Vec<u8>),
}

impl Stage {
    fn open(envoy: &str) -> Result<Self, String> {
        let [mut net, other, stranger, impostor] = ["net", "other", "stranger", "net"].map(Publisher::new);
        net.epoch = 1;
        let server = BundleServer::start();
        let good = net.publish(&server, &versioned(GOOD)).stable.layers.remove(0);
        let keys = json!([net.key(&["*"]), other.key(&["payments"])]);
        let options = SiteOptions {
            envoy: envoy.to_owned(),
            timeout: "500ms",
            config: json!({"limits": {"bundle_bytes": BUNDLE_BYTES, "depth": DEPTH}}),
            ..SiteOptions::default()
        };
        let site = Site::start(server, keys, &options)?;
        site.wait_for_version(GOOD)?;
        Ok(Self { site, net, other, stranger, impostor, good })
    }

    /// Lets the server be hostile until it has been refused, then good again until that has been taken.
    fn play(&mut self, what: &'static str, expected: &'static str, act: Act) -> Result<Refused, String> {
        let before = self.site.stats()?;
        let load = Load::start(self.site.address()?, CLIENTS, GOOD, Duration::from_millis(2));
        match act {
            Act::Reply(act) => act(self),
            Act::Bundle(make) => {
                let bytes = make();
                self.blob(&Layer::of(&bytes), Reply::ok(bytes));
            }
        }
        let until = Instant::now() + PATIENCE;
        let seen = loop {
            let now = self.site.stats()?;
            let grown = |name: &str| now.get(name) > before.get(name);
            let seen: Vec<String> = now
                .keys()
                .filter(|name| grown(name))
                .filter_map(|name| name.strip_prefix("refused."))
                .map(str::to_owned)
                .collect();
            if !seen.is_empty() {
                break seen;
            }
            if Instant::now() > until {
                return Err(self
                    .site
                    .envoy()
                    .with_log(&format!("expected `{what}` to be refused, it was not")));
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let asked = load.finish().map_err(|e| format!("`{what}`: {e}"))?;
        self.site.server.set_down(false);
        let reply = self.good_reply();
        let taken = |site: &Site| Ok::<_, String>(site.stat("fetch.ok")? + site.stat("fetch.not_modified")?);
        let so_far = taken(&self.site)?;
        self.serve(reply);
        self.site.wait("a good pointer to be taken again", || Ok(taken(&self.site)? > so_far))?;
        if self.site.version() != Ok(GOOD) {
            return Err(format!(
                "`{what}`: expected version {GOOD} afterwards, got {:?}",
                self.site.version()
            ));
        }
        Ok(Refused { what, expected, seen, asked })
    }

    fn serve(&self, reply: Reply) {
        self.site.server.set(&Publisher::path(), reply);
    }

    /// A pointer that is as it should be, with a serial of its own.
    fn good_reply(&mut self) -> Reply {
        let pointer = self.net.next(self.good.clone());
        Reply::ok(self.net.sign(&pointer))
    }

    /// Serves a pointer that was changed before it was signed.
    fn signed(&mut self, change: fn(&mut Pointer), by: fn(&Self) -> &Publisher) {
        let mut pointer = self.net.next(self.good.clone());
        change(&mut pointer);
        self.serve(Reply::ok(by(self).sign(&pointer)));
    }

    /// Serves a pointer to this blob.
    fn names(&mut self, layer: &Layer) {
        let pointer = self.net.next(layer.clone());
        self.serve(Reply::ok(self.net.sign(&pointer)));
    }

    /// Serves a pointer to this blob, and for the blob this reply.
    fn blob(&mut self, layer: &Layer, reply: Reply) {
        self.site.server.set(&Publisher::blob_path(layer), reply);
        self.names(layer);
    }

    /// A JWS of these parts, signed by the trusted key.
    fn jws(&self, header: &Value, payload: &Value) -> String {
        let [protected, payload] =
            [header, payload].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string().as_bytes()));
        let signature = self.net.signer.sign(format!("{protected}.{payload}").as_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.expect("a key that signs"));
        json!({"payload": payload, "protected": protected, "signature": signature}).to_string()
    }
}
