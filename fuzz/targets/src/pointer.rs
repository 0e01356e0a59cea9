//! Signed pointers.

use serde_json::Value as Json;
use sidegate_engine::trust::{Layer, Pointer, Trust};

use crate::feed::{fields, number};
use crate::packed::{SECRET, base64url, hmac, own, strangers, workload};

/// No key verifies what it has not signed. What the own key has signed is a pointer only if it says all that one must,
/// for this mesh and workload, and it holds only in its time and order.
///
/// The first byte says what the others are: the file; a payload, to be signed; a header and a payload, to be signed; a
/// header, a payload and a signature, which are put together. Behind a payload that is signed may follow time, epoch and
/// serial.
pub fn pointer(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    let parts: Vec<&[u8]> = fields(rest).collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    let header = br#"{"alg":"HS256","kid":"net","typ":"sidegate-pointer"}"#;
    match mode % 4 {
        0 => foreign(rest),
        1 => signed(header, part(0), &parts[1..]),
        2 => signed(part(0), part(1), parts.get(2..).unwrap_or_default()),
        _ => foreign(&file(part(0), part(1), part(2))),
    }
}

fn file(header: &[u8], payload: &[u8], signature: &[u8]) -> Vec<u8> {
    let [protected, payload, signature] = [header, payload, signature].map(base64url);
    serde_json::json!({"payload": payload, "protected": protected, "signature": signature})
        .to_string()
        .into_bytes()
}

fn foreign(file: &[u8]) {
    for trust in strangers().chain([own()]) {
        let error = trust.pointer(file, &workload()).expect_err("nobody signed it, and it is believed");
        crate::packed::is_line(&error);
        // Nor where signatures are not required: a key that is configured counts.
        let optional = Trust { required: false, ..trust };
        assert!(optional.pointer(file, &workload()).is_err(), "a bad signature is passed over");
    }
    let open = Trust { mesh: "prod".to_owned(), ..Trust::nothing_required() };
    if let Ok(pointer) = open.pointer(file, &workload()) {
        sound(&pointer);
    }
}

fn signed(header: &[u8], payload: &[u8], times: &[&[u8]]) {
    let text = format!("{}.{}", base64url(header), base64url(payload));
    let file = file(header, payload, &hmac(SECRET, text.as_bytes()));
    assert!(strangers().all(|trust| trust.pointer(&file, &workload()).is_err()));
    let Ok(pointer) = own().pointer(&file, &workload()) else { return };
    sound(&pointer);
    let header: Json = serde_json::from_slice(header).expect("a header of JSON");
    assert_eq!((&header["alg"], &header["typ"]), (&"HS256".into(), &"sidegate-pointer".into()));
    let says: Json = serde_json::from_slice(payload).expect("a payload of JSON");
    let mut wanted = says.clone();
    // What may be absent may also be null, and is not written.
    if let Some(fields) = wanted.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    assert_eq!(serde_json::to_value(&pointer).unwrap(), wanted, "it is what was signed, nothing more");
    // Under another name of the mesh or the workload nobody takes it.
    let elsewhere = sidegate_engine::attributes::Workload { name: "other".to_owned(), ..workload() };
    assert!(own().pointer(&file, &elsewhere).is_err());
    assert!(Trust { mesh: "test".to_owned(), ..own() }.pointer(&file, &workload()).is_err());
    let time = |at: usize| times.get(at).map_or(0, |bytes| number(bytes));
    check(&pointer, time(0), (time(1).cast_unsigned(), time(2).cast_unsigned()), time(3).cast_unsigned());
}

/// What every pointer is.
fn sound(pointer: &Pointer) {
    assert_eq!((pointer.mesh.as_str(), pointer.namespace.as_str()), ("prod", "shop"));
    assert_eq!(pointer.workload, "cart");
    let candidate = pointer.candidate.as_ref();
    assert!(candidate.is_none_or(|candidate| (1..=100).contains(&candidate.percent)));
    for layers in [Some(&pointer.stable.layers), candidate.map(|one| &one.layers)].into_iter().flatten() {
        assert!((1..=64).contains(&layers.len()));
        for Layer { digest, .. } in layers {
            let hex = digest.strip_prefix("sha256:").expect("a digest of SHA-256");
            assert!(hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        }
    }
    let signed = pointer.sign("HS256", "net", crate::packed::sign).unwrap();
    assert_eq!(own().pointer(&signed, &workload()).as_ref(), Ok(pointer), "written and read again");
}

/// A pointer holds before it ends, and from the order on that was taken last.
fn check(pointer: &Pointer, now: i64, floor: (u64, u64), least: u64) {
    let is_in_order = pointer.serial >= least && (pointer.epoch, pointer.serial) >= floor;
    // Of a pointer that ends further before than a number of seconds can say.
    let is_over = i128::from(now) - i128::from(pointer.expires) >= 0;
    let is_odd = now.checked_sub(pointer.expires).is_none();
    assert_eq!(pointer.check_order(Some(floor), least).is_ok(), is_in_order);
    let holds = pointer.check(now, Some(floor), least).is_ok();
    assert!(!holds || is_in_order && !is_over, "it does not hold");
    assert_eq!(holds, is_in_order && !is_over && !is_odd);
    assert_eq!(pointer.check_order(None, 0), Ok(()));
}
