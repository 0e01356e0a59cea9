//! What fuzzing begins with, made of the fixtures of the tests: `make fuzz SEED=1` puts it beside the corpora, from which
//! they are then made anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value as Json;
use sidegate_engine::Value;
use sidegate_engine::attributes::{Attributes, Body};
use sidegate_engine::bundle;
use sidegate_engine::eval::Builtin;
use sidegate_engine::grpc::Messages;
use sidegate_engine::headers;
use sidegate_engine::limits::Limits;
use sidegate_engine::plan::{Program, TableOf};

use crate::declare::generate::{self, Random};
use crate::declare::{requests, sides, wire};
use crate::feed::{self, SEPARATOR};
use crate::{asked, input, plan, recorded, table, value};

/// Seeds of one target.
type Seeds = Vec<Vec<u8>>;

/// Writes the seeds of every target into a folder of its name.
///
/// # Errors
/// What keeps files from being read or written.
pub fn write(to: &Path) -> io::Result<()> {
    let all: [(&str, Seeds); 13] = [
        ("bundle", bundles()?),
        ("builtin", builtins()?),
        ("certificate", certificates()?),
        ("config", read(&engine("config"), "json")?.into_values().collect()),
        ("decision", decisions()?),
        ("input", inputs()?),
        ("path", paths()?),
        ("plan", plans()),
        ("pointer", pointers()),
        ("proto", protos()?),
        ("regex", patterns()?),
        ("signature", signatures()?),
        ("table", tables()),
    ];
    for (name, seeds) in all {
        let folder = to.join(name);
        fs::create_dir_all(&folder)?;
        for (at, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{at:04}")), seed)?;
        }
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn engine(name: &str) -> PathBuf {
    root().join("engine/tests/fixtures").join(name)
}

/// Files of a folder that end so, by their names.
fn read(folder: &Path, extension: &str) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.insert(
                path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                fs::read(&path)?,
            );
        }
    }
    Ok(files)
}

fn json(path: &Path) -> io::Result<Json> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

fn lines(path: &Path, every: usize) -> io::Result<Vec<Json>> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines().step_by(every).map(serde_json::from_str);
    Ok(lines.collect::<Result<_, _>>()?)
}

fn mode(mode: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[mode], parts.join(&SEPARATOR).as_slice()].concat()
}

fn signed_bundles() -> io::Result<BTreeMap<String, Vec<u8>>> {
    read(&engine("bundles"), "gz")
}

fn bundles() -> io::Result<Seeds> {
    let mut seeds = Vec::new();
    for (_, packed) in signed_bundles()? {
        let files = bundle::files(&packed, &Limits::default()).unwrap();
        let files: Vec<(String, &[u8])> =
            files.iter().map(|(name, bytes)| (name.clone(), &bytes[..])).collect();
        let tar = crate::packed::tar(&files).unwrap();
        seeds.extend([mode(0, &[&packed]), mode(1, &[&tar]), mode(2, &[&tar])]);
        let parts: Vec<&[u8]> = files.iter().flat_map(|(name, bytes)| [name.as_bytes(), bytes]).collect();
        seeds.push(mode(3, &parts));
    }
    let plan = plan::plan_of(&input::samples()[0]);
    let parts: [&[u8]; 6] = [b"sidegate.bin", &plan, b"/data.json", b"{}", b"./a/b.rego", b"package a"];
    seeds.push(mode(3, &parts));
    seeds.push(mode(4, &[&[b"\x00\x10\x01", parts.join(&SEPARATOR).as_slice()].concat()]));
    seeds.push(mode(2, &[&crate::packed::tar(&[("sidegate.bin", &plan[..]), ("a", b"b")]).unwrap()]));
    Ok(seeds)
}

fn signatures() -> io::Result<Seeds> {
    let mut seeds = Vec::new();
    for (_, packed) in signed_bundles()? {
        let files = bundle::files(&packed, &Limits::default()).unwrap();
        let (_, file) = files.into_iter().find(|(name, _)| name == bundle_signatures()).unwrap();
        let signatures: Json = serde_json::from_slice(&file)?;
        let token = signatures["signatures"][0].as_str().unwrap_or_default();
        let parts: Vec<Vec<u8>> =
            token.split('.').map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        let own: &[u8] = br#"{"alg":"HS256","kid":"net"}"#;
        seeds.extend([mode(0, &[&file]), mode(1, &[own, &parts[1]]), mode(3, &[token.as_bytes()])]);
        seeds.push(mode(2, &[&parts[0], &parts[1], &parts[2]]));
    }
    let claims =
        br#"{"files":[{"name":"sidegate.bin","hash":"00","algorithm":"SHA-512"}],"keyid":"net","iat":1}"#;
    let headers: [&[u8]; 3] =
        [br#"{"alg":"HS256"}"#, br#"{"alg":"none","typ":"JWT"}"#, br#"{"alg":"HS256","kid":"","typ":"JWT"}"#];
    seeds.extend(headers.map(|header| mode(1, &[header, claims])));
    Ok(seeds)
}

fn bundle_signatures() -> &'static str {
    bundle::SIGNATURES_FILE
}

