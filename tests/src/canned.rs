//! A service that answers with prepared bytes, chosen by the request's path: what no well-behaved server would send.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

const IDLE: Duration = Duration::from_secs(20);

/// Starts it; it ends with the process. An answer is what is sent for a path; for a path without one the connection is
/// closed. What follows the headers of a request is not read, but for what an upgraded connection sends: it comes back.
///
/// # Panics
/// There is no free port on the loopback.
pub fn start(answer: fn(&str) -> Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
    let address = listener.local_addr().expect("a bound listener has an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream, answer));
        }
    });
    address
}

fn serve(mut stream: TcpStream, answer: fn(&str) -> Option<&'static [u8]>) {
    let _ = stream.set_read_timeout(Some(IDLE));
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = bytes.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let Some(answer) = answer(&path) else { return };
            if stream.write_all(answer).is_err() {
                return;
            }
            if answer.starts_with(b"HTTP/1.1 101 ") {
                let mut other = stream.try_clone().expect("a socket can be cloned");
                let _ = std::io::copy(&mut stream, &mut other);
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(size) => bytes.extend_from_slice(&chunk[..size]),
        }
    }
}
