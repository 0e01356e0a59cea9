//! Requests as the proxy gets them: raw bytes, from which the input is built, or a table answers.

use serde_json::Value as Json;
use sidegate_engine::Value;
use sidegate_engine::actions::Actions;
use sidegate_engine::attributes::{Attributes, Phase};
use sidegate_engine::decide::{Settings, Waived};
use sidegate_engine::decision::Decision;
use sidegate_engine::limits::Limits;

use super::generate::Random;
use super::model::Request;

const JWT: &str = "envoy.filters.http.jwt_authn";

/// The attributes of a request, and the request as it is seen then: names of the peer are always known.
pub(crate) fn attributes(request: &Request) -> (Attributes, Request) {
    let pseudo = [
        (":method", request.method.as_deref()),
        (":path", request.path.as_deref()),
        (":authority", request.host.as_deref()),
        (":scheme", Some("https")),
    ];
    let pseudo = pseudo.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let other = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut attributes = Attributes { headers: pseudo.chain(other).collect(), ..Attributes::default() };
    let bytes = |text: &String| text.as_bytes().to_vec();
    let principal = request.principal.as_ref().filter(|name| !name.is_empty());
    match (&request.uris, principal) {
        (Some(uris), _) if !uris.is_empty() => attributes.peer_uri_sans = uris.iter().map(bytes).collect(),
        (None, Some(principal)) if principal.contains("://") => {
            attributes.peer_uri_sans = vec![bytes(principal)];
        }
        (_, principal) => attributes.peer_subject = principal.map(bytes),
    }
    attributes.local_uri_san = request.own.as_ref().map(bytes);
    attributes.destination_address = request.port.map(|port| format!("10.0.0.9:{port}").into_bytes());
    attributes.source_address = request.address.as_ref().map(|address| {
        let address =
            if address.contains(':') { format!("[{address}]:40000") } else { format!("{address}:40000") };
        address.into_bytes()
    });
    attributes.metadata = request.claims.as_ref().map(metadata);

    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
    let seen = Request {
        principal: attributes.peer_principal().map(|name| text(&name.to_vec())),
        uris: Some(attributes.peer_uri_sans.iter().map(text).collect()),
        ..request.clone()
    };
    (attributes, seen)
}

/// What a decision makes the proxy do, and why it does not.
pub(crate) fn outcome(
    decision: &Json,
    attributes: &Attributes,
    settings: &Settings,
) -> (Actions, Option<Waived>) {
    let (decision, marks) =
        Decision::read_marked(&Value::from(decision.clone()), &Limits::default()).unwrap();
    (Actions::new(decision, Phase::Request, attributes.header(b":path")).unwrap(), settings.waived(marks))
}

