//! An HTTP/2 client, over plain TCP (prior knowledge) or mTLS (ALPN `h2`): unary and streaming calls, with trailers
//! both ways. It is well-behaved; what is not is sent by [`crate::frames`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;

use crate::certs::Identity;
use crate::wire::{H2, TIMEOUT};

/// Time that the connection gets to send what was handed to it.
const FLUSH: Duration = Duration::from_millis(2);

/// A request.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: String,
    /// `:path`.
    pub path: String,
    /// The other headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, one DATA frame each; without any, the headers end the stream.
    pub data: Vec<Vec<u8>>,
    /// Trailers after the body.
    pub trailers: Vec<(String, Vec<u8>)>,
}

/// A response.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The status code; 0 where there were no headers.
    pub status: u16,
    /// The headers in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers; `None` where the stream ended without them.
    pub trailers: Option<Vec<(String, Vec<u8>)>>,
    /// Whether the headers ended the stream, as in gRPC's trailers-only responses.
    pub is_headers_only: bool,
    /// The error code of the RST_STREAM or GOAWAY that ended the stream.
    pub reset: Option<u32>,
}

/// A connection for one call after the other.
pub struct Connection2 {
    runtime: Runtime,
    client: SendRequest<Bytes>,
}

/// A call whose body is still being sent.
pub struct Stream2<'a> {
    runtime: &'a Runtime,
    body: SendStream<Bytes>,
    response: ResponseFuture,
}

/// What gRPC sends before a message that is not compressed: a flag and its length.
pub fn grpc_message(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a message of a test");
    [&[0], length.to_be_bytes().as_slice(), message].concat()
}

impl Call {
    /// A request without a body.
    pub fn new(method: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers,
            data: Vec::new(),
            trailers: Vec::new(),
        }
    }

    /// A gRPC call with this message, as clients send it.
    pub fn grpc(path: &str, message: &[u8]) -> Self {
        let headers = [("content-type", "application/grpc"), ("te", "trailers")];
        Self { data: vec![grpc_message(message)], ..Self::new("POST", path, &headers) }
    }

    fn to_request(&self) -> Result<Request<()>, String> {
        let at = |e: &dyn std::fmt::Display| format!("`{} {}` cannot be sent: {e}", self.method, self.path);
        let authority = self.headers.iter().find(|(name, _)| name == ":authority");
        let authority =
            authority.map_or("service.test".into(), |(_, value)| String::from_utf8_lossy(value).into_owned());
        let uri = Uri::builder()
            .scheme("http")
            .authority(authority)
            .path_and_query(self.path.as_str())
            .build()
            .map_err(|e| at(&e))?;
        let method = Method::from_bytes(self.method.as_bytes()).map_err(|e| at(&e))?;
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = map(&self.headers).map_err(|e| at(&e))?;
        Ok(request)
    }
}

impl Reply {
    /// All values of one header, in order.
    pub fn values(&self, name: &str) -> Vec<String> {
        values(&self.headers, name)
    }

    /// `grpc-status`, in the headers or in the trailers.
    pub fn grpc_status(&self) -> Option<String> {
        let trailers = self.trailers.as_deref().unwrap_or_default();
        let all = [values(&self.headers, "grpc-status"), values(trailers, "grpc-status")].concat();
        (all.len() == 1).then(|| all.concat())
    }
}

fn values(headers: &[(String, Vec<u8>)], name: &str) -> Vec<String> {
    let found = headers.iter().filter(|(n, _)| n == name);
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
}

