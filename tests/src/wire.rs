//! A connection to a proxy as bytes: plain TCP or mTLS, kept, closed or broken off as a test wants it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::certs::Identity;

/// How long a read, a write or connecting may take where a test says nothing else.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// ALPN of HTTP/2.
pub const H2: &[u8] = b"h2";

/// An open connection.
pub struct Wire {
    stream: Box<dyn Stream>,
    tcp: TcpStream,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Wire {
    /// Connects in plaintext, or over mTLS with `identity`, asking for the protocol `alpn` where there is one.
    ///
    /// # Errors
    /// The connection is refused or the handshake fails.
    pub fn open(to: SocketAddr, identity: Option<&Identity>, alpn: Option<&[u8]>) -> Result<Self, String> {
        let at = |what: &str, e: &dyn std::fmt::Display| format!("{what} {to}: {e}");
        let mut tcp = TcpStream::connect_timeout(&to, TIMEOUT).map_err(|e| at("could not connect to", &e))?;
        tcp.set_read_timeout(Some(TIMEOUT)).map_err(|e| at("no read timeout on", &e))?;
        tcp.set_write_timeout(Some(TIMEOUT)).map_err(|e| at("no write timeout on", &e))?;
        tcp.set_nodelay(true).map_err(|e| at("no nodelay on", &e))?;
        let other = tcp.try_clone().map_err(|e| at("no second handle of", &e))?;
        let Some(identity) = identity else { return Ok(Self { stream: Box::new(tcp), tcp: other }) };
        let name = ServerName::try_from("localhost").expect("a valid name");
        let mut config = identity.client_config();
        if let Some(alpn) = alpn {
            Arc::make_mut(&mut config).alpn_protocols = vec![alpn.to_vec()];
        }
        let mut tls = ClientConnection::new(config, name).map_err(|e| at("no TLS to", &e))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp).map_err(|e| at("TLS handshake failed with", &e))?;
        }
        Ok(Self { stream: Box::new(StreamOwned::new(tls, tcp)), tcp: other })
    }

    /// How long a read may take from now on.
    pub fn set_read_timeout(&self, timeout: Duration) {
        let _ = self.tcp.set_read_timeout(Some(timeout.max(Duration::from_millis(1))));
    }

    /// How long a write may take from now on.
    pub fn set_write_timeout(&self, timeout: Duration) {
        let _ = self.tcp.set_write_timeout(Some(timeout.max(Duration::from_millis(1))));
    }

    /// Sends all of the bytes.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Bytes that came; none at the end. A peer that closes TLS without saying so is the end all the same.
    ///
    /// # Errors
    /// The connection is broken, or nothing comes in time.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stream.read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            other => other,
        }
    }

    /// Says that nothing more is to come, without a word of TLS, and keeps reading.
    pub fn half_close(&self) {
        let _ = self.tcp.shutdown(Shutdown::Write);
    }

    /// Breaks the connection off: the peer gets a reset.
    pub fn reset(self) {
        let _ = rustix::net::sockopt::set_socket_linger(&self.tcp, Some(Duration::ZERO));
    }
}
