//! Addresses in Envoy's text form.

/// An address. `envoy.config.core.v3.Address` has the same kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    /// `ip:port`, `[ip]:port` for IPv6.
    Socket {
        /// Without brackets.
        ip: &'a str,
        /// Port.
        port: u16,
    },
    /// The path of a Unix socket.
    Pipe(&'a str),
    /// `envoy://listener/endpoint`.
    Internal {
        /// Name of the listener.
        listener: &'a str,
        /// Id of the endpoint.
        endpoint: &'a str,
    },
}

impl<'a> Address<'a> {
    /// Reads one; `None` where it is none.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("envoy://") {
            let (listener, endpoint) = name.split_once('/').unwrap_or((name, ""));
            return Some(Self::Internal { listener, endpoint });
        }
        if text.starts_with(['/', '@']) {
            return Some(Self::Pipe(text));
        }
        let (ip, port) = text.rsplit_once(':')?;
        let ip = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
        Some(Self::Socket { ip, port: port.parse().ok()? })
    }
}