impl Connection2 {
    /// Connects in plaintext, or over mTLS with `identity`.
    ///
    /// # Errors
    /// The connection is refused, a handshake fails, or the server does not choose HTTP/2.
    pub fn open(to: SocketAddr, identity: Option<&Identity>) -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let identity = identity.map(Identity::client_config);
        let open = async {
            let tcp = TcpStream::connect(to).await.map_err(|e| format!("could not connect to {to}: {e}"))?;
            tcp.set_nodelay(true).map_err(|e| e.to_string())?;
            let Some(mut config) = identity else { return handshake(tcp).await };
            Arc::make_mut(&mut config).alpn_protocols = vec![H2.to_vec()];
            let name = ServerName::try_from("localhost").expect("a valid name");
            let tls = TlsConnector::from(config).connect(name, tcp).await;
            let tls = tls.map_err(|e| format!("TLS handshake failed with {to}: {e}"))?;
            if tls.get_ref().1.alpn_protocol() != Some(H2) {
                return Err(format!("expected {to} to choose HTTP/2, it did not"));
            }
            handshake(tls).await
        };
        let limited = async { tokio::time::timeout(TIMEOUT, open).await };
        let client = runtime
            .block_on(limited)
            .map_err(|_| format!("expected {to} to speak HTTP/2 within {TIMEOUT:?}"))??;
        Ok(Self { runtime, client })
    }

    /// Sends a whole call and waits for its response.
    ///
    /// # Errors
    /// The connection breaks before the call is sent, or nothing comes in time. A stream that is reset is a reply.
    pub fn call(&mut self, call: &Call) -> Result<Reply, String> {
        if call.data.is_empty() && call.trailers.is_empty() {
            let (response, _) = self.send(call, true)?;
            return receive(&self.runtime, response);
        }
        let mut stream = self.start(call)?;
        for data in &call.data {
            // The server may answer before it has all, and then take no more.
            let _ = stream.send(data);
        }
        stream.finish(&call.trailers)
    }

    /// Sends the headers of a call; its `data` and `trailers` are for the caller to send.
    ///
    /// # Errors
    /// The connection is broken, or the call has what HTTP/2 has not.
    pub fn start(&mut self, call: &Call) -> Result<Stream2<'_>, String> {
        let (response, body) = self.send(call, false)?;
        self.runtime.block_on(async { tokio::time::sleep(FLUSH).await });
        Ok(Stream2 { runtime: &self.runtime, body, response })
    }

    fn send(&mut self, call: &Call, ends: bool) -> Result<(ResponseFuture, SendStream<Bytes>), String> {
        let request = call.to_request()?;
        let client = self.client.clone();
        let sent = async { tokio::time::timeout(TIMEOUT, client.ready()).await };
        let client = self.runtime.block_on(sent).map_err(|e| e.to_string())?;
        self.client = client.map_err(|e| format!("the connection is broken: {e}"))?;
        self.client.send_request(request, ends).map_err(|e| format!("could not send: {e}"))
    }
}

impl Stream2<'_> {
    /// Sends a DATA frame and gives it time to leave.
    ///
    /// # Errors
    /// The stream is closed.
    pub fn send(&mut self, data: &[u8]) -> Result<(), String> {
        self.body
            .send_data(Bytes::copy_from_slice(data), false)
            .map_err(|e| format!("could not send: {e}"))?;
        self.runtime.block_on(async { tokio::time::sleep(FLUSH).await });
        Ok(())
    }

    /// Resets the stream.
    pub fn reset(mut self) {
        self.body.send_reset(h2::Reason::CANCEL);
        self.runtime.block_on(async { tokio::time::sleep(FLUSH).await });
    }

    /// Ends the body, with trailers where there are any, and waits for the response.
    ///
    /// # Errors
    /// Nothing comes in time.
    pub fn finish(mut self, trailers: &[(String, Vec<u8>)]) -> Result<Reply, String> {
        // An early answer may have closed the stream already.
        let _ = match trailers {
            [] => self.body.send_data(Bytes::new(), true),
            _ => self.body.send_trailers(map(trailers)?),
        };
        receive(self.runtime, self.response)
    }

    /// Waits for the response while the body is still open.
    ///
    /// # Errors
    /// Nothing comes in time.
    pub fn receive(self) -> Result<Reply, String> {
        receive(self.runtime, self.response)
    }
}

async fn handshake<T>(io: T) -> Result<SendRequest<Bytes>, String>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = h2::client::Builder::new();
    builder.max_header_list_size(1 << 20).initial_window_size(1 << 20);
    let (client, connection) = builder.handshake(io).await.map_err(|e| format!("no HTTP/2: {e}"))?;
    // It runs whenever somebody waits on the runtime; how it ends shows in the streams.
    tokio::spawn(async {
        let _ = connection.await;
    });
    Ok(client)
}

fn receive(runtime: &Runtime, response: ResponseFuture) -> Result<Reply, String> {
    let reply = async {
        let mut reply = Reply::default();
        if let Err(error) = fill(&mut reply, response).await {
            // What is no error of the protocol is one of the connection.
            reply.reset = Some(error.reason().map(u32::from).ok_or_else(|| format!("no response: {error}"))?);
        }
        Ok::<_, String>(reply)
    };
    let limited = async { tokio::time::timeout(TIMEOUT, reply).await };
    runtime.block_on(limited).map_err(|_| format!("expected a response within {TIMEOUT:?}"))?
}

async fn fill(reply: &mut Reply, response: ResponseFuture) -> Result<(), h2::Error> {
    let (head, mut body): (_, RecvStream) = response.await?.into_parts();
    reply.status = head.status.as_u16();
    reply.headers = list(&head.headers);
    reply.is_headers_only = body.is_end_stream();
    while let Some(data) = body.data().await {
        let data = data?;
        let _ = body.flow_control().release_capacity(data.len());
        reply.body.extend_from_slice(&data);
    }
    reply.trailers = body.trailers().await?.as_ref().map(list);
    Ok(())
}

fn list(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

fn map(headers: &[(String, Vec<u8>)]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| !name.starts_with(':')) {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| format!("`{name}`: {e}"))?;
        map.append(name, HeaderValue::from_bytes(value).map_err(|e| e.to_string())?);
    }
    Ok(map)
}
