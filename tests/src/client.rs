//! An HTTP/1.1 client that sends what it is told, byte for byte, over plain TCP or mTLS.

use std::net::SocketAddr;

use crate::certs::Identity;
use crate::wire::Wire;

const MOST_HEADERS: usize = 2048;
const MOST_BYTES: usize = 8 << 20;

/// A request as it goes over the wire; nothing is added to it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The request target.
    pub target: Vec<u8>,
    /// The headers in order; `host` among them, if there is to be one.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body, if there is to be one, and how it is sent. The headers must say the same.
    pub body: Option<Body>,
}

/// A body on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Sent in chunks of so many bytes, each on its own; else in one piece.
    pub chunks: Option<usize>,
    /// The trailers after the last chunk.
    pub trailers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in order, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body without transfer coding.
    pub body: Vec<u8>,
}

/// A connection that can be used for one request after the other.
pub struct Connection {
    wire: Wire,
    buffer: Vec<u8>,
}

impl Body {
    /// Whether the receiver knows from the headers that there is nothing to come.
    pub fn is_announced_empty(&self) -> bool {
        self.bytes.is_empty() && self.chunks.is_none()
    }

    /// The pieces in which the bytes are sent.
    pub fn pieces(&self) -> Vec<&[u8]> {
        match self.chunks {
            Some(_) if self.bytes.is_empty() => vec![&[]],
            Some(size) => self.bytes.chunks(size.max(1)).collect(),
            None => vec![&self.bytes],
        }
    }
}

impl Request {
    /// The headers as they are on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(self.method.as_bytes());
        out.push(b' ');
        out.extend_from_slice(&self.target);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        for (name, value) in &self.headers {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out
    }
}

impl Response {
    /// All values of one header, in order.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_slice()).collect()
    }
}

impl Response {
    /// Whether no other request may be sent on the connection.
    pub fn closes(&self) -> bool {
        self.values("connection").iter().any(|value| value.eq_ignore_ascii_case(b"close"))
    }
}

impl Connection {
    /// Connects in plaintext, or over mTLS with `identity`.
    ///
    /// # Errors
    /// The connection is refused or the handshake fails.
    pub fn open(to: SocketAddr, identity: Option<&Identity>) -> Result<Self, String> {
        Wire::open(to, identity, None).map(Self::over)
    }

    /// A connection that is open already.
    pub fn over(wire: Wire) -> Self {
        Self { wire, buffer: Vec::new() }
    }

    /// What it stands on.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The same to keep; what came and was not read is gone.
    pub fn into_wire(self) -> Wire {
        self.wire
    }

    /// Sends a request and waits for its response, 20 seconds for each read.
    ///
    /// # Errors
    /// The connection breaks or what comes is no HTTP response.
    pub fn send(&mut self, request: &Request) -> Result<Response, String> {
        self.write(&request.to_bytes()).map_err(|e| format!("could not send: {e}"))?;
        if let Some(body) = &request.body {
            // The server may answer before it has the body, and then take no more of it.
            let _ = self.write_body(body);
        }
        self.receive(request.method == "CONNECT")
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.wire.write(bytes)
    }

    fn write_body(&mut self, body: &Body) -> std::io::Result<()> {
        if body.chunks.is_none() {
            return self.write(&body.bytes);
        }
        for piece in body.pieces().into_iter().filter(|piece| !piece.is_empty()) {
            let size = format!("{:x}\r\n", piece.len());
            self.write(&[size.as_bytes(), piece, b"\r\n"].concat())?;
        }
        let mut end = b"0\r\n".to_vec();
        for (name, value) in &body.trailers {
            end.extend([name.as_slice(), b": ", value, b"\r\n"].concat());
        }
        end.extend_from_slice(b"\r\n");
        self.write(&end)
    }

