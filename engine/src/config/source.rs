//! `bundle`: where the policy comes from.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::error::ConfigError;
use super::json::Node;
use super::read::{Reader, text_value, value};
use crate::attributes::Workload;
use crate::names::{is_label, is_subdomain};

/// Nanoseconds of a millisecond.
const MS: i64 = 1_000_000;
/// Nanoseconds of a second.
const SECOND: i64 = 1_000 * MS;

/// The place of the pointers in a published tree; what stands before it is the tree's root.
const POINTERS: &str = "/v1/";
/// The place of the blobs in a published tree.
const BLOBS: &str = "/blobs/sha256/";

/// Where the policy comes from: at least one of the two.
#[derive(Clone, Debug, PartialEq)]
pub struct Sources {
    /// The bundle, decoded from base64; not yet looked into.
    pub inline: Option<Vec<u8>>,
    /// Where bundles are fetched.
    pub http: Option<HttpSource>,
}

/// `bundle.http`, as configured. Times are nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSource {
    /// The proxy's cluster that serves bundles.
    pub cluster: String,
    /// The `:authority` of requests to it.
    pub authority: String,
    /// The path, `{namespace}` and `{workload}` not yet filled in.
    pub path: String,
    /// From one poll to the next.
    pub interval: i64,
    /// How long one request may take.
    pub timeout: i64,
    /// How long requests are held while there is no policy at all.
    pub first_wait: i64,
}

/// What a source serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Signed pointers to blobs. Holds the path to which a blob's digest (in hex) is appended.
    Pointer {
        /// `/blobs/sha256/` below the tree's root.
        blobs: String,
    },
    /// Bundles that bear their own signature, as OPA fetches them.
    Bundle,
}

/// A source for one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The path to poll.
    pub path: String,
    /// What is served there. The configuration decides it, never the server: it could choose the weaker check.
    pub form: Form,
}

impl HttpSource {
    /// The path for one workload. A path that ends in `.json` is a pointer's.
    ///
    /// # Errors
    /// The workload has no name or namespace where the path or a pointer needs it, or one that is none of
    /// Kubernetes.
    pub fn locate(&self, workload: &Workload) -> Result<Location, ConfigError> {
        let Self { path, .. } = self;
        let is_pointer = path.ends_with(".json");
        let Workload { namespace, name } = workload;
        if is_pointer || path.contains("{namespace}") {
            named("namespace", "`NAMESPACE` in the node's metadata", namespace, is_label)?;
        }
        if is_pointer || path.contains("{workload}") {
            const PLACES: &str =
                "the label `service.istio.io/canonical-name` or `WORKLOAD_NAME` in the node's metadata";
            named("name", PLACES, name, is_subdomain)?;
        }
        let form = match path.rsplit_once(POINTERS) {
            Some((root, _)) if is_pointer => Form::Pointer { blobs: format!("{root}{BLOBS}") },
            _ => Form::Bundle,
        };
        Ok(Location { path: path.replace("{namespace}", namespace).replace("{workload}", name), form })
    }
}

/// Reads `bundle`.
pub(super) fn sources(top: &mut Reader, most: usize) -> Result<Sources, ConfigError> {
    const EXPECTED: &str = "an object with `inline`, a bundle in base64, or `http`";
    let node = top.require("bundle", EXPECTED)?;
    let mut bundle = Reader::open("bundle", node, &["inline", "http"])?;
    let inline = bundle.take("inline").map(|node| inline(&bundle.path("inline"), node, most)).transpose()?;
    let http = bundle.take("http").map(http).transpose()?;
    if inline.is_none() && http.is_none() {
        return Err(ConfigError::MissingKey {
            path: bundle.path("inline"),
            expected: "a bundle in base64, or `bundle.http` to fetch one".to_owned(),
        });
    }
    Ok(Sources { inline, http })
}

fn http(node: Node) -> Result<HttpSource, ConfigError> {
    let keys = ["cluster", "authority", "path", "interval", "timeout", "first_wait"];
    let mut http = Reader::open("bundle.http", node, &keys)?;
    let cluster = name(&mut http, "cluster", "sidegate-bundles", "the name of a cluster")?;
    let authority = name(&mut http, "authority", "bundles", "a host, with a port if need be")?;
    let path = path(&mut http)?;
    Ok(HttpSource {
        cluster,
        authority,
        path,
        interval: duration(&mut http, "interval", SECOND, 24 * 3600 * SECOND, 30 * SECOND)?,
        timeout: duration(&mut http, "timeout", 100 * MS, 60 * SECOND, 5 * SECOND)?,
        first_wait: duration(&mut http, "first_wait", 0, 60 * SECOND, 3 * SECOND)?,
    })
}

fn name(http: &mut Reader, key: &str, default: &str, expected: &str) -> Result<String, ConfigError> {
    let path = http.path(key);
    match http.take(key) {
        None => Ok(default.to_owned()),
        // What a header can bear: the authority becomes one.
        Some(Node::Text(text)) if is_plain(&text) => Ok(text),
        Some(Node::Text(text)) => Err(text_value(&path, expected, &text)),
        Some(other) => Err(value(&path, expected, &other)),
    }
}

/// What a header can bear.
pub(super) fn is_plain(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn path(http: &mut Reader) -> Result<String, ConfigError> {
    const EXPECTED: &str = "a path such as `/v1/{namespace}/{workload}.json`";
    let at = http.path("path");
    let text = match http.take("path") {
        None => return Ok("/v1/{namespace}/{workload}.json".to_owned()),
        Some(Node::Text(text)) => text,
        Some(other) => return Err(value(&at, EXPECTED, &other)),
    };
    let filled = text.replace("{namespace}", "n").replace("{workload}", "w");
    let is_path = filled.starts_with('/')
        && (1..=1024).contains(&text.len())
        && filled.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}' | b'#'));
    if !is_path {
        return Err(text_value(&at, EXPECTED, &text));
    }
    if text.ends_with(".json") && !text.contains(POINTERS) {
        const POINTER: &str = "a pointer's path with `/v1/` in it (blobs are found beside that folder)";
        return Err(text_value(&at, POINTER, &text));
    }
    Ok(text)
}