/// Changes attributes into what a client, or an odd proxy, could send.
pub(crate) fn spoil(random: &mut Random, attributes: &mut Attributes) {
    for _ in 0..1 + random.below(2) {
        let mut headers = attributes.headers.to_vec();
        let count = headers.len();
        match random.below(12) {
            0 if count > 0 => {
                let (name, _) = headers[random.below(count)].clone();
                let value =
                    random.pick(&[&b"a"[..], b"", b" b", b"\xff", b"a,b", b"GET", b"/v1/charges", b"ab "]);
                headers.push((name, value.to_vec()));
            }
            1 if count > 0 => {
                let at = random.below(count);
                let bytes =
                    random.pick(&[&b"\xff"[..], b"\xc3\xa9", b"\t", b"\x01", b"!", b" ", b"\xc2\xa0", b","]);
                let value = &mut headers[at].1;
                let place = random.below(value.len() + 1);
                value.splice(place..place, bytes.iter().copied());
            }
            2 if count > 0 => {
                headers.remove(random.below(count));
            }
            3 if count > 0 => headers[random.below(count)].1.clear(),
            4 => headers.push((b"x-envoy-auth-partial-body".to_vec(), b"true".to_vec())),
            5 => {
                let sans = &mut attributes.peer_uri_sans;
                let san = random.pick(&[
                    &b""[..],
                    b"\xff",
                    b"spiffe://cluster.local/ns/shop/sa/w\xff",
                    b"spiffe://td2/ns/shop/sa/web",
                ]);
                let place = random.below(sans.len() + 1);
                sans.insert(place, san.to_vec());
            }
            6 => attributes.peer_dns_san = Some(b"web.shop".to_vec()),
            7 => {
                attributes.local_uri_san = random.pick(&[
                    None,
                    Some(b"spiffe://\xff/x".to_vec()),
                    Some(b"spiffe://td2/x".to_vec()),
                    Some(Vec::new()),
                ])
            }
            8 => {
                attributes.source_address = random.pick(&[
                    None,
                    Some(b"10.1.2.3:0".to_vec()),
                    Some(b"/run/x".to_vec()),
                    Some(b"envoy://listener/x".to_vec()),
                    Some(b"[::ffff:10.1.2.3]:40000".to_vec()),
                    Some(b"[fd00::1%eth0]:40000".to_vec()),
                    Some(b"010.1.2.3:40000".to_vec()),
                    Some(b":40000".to_vec()),
                    Some(b"10.1.2.3".to_vec()),
                    Some(b"10.1.2.3:99999".to_vec()),
                    Some(b"\xff:1".to_vec()),
                ]);
            }
            9 => {
                attributes.destination_address = random.pick(&[
                    None,
                    Some(b"@abstract".to_vec()),
                    Some(b"[::1]:8080".to_vec()),
                    Some(b"10.0.0.9:080".to_vec()),
                    Some(b"10.0.0.9:x".to_vec()),
                    Some(b"\xff".to_vec()),
                ]);
            }
            10 => attributes.metadata = random.pick(&[None, Some(b"\xff".to_vec()), Some(Vec::new())]),
            _ => {
                let path = random.pick(&[
                    &b"/v1/charges?a=%zz"[..],
                    b"/v1/charges?a;b",
                    b"/v1/charges?a=\xff",
                    b"/v1/charges/\xff",
                    b"/v1/charges/%",
                    b"/%41dmin/?x=1",
                    b"/V1/Charges/%31/",
                    b"?",
                    b"/v1/charges?x=\"<>",
                ]);
                for (name, value) in &mut headers {
                    if name == b":path" {
                        *value = path.to_vec();
                    }
                }
            }
        }
        attributes.headers = headers.into_iter().collect();
    }
}

/// Claims as Envoy's `jwt_authn` leaves them: an `envoy.config.core.v3.Metadata`.
fn metadata(claims: &Json) -> Vec<u8> {
    let mut of_filter = Vec::new();
    entry(&mut of_filter, "payload", &value(claims));
    let mut message = Vec::new();
    entry(&mut message, JWT, &of_filter);
    message
}

fn value(json: &Json) -> Vec<u8> {
    let mut message = Vec::new();
    match json {
        Json::Null => message.extend([0x08, 0]),
        Json::Bool(flag) => message.extend([0x20, u8::from(*flag)]),
        Json::Number(number) => {
            message.push(0x11);
            message.extend(number.as_f64().unwrap().to_le_bytes());
        }
        Json::String(text) => field(&mut message, 3, text.as_bytes()),
        Json::Object(fields) => {
            let mut structure = Vec::new();
            for (name, json) in fields {
                entry(&mut structure, name, &value(json));
            }
            field(&mut message, 5, &structure);
        }
        Json::Array(items) => {
            let mut list = Vec::new();
            for item in items {
                field(&mut list, 1, &value(item));
            }
            field(&mut message, 6, &list);
        }
    }
    message
}

fn entry(message: &mut Vec<u8>, key: &str, value: &[u8]) {
    let mut entry = Vec::new();
    field(&mut entry, 1, key.as_bytes());
    field(&mut entry, 2, value);
    field(message, 1, &entry);
}

fn field(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        message.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    message.push(u8::try_from(length).unwrap());
    message.extend(bytes);
}