    /// Sends prepared bytes of one request and waits for its response.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn send_bytes(&mut self, bytes: &[u8], connect: bool) -> Result<Response, String> {
        self.write(bytes).map_err(|e| format!("could not send: {e}"))?;
        self.receive(connect)
    }

    /// The bytes that have come and are no part of a response yet, after waiting for more; `None` at the end.
    ///
    /// # Errors
    /// The connection breaks.
    pub fn read_more(&mut self) -> Result<Option<&[u8]>, String> {
        Ok(self.fill()?.then_some(self.buffer.as_slice()))
    }

    /// Waits for the interim response that asks for the body.
    ///
    /// # Errors
    /// The connection breaks, or another response comes.
    pub fn receive_continue(&mut self) -> Result<(), String> {
        loop {
            match parse_head(&mut self.buffer, false)? {
                Some((response, _)) if response.status == 100 => return Ok(()),
                Some((response, _)) => return Err(format!("expected 100, got {}", response.status)),
                None if self.fill()? => {}
                None => return Err("expected 100, the connection was closed".to_owned()),
            }
        }
    }

    /// Waits for a response; interim ones are passed over.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn receive(&mut self, connect: bool) -> Result<Response, String> {
        let (mut response, framing) = loop {
            if let Some(head) = parse_head(&mut self.buffer, connect)? {
                if head.0.status == 100 {
                    continue;
                }
                break head;
            }
            if !self.fill()? {
                let got = String::from_utf8_lossy(&self.buffer).into_owned();
                return Err(format!("expected a response, the connection was closed after `{got}`"));
            }
        };
        response.body = match framing {
            Framing::Length(length) => {
                self.fill_to(length)?;
                self.buffer.drain(..length).collect()
            }
            Framing::Chunked => self.chunks()?,
            Framing::ToEnd => {
                while self.fill()? {}
                std::mem::take(&mut self.buffer)
            }
        };
        Ok(response)
    }

    /// Waits for so many bytes of whatever protocol, or for the end of the connection; says whether it has ended.
    ///
    /// # Errors
    /// Nothing comes, and no end either.
    pub fn read_some(&mut self, wanted: usize) -> Result<(Vec<u8>, bool), String> {
        while self.buffer.len() < wanted {
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return Ok((std::mem::take(&mut self.buffer), true)),
                Err(e) if e.contains("reset by peer") => return Ok((std::mem::take(&mut self.buffer), true)),
                Err(e) => return Err(e),
            }
        }
        Ok((self.buffer.drain(..wanted).collect(), false))
    }

    fn chunks(&mut self) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            let (start, size) = loop {
                match httparse::parse_chunk_size(&self.buffer) {
                    Ok(httparse::Status::Complete((start, size))) => break (start, size),
                    Ok(httparse::Status::Partial) if self.fill()? => {}
                    _ => return Err("expected a chunk of the body".to_owned()),
                }
            };
            let size = usize::try_from(size).map_err(|e| e.to_string())?;
            self.fill_to(start + size + 2)?;
            body.extend_from_slice(&self.buffer[start..start + size]);
            self.buffer.drain(..start + size + 2);
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn fill_to(&mut self, length: usize) -> Result<(), String> {
        while self.buffer.len() < length {
            if !self.fill()? {
                return Err(format!(
                    "expected {length} bytes of body, the connection was closed after {}",
                    self.buffer.len()
                ));
            }
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<bool, String> {
        if self.buffer.len() > MOST_BYTES {
            return Err(format!("expected a response of at most {MOST_BYTES} bytes"));
        }
        let mut chunk = [0; 16384];
        match self.wire.read(&mut chunk) {
            Ok(0) => Ok(false),
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                Ok(true)
            }
            Err(e) => Err(format!("could not read the response: {e}")),
        }
    }
}

enum Framing {
    Length(usize),
    Chunked,
    ToEnd,
}

fn parse_head(buffer: &mut Vec<u8>, connect: bool) -> Result<Option<(Response, Framing)>, String> {
    let mut slots = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Response::new(&mut slots);
    let length = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(e) => {
            return Err(format!("expected an HTTP response, got `{}`: {e}", String::from_utf8_lossy(buffer)));
        }
    };
    let status = parsed.code.unwrap_or_default();
    let headers: Vec<_> =
        parsed.headers.iter().map(|h| (h.name.to_ascii_lowercase(), h.value.to_vec())).collect();
    buffer.drain(..length);
    let response = Response { status, headers, body: Vec::new() };
    let text = |name| response.values(name).first().map(|v| String::from_utf8_lossy(v).into_owned());
    let framing = if status == 204 || status == 304 || (connect && status == 200) {
        Framing::Length(0)
    } else if text("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        Framing::Chunked
    } else if let Some(length) = text("content-length") {
        Framing::Length(length.parse().map_err(|_| format!("expected a content-length, got `{length}`"))?)
    } else {
        Framing::ToEnd
    };
    Ok(Some((response, framing)))
}
