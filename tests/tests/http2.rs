//! The HTTP/2 client of the tests, against real Envoys: what other tests conclude from it stands on this.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use sidegate_tests::certs::{Authority, Identity, spiffe};
use sidegate_tests::client2::{Call, Connection2, grpc_message};
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, address, bootstrap, cluster, grpc_cluster};
use sidegate_tests::frames::{self, End, RawConnection};
use sidegate_tests::grpc_upstream::GrpcUpstream;
use sidegate_tests::places;
use sidegate_tests::upstream::{Echo, Upstream};

const PATIENCE: Duration = Duration::from_secs(20);

/// An Envoy without the filter: one listener in front of a service of HTTP/1.1, one in front of a gRPC service.
struct Place {
    envoy: Envoy,
    grpc: GrpcUpstream,
    _plain: Upstream,
    authority: Authority,
    _dir: tempfile::TempDir,
}

impl Place {
    fn new(version: &str) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let (plain, grpc) = (Upstream::start(), GrpcUpstream::start());
        let authority = Authority::new(dir.path());
        let own = authority.identity("service", &spiffe("default", "service"));
        let listener = |name| Listener {
            name,
            identity: &own,
            plaintext: true,
            filters: Vec::new(),
            route_metadata: None,
            access_log: None,
            cluster: Some(name),
        };
        let listeners = ["plain", "grpc"].map(|name| listener(name).to_json());
        let to = address("127.0.0.1", grpc.address().port());
        let clusters = [cluster("plain", plain.address()), grpc_cluster("grpc", to)];
        let envoy = Envoy::start(version, &bootstrap(&listeners, &clusters), dir.path()).unwrap();
        Self { envoy, grpc, _plain: plain, authority, _dir: dir }
    }

    fn open(&self, listener: &str, identity: Option<&Identity>) -> Connection2 {
        Connection2::open(self.envoy.listener(listener).unwrap(), identity).unwrap()
    }
}

#[test]
fn unary_and_streaming_calls_go_both_ways() {
    for version in places::envoys() {
        let place = Place::new(&version);
        let caller = place.authority.identity("caller", &spiffe("shop", "web"));
        for identity in [None, Some(&caller)] {
            let mut plain = place.open("plain", identity);
            let mut call = Call::new("PUT", "/a//b%2Fc?x=1", &[("x-odd", "1"), ("x-odd", "2")]);
            call.headers.push(("x-bytes".to_owned(), b"\xff\xfe".to_vec()));
            call.data = vec![b"ab".to_vec(), b"c".to_vec()];
            let reply = plain.call(&call).unwrap();
            let echo: Echo = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!((reply.status, reply.trailers, reply.reset), (200, None, None), "envoy {version}");
            assert_eq!(
                (echo.method.as_str(), echo.path.as_str(), echo.body_bytes),
                ("PUT", "/a//b%2Fc?x=1", 3)
            );
            assert_eq!((echo.values("x-odd"), echo.values("x-bytes")), (vec!["1", "2"], vec!["\\xff\\xfe"]));

            let mut grpc = place.open("grpc", identity);
            let reply = grpc.call(&Call::grpc("/t.v1.Tests/Do", b"hello")).unwrap();
            assert_eq!((reply.status, reply.body.clone()), (200, grpc_message(b"hello")), "envoy {version}");
            assert_eq!((reply.grpc_status().as_deref(), reply.is_headers_only), (Some("0"), false));
            assert!(reply.values("grpc-status").is_empty(), "in the trailers, not in the headers");

            let mut stream = grpc.start(&Call::grpc("/t.v1.Tests/Stream", b"")).unwrap();
            for message in [b"one".as_slice(), b"two", b"three"] {
                stream.send(&grpc_message(message)).unwrap();
            }
            let reply = stream.finish(&[("x-trailer".to_owned(), b"7".to_vec())]).unwrap();
            assert_eq!(reply.body, [b"one".as_slice(), b"two", b"three"].map(grpc_message).concat());
            assert_eq!(reply.trailers.unwrap().len(), 2, "grpc-status and the trailer that was sent");

            let begun = place.grpc.begun();
            let mut stream = grpc.start(&Call::grpc("/t.v1.Tests/Stream", b"")).unwrap();
            stream.send(&grpc_message(b"one")).unwrap();
            stream.reset();
            assert_eq!(
                grpc.call(&Call::grpc("/t.v1.Tests/Do", b"")).unwrap().grpc_status().as_deref(),
                Some("0")
            );
            assert_eq!(place.grpc.begun(), begun + 2);
        }
    }
}

#[test]
fn frames_by_hand_are_answered_like_others() {
    for version in places::envoys() {
        let place = Place::new(&version);
        let caller = place.authority.identity("caller", &spiffe("shop", "web"));
        for identity in [None, Some(&caller)] {
            let mut raw = RawConnection::open(place.envoy.listener("plain").unwrap(), identity).unwrap();
            let fields = {
                let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
                frames::block(&fields)
            };
            for (stream, piece) in [(1, 1000), (3, 3), (5, 1)] {
                raw.write(&frames::headers(stream, &fields, true, piece)).unwrap();
                assert_eq!(
                    raw.end_of(stream, PATIENCE),
                    End::Status(200),
                    "envoy {version}, pieces of {piece}"
                );
            }
            raw.write(&frames::headers(7, b"\xff\xff\xff\xff\xff\xff", true, 100)).unwrap();
            assert!(matches!(raw.end_of(7, PATIENCE), End::Gone(_)), "envoy {version}");
        }
    }
}

#[test]
fn who_is_not_trusted_gets_no_connection() {
    let place = Place::new(&places::envoy_newest());
    let to = place.envoy.listener("plain").unwrap();
    let name = spiffe("shop", "web");
    let bad = [
        place.authority.impostor("impostor", &name),
        place.authority.expired("expired", &name),
        place.authority.nameless("nameless"),
    ];
    for identity in &bad {
        let opened =
            Connection2::open(to, Some(identity)).and_then(|mut c| c.call(&Call::new("GET", "/", &[])));
        assert!(opened.is_err(), "{}: {opened:?}", identity.cert.display());
    }
}