fn duration(http: &mut Reader, key: &str, least: i64, most: i64, default: i64) -> Result<i64, ConfigError> {
    let path = http.path(key);
    let expected = format!("a duration from `\"{}\"` to `\"{}\"`", written(least), written(most));
    let text = match http.take(key) {
        None => return Ok(default),
        Some(Node::Text(text)) => text,
        Some(other) => return Err(value(&path, &expected, &other)),
    };
    read_duration(&text)
        .filter(|time| (least..=most).contains(time))
        .ok_or_else(|| text_value(&path, &expected, &text))
}

fn read_duration(text: &str) -> Option<i64> {
    let units = [("ms", MS), ("s", SECOND), ("m", 60 * SECOND), ("h", 3600 * SECOND)];
    let (digits, unit) =
        units.iter().find_map(|(unit, size)| text.strip_suffix(unit).map(|digits| (digits, *size)))?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<i64>().ok().filter(|_| is_number)?.checked_mul(unit)
}

fn written(time: i64) -> String {
    match time {
        time if time % (3600 * SECOND) == 0 && time > 0 => format!("{}h", time / (3600 * SECOND)),
        time if time % SECOND == 0 => format!("{}s", time / SECOND),
        time => format!("{}ms", time / MS),
    }
}

fn named(
    what: &'static str,
    places: &'static str,
    text: &str,
    is_name: fn(&str) -> bool,
) -> Result<(), ConfigError> {
    if is_name(text) {
        return Ok(());
    }
    Err(ConfigError::identity(what, places, text))
}

/// The inline bundle, decoded. White space is passed over: `base64` wraps its lines.
fn inline(path: &str, node: Node, most: usize) -> Result<Vec<u8>, ConfigError> {
    const INLINE: &str = "a bundle in base64";
    let text = match node {
        Node::Text(text) => text,
        other => return Err(value(path, INLINE, &other)),
    };
    let refuse = |expected: &str, got: String| ConfigError::Value {
        path: path.to_owned(),
        expected: expected.to_owned(),
        got,
    };
    let mut packed = text.into_bytes();
    packed.retain(|byte| !byte.is_ascii_whitespace());
    if packed.is_empty() {
        return Err(refuse(INLINE, "an empty text".to_owned()));
    }
    let decoder = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    // The bytes themselves stay out of the message: there may be millions.
    let bytes = decoder
        .decode(&packed)
        .map_err(|e| refuse(INLINE, format!("text that is not base64 ({})", lower(e))))?;
    if bytes.len() > most {
        return Err(refuse(
            &format!("at most {most} bytes (`limits.bundle_bytes`)"),
            bytes.len().to_string(),
        ));
    }
    Ok(bytes)
}

fn lower(error: base64::DecodeError) -> String {
    match error {
        base64::DecodeError::InvalidByte(at, byte) => format!("byte 0x{byte:02x} at {at}"),
        base64::DecodeError::InvalidLength(length) => {
            format!("{length} characters are no whole number of bytes")
        }
        base64::DecodeError::InvalidLastSymbol(at, _) => format!("bits left over at {at}"),
        base64::DecodeError::InvalidPadding => "wrong padding".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn locate(path: &str, namespace: &str, name: &str) -> Result<Location, String> {
        let source = HttpSource {
            cluster: "c".to_owned(),
            authority: "a".to_owned(),
            path: path.to_owned(),
            interval: SECOND,
            timeout: SECOND,
            first_wait: 0,
        };
        let workload = Workload { namespace: namespace.to_owned(), name: name.to_owned() };
        source.locate(&workload).map_err(|error| error.to_string())
    }

    #[test]
    fn blobs_are_found_from_the_trees_root() {
        let found = locate("/trees/v1/blue/v1/{namespace}/{workload}.json", "shop", "cart").unwrap();
        assert_eq!(found.path, "/trees/v1/blue/v1/shop/cart.json");
        assert_eq!(found.form, Form::Pointer { blobs: "/trees/v1/blue/blobs/sha256/".to_owned() });
        let classic = locate("/bundles/{workload}.tar.gz?x=1", "", "cart.v2").unwrap();
        assert_eq!(classic, Location { path: "/bundles/cart.v2.tar.gz?x=1".to_owned(), form: Form::Bundle });
        assert!(locate("/bundle.tar.gz", "", "").is_ok());
    }

    #[test]
    fn a_name_that_could_lead_elsewhere_is_refused() {
        for bad in ["", "..", ".", "a/b", "A", "a_b", "-a", "a-", "a..b", "a%2f", &"a".repeat(64), "ä"] {
            assert!(locate("/v1/{namespace}/{workload}.json", bad, "cart").is_err(), "{bad}");
            assert!(locate("/v1/{namespace}/{workload}.json", "shop", bad).is_err(), "{bad}");
        }
        // A pointer names its workload, whether or not the path does.
        assert!(locate("/v1/all.json", "", "").unwrap_err().contains("`NAMESPACE`"));
    }

    #[test]
    fn durations_have_one_unit() {
        assert_eq!(read_duration("1500ms"), Some(1_500_000_000));
        assert_eq!(read_duration("2m"), Some(120_000_000_000));
        for bad in ["", "s", "1", "1.5s", "-1s", "+1s", "1 s", "9223372036854775807h", "1sm"] {
            assert_eq!(read_duration(bad), None, "{bad}");
        }
    }
}
