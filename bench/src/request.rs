//! The request that everything here is asked about: what a browser sends through a gateway.

use sidegate_tests::certs::spiffe;
use sidegate_tests::client::Request;

/// Namespace and service account of the caller.
pub const CALLER: (&str, &str) = ("web", "frontend");
/// The request target.
pub const TARGET: &str = "/orders/17?expand=items";
/// Headers of a request, where the benchmark is not about them.
pub const HEADERS: usize = 15;

const KNOWN: [(&str, &str); HEADERS] = [
    ("host", "orders.shop.svc.cluster.local"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "application/json, text/plain, */*"),
    ("accept-language", "en-US,en;q=0.8,de;q=0.5"),
    ("accept-encoding", "gzip, deflate, br"),
    ("authorization", "Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJib2IiLCJhdWQiOiJzaG9wIn0.c2lnbmF0dXJl"),
    ("cookie", "session=2f1c0a7e5d; theme=dark; consent=yes"),
    ("x-request-id", "5f2c2c5e-9a0d-4d53-9c9b-6a2f5ad0b6a1"),
    ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7"),
    ("x-b3-spanid", "e457b5a2e4d86bd1"),
    ("x-b3-sampled", "1"),
    ("x-tenant", "blue"),
    ("x-client-version", "4.17.2"),
    ("referer", "https://shop.test/orders"),
    ("origin", "https://shop.test"),
];

/// The caller's SPIFFE id.
pub fn principal() -> String {
    spiffe(CALLER.0, CALLER.1)
}

/// So many headers, `host` first.
pub fn headers(count: usize) -> Vec<(String, String)> {
    let more = (HEADERS..count).map(|at| (format!("x-header-{at}"), format!("some value of header {at}")));
    let known = KNOWN.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    known.take(count).chain(more).collect()
}

/// The request with so many headers.
pub fn request(count: usize) -> Request {
    let headers = headers(count).into_iter().map(|(n, v)| (n.into_bytes(), v.into_bytes())).collect();
    Request { method: "GET".to_owned(), target: TARGET.as_bytes().to_vec(), headers, body: None }
}

/// The headers as Envoy shows them to a filter: pseudo-headers first, and those that it adds.
pub fn seen(count: usize) -> Vec<(String, String)> {
    let mut all = headers(count);
    let (_, host) = all.remove(0);
    let own = [
        (":authority", host),
        (":path", TARGET.to_owned()),
        (":method", "GET".to_owned()),
        (":scheme", "https".to_owned()),
    ];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    let client = format!("By=spiffe://cluster.local/ns/shop/sa/orders;Subject=\"\";URI={}", principal());
    let added = [("x-forwarded-proto", "https".to_owned()), ("x-forwarded-client-cert", client)];
    own.chain(all).chain(added.into_iter().map(|(name, value)| (name.to_owned(), value))).collect()
}
