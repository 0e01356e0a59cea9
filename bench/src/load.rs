//! A bounded number of requests, one after the other on each of two connections.

use std::net::SocketAddr;

use sidegate_tests::certs::Identity;
use sidegate_tests::client::{Connection, Request};

/// Headers of each request, as many as a browser's through a gateway.
pub(crate) const HEADERS: usize = 15;
const CONNECTIONS: usize = 2;

/// Open connections, kept over all rounds.
pub(crate) struct Load {
    connections: Vec<Connection>,
    request: Vec<u8>,
}

impl Load {
    pub(crate) fn open(to: SocketAddr, caller: &Identity) -> Result<Self, String> {
        let connections =
            (0..CONNECTIONS).map(|_| Connection::open(to, Some(caller))).collect::<Result<_, _>>()?;
        Ok(Self { connections, request: request().to_bytes() })
    }

    /// Sends `requests` in all; each must be answered with 200.
    pub(crate) fn run(&mut self, requests: usize) -> Result<(), String> {
        let each = requests.div_ceil(CONNECTIONS);
        let request = &self.request;
        std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .connections
                .iter_mut()
                .map(|connection| {
                    scope.spawn(move || {
                        for _ in 0..each {
                            let response = connection.send_bytes(request, false)?;
                            if response.status != 200 {
                                let body = String::from_utf8_lossy(&response.body).into_owned();
                                return Err(format!("expected 200, got {} `{body}`", response.status));
                            }
                        }
                        Ok(())
                    })
                })
                .collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().map_err(|_| "a client panicked".to_owned())?)
        })
    }
}

fn request() -> Request {
    let mut headers: Vec<(Vec<u8>, Vec<u8>)> = [
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
    ]
    .iter()
    .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
    .collect();
    headers.truncate(HEADERS);
    Request { method: "GET".to_owned(), target: b"/orders/17?expand=items".to_vec(), headers, body: None }
}
