//! What the host hands over in forms of its own: header maps, metadata, and bodies of gRPC.

use std::sync::Arc;

use serde_json::Value as Json;
use sidegate_engine::attributes::{Attributes, Body, Workload};
use sidegate_engine::headers::{self, Headers};
use sidegate_engine::input::InputBuilder;
use sidegate_engine::needs::Needs;

use crate::feed::halves;
use crate::input::messages;

/// A header map that is read is the one that was written, byte for byte. Metadata and messages become JSON, or are
/// refused.
///
/// The first byte says what the others are: a header map; metadata, and metadata of the route; a path and a message.
pub fn proto(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    match mode % 3 {
        0 => header_map(rest),
        1 => {
            let (metadata, of_route) = halves(rest);
            let attributes = Attributes {
                metadata: Some(metadata.to_vec()),
                route_metadata: (!of_route.is_empty()).then(|| of_route.to_vec()),
                ..Attributes::default()
            };
            document(&attributes);
        }
        _ => {
            let (path, message) = halves(rest);
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            let framed = [&[0], &length[..], message].concat();
            for bytes in [framed, message.to_vec()] {
                let headers = [(&b":path"[..], path), (b"content-type", b"application/grpc")].into();
                let body = Some(Body { received: bytes.len(), bytes, is_cut: false });
                document(&Attributes { headers, body, ..Attributes::default() });
            }
        }
    }
}

fn header_map(wire: &[u8]) {
    let Some(read) = Headers::read(wire.to_vec()) else { return };
    let all: Vec<(&[u8], &[u8])> = read.iter().collect();
    assert_eq!((all.len(), all.is_empty()), (read.len(), read.is_empty()));
    if !all.is_empty() {
        assert_eq!(headers::write(&all).as_deref(), Some(wire), "what is read is what was written");
        assert_eq!(read.wire(), wire);
    }
    for (name, value) in &all {
        assert!(read.values(name).any(|found| found == *value));
    }
    assert_eq!(read, read.to_vec().into_iter().collect());
    let attributes = Attributes { headers: read, ..Attributes::default() };
    let _ = attributes.is_tunnel();
    document(&attributes);
}

fn document(attributes: &Attributes) {
    let builder = InputBuilder::new(&Workload::default()).with_messages(Arc::clone(messages()));
    let Ok(document) = builder.build(&Needs::all(), attributes) else { return };
    let json: Json = serde_json::from_str(&document.to_json_str().unwrap()).expect("a document is JSON");
    if attributes.metadata.is_some() {
        assert!(json["attributes"]["metadataContext"].is_object());
    }
}
