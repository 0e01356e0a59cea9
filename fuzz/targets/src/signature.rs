//! `.signatures.json`.

use serde_json::Value as Json;
use sidegate_engine::trust::{Trust, unverified};

use crate::feed::fields;
use crate::packed::{ID, gzip, hmac, is_line, limits, own, signatures, strangers, tar, token, workload};

/// No key verifies what it has not signed, and of what the own key has signed nothing is believed that is not there.
///
/// The first byte says what the others are: the file; a header and claims, to be signed; a header, claims and a
/// signature, which are put together; the text of a token.
pub fn signature(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    let parts: Vec<&[u8]> = fields(rest).collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    match mode % 4 {
        0 => foreign(rest),
        1 => signed(part(0), part(1)),
        2 => {
            let encode = crate::packed::base64url;
            let text = format!("{}.{}", encode(part(0)), encode(part(1)));
            assert_ne!(part(2), hmac(crate::packed::SECRET, text.as_bytes()), "the secret is known");
            foreign(&signatures(&format!("{text}.{}", encode(part(2)))));
        }
        _ => foreign(&signatures(&String::from_utf8_lossy(rest))),
    }
}

/// The bundle that has this file and no other.
fn bundle(file: &[u8]) -> Vec<u8> {
    gzip(&tar(&[(".signatures.json", file)]).unwrap())
}

/// Nobody has signed it.
fn foreign(file: &[u8]) {
    let bundle = bundle(file);
    let says = unverified(file);
    let ask = |trust: &Trust| trust.signed(&bundle, &limits(), &workload());
    for trust in strangers().chain([own()]) {
        match ask(&trust) {
            Ok(_) => panic!("nobody signed it, and it is believed: {says:?}"),
            Err(error) => is_line(&error),
        }
        // Nor is it passed over where a signature may be absent.
        let optional = Trust { required: false, ..trust };
        assert!(ask(&optional).is_err(), "a bad signature is passed over");
    }
    assert!(matches!(ask(&Trust::nothing_required()), Ok(None)));
}

fn signed(header: &[u8], claims: &[u8]) {
    let file = signatures(&token(header, claims));
    let bundle = bundle(&file);
    assert!(strangers().all(|trust| trust.signed(&bundle, &limits(), &workload()).is_err()));
    let Ok(believed) = own().signed(&bundle, &limits(), &workload()) else { return };
    let believed = believed.expect("a signature is required");
    let mut says = unverified(&file).expect("what is believed is read");
    // The only key may go without a name.
    says.key_id = ID.to_owned();
    assert_eq!(believed, says);
    let header: Json = serde_json::from_slice(header).expect("a header of JSON");
    let claims: Json = serde_json::from_slice(claims).expect("claims of JSON");
    assert_eq!(header["alg"], "HS256", "the algorithm is the key's");
    assert!(matches!(&header["kid"], Json::Null) || header["kid"] == ID || header["kid"] == "");
    assert_ne!(header["typ"], "sidegate-pointer", "a pointer is taken for a bundle's signature");
    assert_eq!(claims.get("scope").and_then(Json::as_str).unwrap_or_default(), "", "the scope is compared");
    let listed = claims["files"].as_array().expect("a list of files");
    assert_eq!(listed.len(), believed.files.len());
    for file in listed {
        let name = file["name"].as_str().expect("a name");
        let name = name.strip_prefix("./").or_else(|| name.strip_prefix('/')).unwrap_or(name);
        assert!(believed.files.contains_key(name), "{name:?} is listed");
    }
}
