//! Bodies: what a policy that reads them is to parse.

use super::{BODY_LIMIT, Random};
use crate::client2::grpc_message;

/// What a path of the listener that reads bodies takes: the path, a content type, a body.
pub(super) type Sent = (&'static str, &'static str, Vec<u8>);

const JSON: &[&str] = &[
    r#"{"ok": true}"#,
    r#"{"ok": false, "ok": true}"#,
    r#"{"ok": true, "ok": false}"#,
    r#"{"ok": "true"}"#,
    r#"{"OK": true}"#,
    r#"{"\u006fk": true}"#,
    r#"{"ok": true}{"ok": false}"#,
    r#"{"ok": true"#,
    r#"["ok", true]"#,
    r#"{"ok": true, "n": 1e400}"#,
    r#"{"ok": true, "n": -0.0000000000000000000000000000000000001e-99999}"#,
    "\u{feff}{\"ok\": true}",
    r#"{"ok": true, "s": "\ud800"}"#,
    r#"{"ok": true, "s": "\u0000"}"#,
    "{\"ok\":\ttrue}\n",
    "{\"ok\": true}\0",
    "",
    " ",
    "null",
    "true",
    "\"ok\"",
    "1",
    "{",
    "}",
    "[[[[",
    "{\"a\":",
    "{\"ok\": true,}",
    "{'ok': true}",
    "{\"ok\": TRUE}",
    "// x\n{\"ok\": true}",
];
const FORMS: &[&str] = &[
    "ok=true",
    "ok=true&ok=false",
    "ok=false&ok=true",
    "ok=%74rue",
    "%6fk=true",
    "ok=true;x=1",
    "ok",
    "=true",
    "&&&",
    "ok=%zz",
    "ok=true&%zz",
    "ok=tru%",
    "ok=true\0",
    "ok=+true",
    "a=1&b=2&ok=true",
];
const MULTIPART: &[&str] = &[
    "--zz\r\ncontent-disposition: form-data; name=\"ok\"\r\n\r\ntrue\r\n--zz--\r\n",
    "--zz\r\ncontent-disposition: form-data; name=ok\r\n\r\ntrue\r\n--zz--\r\n",
    "--zz\r\ncontent-disposition: form-data; name=\"ok\"; filename=\"x\"\r\ncontent-type: application/json\r\n\r\ntrue\r\n--zz--\r\n",
    "--zz\r\ncontent-disposition: form-data; name=\"ok\"\r\n\r\ntrue\r\n--zz\r\ncontent-disposition: form-data; name=\"ok\"\r\n\r\nfalse\r\n--zz--",
    "--zz\r\n\r\ntrue\r\n--zz--\r\n",
    "--zz\r\nname=ok\r\n\r\ntrue",
    "--zz--",
    "--zz",
    "--zz\n\ntrue\n--zz--\n",
    "--yy\r\n\r\n--yy--",
    "--zz\r\ncontent-disposition: form-data; name=\"o\\\"k\"\r\ncontent-transfer-encoding: quoted-printable\r\n\r\ntr=75e\r\n--zz--\r\n",
];

/// A body for the listener that reads them.
pub(super) fn body(random: &mut Random) -> Sent {
    let (path, kind, mut bytes) = match random.below(10) {
        0..4 => ("/ok/json", "application/json", random.pick(JSON).as_bytes().to_vec()),
        4 => ("/ok/json", "application/json", large_json(random)),
        5 => ("/ok/form", "application/x-www-form-urlencoded", random.pick(FORMS).as_bytes().to_vec()),
        6 => ("/ok/form", "multipart/form-data; boundary=zz", random.pick(MULTIPART).as_bytes().to_vec()),
        _ => ("/t.v1.Tests/Do", "application/grpc", grpc(random)),
    };
    if random.one_in(3) {
        random.spoil(&mut bytes);
    }
    (path, kind, bytes)
}

fn large_json(random: &mut Random) -> Vec<u8> {
    let size = random.pick(&[100, 1000, BODY_LIMIT - 20, BODY_LIMIT, BODY_LIMIT + 1, 100_000, 1 << 20]);
    let times = |part: &str| part.repeat(size / part.len());
    match random.below(6) {
        0 => times("["),
        1 => times("{\"a\":"),
        2 => format!("{{\"ok\": true, \"n\": {}}}", times("9")),
        3 => format!("{{\"ok\": true, \"s\": \"{}\"}}", times("\\u00e9")),
        4 => format!("{{\"ok\": true, \"a\": [{}1]}}", times("1,")),
        _ => format!("{{{}\"ok\": true}}", times("\"k\": 1, ")),
    }
    .into_bytes()
}

fn grpc(random: &mut Random) -> Vec<u8> {
    let good: &[u8] = b"\x18\x07";
    let message: Vec<u8> = match random.below(10) {
        0..3 => good.to_vec(),
        3 => {
            let length = random.length(2000);
            random.bytes(length)
        }
        // A message in itself, ever deeper.
        4 => (0..random.pick(&[10, 101, 2000])).fold(good.to_vec(), |inner, _| {
            let mut outer = b"\x8a\x01".to_vec();
            let mut length = inner.len();
            while length >= 0x80 {
                outer.push(length.to_le_bytes()[0] | 0x80);
                length >>= 7;
            }
            outer.push(length.to_le_bytes()[0]);
            outer.extend(inner);
            outer
        }),
        5 => b"\x18\x07\x18\x08".to_vec(),
        6 => b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(),
        7 => b"\x1b\x18\x07\x1c".to_vec(),
        8 => [good, &b"\x72\xff\xff\xff\xff\x0f"[..]].concat(),
        _ => good.repeat(random.pick(&[1, 100, 9_999, 20_000])),
    };
    let mut framed = grpc_message(&message);
    match random.below(8) {
        0 => framed[0] = random.byte(),
        1 => framed[1] = 0xff,
        2 => framed[4] = framed[4].wrapping_add(1),
        3 => framed.extend(grpc_message(b"\x18\x08")),
        4 => framed.truncate(random.below(6)),
        _ => {}
    }
    framed
}
