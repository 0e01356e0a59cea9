//! A bounded number of requests, one after the other on each of some connections; every answer is looked at.

use std::net::SocketAddr;

use sidegate_bench::request::request;
use sidegate_tests::certs::Identity;
use sidegate_tests::client::Connection;

/// Open connections, kept over all rounds.
pub(crate) struct Load {
    connections: Vec<Connection>,
    request: Vec<u8>,
}

impl Load {
    pub(crate) fn open(
        to: SocketAddr,
        caller: &Identity,
        headers: usize,
        connections: usize,
    ) -> Result<Self, String> {
        let connections =
            (0..connections).map(|_| Connection::open(to, Some(caller))).collect::<Result<_, _>>()?;
        Ok(Self { connections, request: request(headers).to_bytes() })
    }

    /// Sends at least `requests` in all; each must be answered with 200. Gives back how many it sent.
    pub(crate) fn run(&mut self, requests: usize) -> Result<usize, String> {
        let count = self.connections.len();
        let each = requests.div_ceil(count);
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
        })?;
        Ok(each * count)
    }
}
