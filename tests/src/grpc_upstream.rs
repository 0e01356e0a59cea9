//! A gRPC service on the loopback that sends every message back as it comes, and counts what it is asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// The running service; dropping it stops it.
pub struct GrpcUpstream {
    address: SocketAddr,
    counts: Arc<Counts>,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    begun: AtomicUsize,
    received: AtomicUsize,
    paths: Mutex<Vec<String>>,
}

impl GrpcUpstream {
    /// Starts the service on an ephemeral port.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let address = listener.local_addr().expect("a bound listener has an address");
        let counts = Arc::new(Counts::default());
        let counting = Arc::clone(&counts);
        let (stop, stopped) = oneshot::channel();
        let server = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener that does not block");
                tokio::spawn(accept(listener, counting));
                // What still runs then ends with the runtime.
                let _ = stopped.await;
            });
        });
        Self { address, counts, stop: Some(stop), server: Some(server) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many calls have begun here: their headers came.
    pub fn begun(&self) -> usize {
        self.counts.begun.load(Ordering::SeqCst)
    }

    /// How many bytes of bodies have come.
    pub fn received(&self) -> usize {
        self.counts.received.load(Ordering::SeqCst)
    }

    /// The paths of all calls so far, in order.
    pub fn paths(&self) -> Vec<String> {
        self.counts.paths.lock().expect("no holder of the lock panics").clone()
    }
}

impl Drop for GrpcUpstream {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

async fn accept(listener: TcpListener, counts: Arc<Counts>) {
    while let Ok((tcp, _)) = listener.accept().await {
        tokio::spawn(serve(tcp, Arc::clone(&counts)));
    }
}

async fn serve(tcp: TcpStream, counts: Arc<Counts>) {
    let Ok(mut connection) = h2::server::handshake(tcp).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        counts.begun.fetch_add(1, Ordering::SeqCst);
        let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
        counts.paths.lock().expect("no holder of the lock panics").push(path);
        let counts = Arc::clone(&counts);
        tokio::spawn(async move {
            // A caller that goes away in the middle is its own affair.
            let _ = echo(request, respond, &counts).await;
        });
    }
}

async fn echo(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    counts: &Counts,
) -> Result<(), h2::Error> {
    let mut response = Response::new(());
    let plain = HeaderValue::from_static("application/grpc");
    let kind = request.headers().get("content-type").cloned().unwrap_or(plain);
    response.headers_mut().insert("content-type", kind);
    let mut send = respond.send_response(response, false)?;
    let mut body = request.into_body();
    while let Some(data) = body.data().await {
        let data = data?;
        counts.received.fetch_add(data.len(), Ordering::SeqCst);
        let _ = body.flow_control().release_capacity(data.len());
        send.send_data(data, false)?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    if let Some(sent) = body.trailers().await?
        && let Some(value) = sent.get("x-trailer")
    {
        trailers.insert("x-trailer", value.clone());
    }
    send.send_trailers(trailers)
}