fn pointers() -> Seeds {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let stable = format!(r#""stable":{{"layers":[{{"digest":"{digest}","size":7}}]}}"#);
    let head = r#""mesh":"prod","namespace":"shop","workload":"cart","revision":"r1","epoch":1,"serial":7,"issued":1000,"expires":2000"#;
    let more = format!(
        r#""candidate":{{"revision":"r2","layers":[{{"digest":"{digest}","size":9}}],"percent":10,"mode":"shadow"}},"lowering":{{"mode":"shadow","until":1500,"reason":"why"}}"#
    );
    let payloads =
        [format!("{{{head},{stable}}}"), format!("{{{head},{stable},{more}}}"), format!("{{{head}}}")];
    let own: &[u8] = br#"{"alg":"HS256","kid":"net","typ":"sidegate-pointer"}"#;
    let mut seeds = Vec::new();
    for payload in payloads {
        let times: [&[u8]; 4] = [&1500_i64.to_le_bytes(), &1_u64.to_le_bytes(), &6_u64.to_le_bytes(), &[0]];
        let parts = [&[payload.as_bytes()], &times[..]].concat();
        seeds.extend([mode(1, &parts), mode(2, &[&[own], &parts[..]].concat())]);
        for algorithm in ["ES256", "ES384", "ES512", "RS256", "PS384", "HS512", "none", "EdDSA"] {
            let header = format!(r#"{{"alg":"{algorithm}","kid":"net","typ":"sidegate-pointer"}}"#);
            let signature = [1; 64];
            seeds.push(mode(3, &[header.as_bytes(), payload.as_bytes(), &signature]));
        }
        let encode = crate::packed::base64url;
        let file = format!(
            r#"{{"payload":"{}","protected":"{}","signature":"AAAA"}}"#,
            encode(payload.as_bytes()),
            encode(own)
        );
        seeds.push(mode(0, &[file.as_bytes()]));
    }
    seeds
}

fn decisions() -> io::Result<Seeds> {
    let cases = json(&engine("decisions.json"))?;
    let mut seeds = Vec::new();
    for case in cases.as_array().into_iter().flatten() {
        let text = case["decision"].to_string();
        seeds.push([&[0], text.as_bytes(), &[SEPARATOR], b"/a?b=1&c"].concat());
        seeds.push([&[203], value::written(&recorded::value(&case["decision"])).as_slice()].concat());
    }
    Ok(seeds)
}

fn inputs() -> io::Result<Seeds> {
    let mut seeds: Seeds = Vec::new();
    let mut random = asked::Random::new(1);
    for at in 0..60_u8 {
        let one = feed::written(&asked::attributes(&mut random));
        let two = feed::written(&asked::attributes(&mut random));
        let parts: [&[u8]; 6] = [b"Nparsed_query.x", &[b'G', at], &one, b"R", b"x", &two];
        seeds.push(parts.join(&SEPARATOR));
    }
    for case in lines(&engine("bodies.jsonl"), 24)? {
        let text = |key: &str| case[key].as_str().map(|text| text.as_bytes().to_vec());
        let named = [("content-type", text("type")), ("content-length", text("length"))];
        let headers = named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let bytes = text("body").unwrap_or_default();
        let body = Some(Body { received: bytes.len(), bytes, is_cut: false });
        let request = Attributes { headers, body, ..Attributes::default() };
        seeds.push([&b"G\x14"[..], &[SEPARATOR], &feed::written(&request)].concat());
    }
    Ok(seeds)
}

fn paths() -> io::Result<Seeds> {
    let cases = json(&engine("targets.json"))?;
    let targets = cases.as_array().into_iter().flatten().filter_map(|case| case["target"].as_str());
    let mut seeds: Seeds = targets.map(|target| target.as_bytes().to_vec()).collect();
    let mut random = Random(5);
    for _ in 0..300 {
        let declaration = generate::declaration(&mut random);
        seeds.extend(requests::request(&mut random, &declaration).path.map(String::into_bytes));
    }
    Ok(seeds)
}

fn tables() -> Seeds {
    let mut seeds: Seeds = Vec::new();
    let mut random = Random(9);
    for number in 0..table::DECLARATIONS {
        let declaration = table::declaration(number);
        for _ in 0..4 {
            let request = requests::request(&mut random, &declaration);
            seeds.push([&[0, number], table::fields_of(&request).as_slice()].concat());
            let (mut attributes, _) = wire::attributes(&request);
            wire::spoil(&mut random, &mut attributes);
            seeds.push([&[1, number], feed::written(&attributes).as_slice()].concat());
        }
        if !number.is_multiple_of(8) {
            continue;
        }
        let sources = sides::sources(&table::declaration(number + 1));
        let built = sidegate_compiler::build(&sources, &sidegate_compiler::BuildOptions::default()).unwrap();
        let plan = plan::plan_of(&built.bundle);
        let (_, rest) = postcard::take_from_bytes::<Program>(&plan[6..]).unwrap();
        let (_, rest) = postcard::take_from_bytes::<Messages>(rest).unwrap();
        let (tables, _) = postcard::take_from_bytes::<Vec<TableOf<&[u8]>>>(rest).unwrap();
        for (_, bytes) in tables {
            let length = u16::try_from(bytes.len()).unwrap().to_le_bytes();
            let (attributes, _) = wire::attributes(&requests::request(&mut random, &declaration));
            seeds.push([&[2], &length[..], bytes, &feed::written(&attributes)].concat());
        }
    }
    seeds
}

fn plans() -> Seeds {
    let mut seeds: Seeds = Vec::new();
    let mut random = Random(3);
    for (at, packed) in (0_u8..).zip(input::samples()) {
        seeds.push(mode(0, &[&plan::plan_of(packed)]));
        for _ in 0..6 {
            let mut seed = vec![1, at];
            seed.extend((0..24 + random.below(60)).map(|_| u8::try_from(random.below(256)).unwrap()));
            seeds.push(seed);
        }
    }
    seeds
}

fn certificates() -> io::Result<Seeds> {
    let mut seeds: Seeds = Vec::new();
    let der = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        base64::prelude::BASE64_STANDARD.decode(body).unwrap_or_default()
    };
    for text in read(&engine("certificates"), "pem")?.values() {
        seeds.extend([mode(0, &[text]), mode(1, &[&der(text)])]);
    }
    for text in read(&root().join("compiler/tests/fixtures/keys"), "pub")?.values() {
        seeds.extend([mode(0, &[text]), mode(2, &[&der(text)])]);
    }
    let cases = json(&engine("builtins-crypto.json"))?;
    let cases = cases["crypto.x509.parse_certificates"].as_array().cloned().unwrap_or_default();
    for case in cases.iter().filter(|case| !case["opa"].is_null()).take(60) {
        let text = case["args"][0].as_str().unwrap_or_default().as_bytes();
        seeds.push(if text.starts_with(b"-") { mode(1, &[&der(text)]) } else { mode(0, &[text]) });
    }
    Ok(seeds)
}

fn protos() -> io::Result<Seeds> {
    let mut seeds: Seeds = Vec::new();
    let mut random = asked::Random::new(2);
    for _ in 0..40 {
        let attributes = asked::attributes(&mut random);
        seeds.push(mode(0, &[attributes.headers.wire()]));
        seeds.push(mode(1, &[&attributes.metadata.unwrap_or_default()]));
    }
    seeds.push(mode(0, &[&headers::write(&[("", "")]).unwrap_or_default()]));
    for case in lines(&root().join("compiler/tests/fixtures/grpc.jsonl"), 12)? {
        let hex = case["body"].as_str().unwrap_or_default();
        let digits = hex.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
        let bytes: Vec<u8> = digits.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
        let message = bytes.get(5..).unwrap_or_default();
        seeds.push(mode(2, &[case["path"].as_str().unwrap_or_default().as_bytes(), message]));
    }
    Ok(seeds)
}

/// Calls that were recorded, by their builtins.
fn calls() -> io::Result<BTreeMap<String, Vec<Vec<Json>>>> {
    let mut all: BTreeMap<String, Vec<Vec<Json>>> = BTreeMap::new();
    for file in ["builtins.json", "builtins-crypto.json", "builtins-values.json"] {
        for (name, cases) in json(&engine(file))?.as_object().into_iter().flatten() {
            let cases = cases.as_array().into_iter().flatten();
            let args = cases.filter_map(|case| case["args"].as_array().cloned());
            all.entry(name.clone()).or_default().extend(args);
        }
    }
    Ok(all)
}

fn patterns() -> io::Result<Seeds> {
    let mut seeds: Seeds = Vec::new();
    for (name, cases) in calls()? {
        let at = match name.as_str() {
            "regex.match" | "regex.split" | "regex.find_n" | "regex.find_all_string_submatch_n" => (0, 1),
            "regex.template_match" => (0, 1),
            "regex.replace" => (1, 0),
            "glob.match" => (0, 2),
            _ => continue,
        };
        for args in cases {
            let text = |at: usize| args.get(at).and_then(Json::as_str).map(str::as_bytes);
            if let (Some(pattern), Some(text)) = (text(at.0), text(at.1)) {
                seeds.push([pattern, &[SEPARATOR], text].concat());
            }
        }
    }
    Ok(seeds)
}

fn builtins() -> io::Result<Seeds> {
    let names: Vec<&str> = Builtin::names().collect();
    let mut seeds: Seeds = Vec::new();
    for (name, cases) in calls()? {
        let Some(at) = names.iter().position(|known| *known == name) else { continue };
        // Some of each are enough to begin with.
        let every = (cases.len() / 24).max(1);
        for args in cases.iter().step_by(every) {
            let args: Vec<Value> = args.iter().map(recorded::value).collect();
            let head = u8::try_from(at).unwrap_or_default();
            seeds.push([vec![head], args.iter().flat_map(value::written).collect()].concat());
        }
    }
    Ok(seeds)
}
