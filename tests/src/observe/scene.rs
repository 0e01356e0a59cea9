//! Three sidecars of one workload and a Prometheus, and all that is to be seen on a dashboard happening to them.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use sidegate_engine::trust::{Layer, Pointer, PointerMode};

use super::sidecar::{Sidecar, SidecarOptions, bundle, candidate_bundle};
use super::{Prometheus, Scraped};
use crate::bundle_server::{BundleServer, Reply};
use crate::places;
use crate::published;
use crate::rollout::Publisher;

const PATIENCE: Duration = Duration::from_secs(30);

/// What runs.
pub struct Scene {
    /// One with labels of its own, in the newest Envoy; one without, in the oldest; one in shadow.
    pub sidecars: Vec<Sidecar>,
    /// What scrapes them.
    pub prometheus: Prometheus,
    /// Where the first and the last fetch from, and where the second does.
    servers: [BundleServer; 2],
    net: Publisher,
    layer: Layer,
}

impl Scene {
    /// Starts all of it with one policy in force.
    ///
    /// # Errors
    /// Something does not start.
    pub fn start(dir: &Path) -> Result<Self, String> {
        let mut net = Publisher::new("net");
        let servers = [BundleServer::start(), BundleServer::start()];
        let layer = Layer::of(&bundle());
        let pointer = net.next(layer.clone());
        for server in &servers {
            Publisher::put_blob(server, &bundle());
            net.put_pointer(server, &pointer);
        }
        let plan = [
            (0, "cart-1", places::envoy_newest(), "enforce", true),
            (1, "cart-2", places::envoy_oldest(), "enforce", false),
            (0, "cart-3", places::envoy_newest(), "shadow", true),
        ];
        let keys = json!([net.key(&["*"])]);
        let start = |(server, id, envoy, mode, has_tags): (usize, &str, String, &str, bool)| {
            let options = SidecarOptions { envoy, id, keys: keys.clone(), mode, has_tags };
            Sidecar::start(&servers[server], &options, &dir.join(id))
        };
        let sidecars = plan.into_iter().map(start).collect::<Result<Vec<_>, _>>()?;
        let scraped: Vec<Scraped> = sidecars.iter().map(Sidecar::scraped).collect();
        let prometheus = Prometheus::start(&scraped, &dir.join("prometheus"))?;
        let scene = Self { sidecars, prometheus, servers, net, layer };
        scene.wait("policies", |scene| Ok(scene.each_ask("/ok")?.iter().all(|status| *status == 200)))?;
        Ok(scene)
    }

    /// Each sidecar is asked for what is allowed, denied, cannot be decided about or parsed, and one whose response is
    /// denied; and has a connection. The second sidecar has less to do.
    ///
    /// # Errors
    /// A connection breaks.
    pub fn requests(&self, round: usize) -> Result<(), String> {
        for (n, sidecar) in self.sidecars.iter().enumerate() {
            let paths = ["/ok", "/ok/1", "/old", "/new", "/other", "/ok/secret", "/odd", "/ok?a;b"];
            let often = if n == 1 { 1 } else { 3 };
            for (at, path) in paths.iter().enumerate() {
                // What is odd is rarer than what is not.
                let times = if at < 5 { often } else { usize::from((round + at).is_multiple_of(4)) };
                for _ in 0..times {
                    sidecar.ask(path)?;
                }
            }
            sidecar.connect()?;
        }
        Ok(())
    }

    /// A candidate is published to be tried in shadow; the second server does not get it.
    pub fn publish_candidate(&mut self) {
        Publisher::put_blob(&self.servers[0], &candidate_bundle());
        let tried = published::candidate("next", &candidate_bundle(), PointerMode::Shadow);
        let pointer = Pointer { candidate: Some(tried), ..self.net.next(self.layer.clone()) };
        self.net.put_pointer(&self.servers[0], &pointer);
    }

    /// Somebody whose key nobody trusts publishes on the second server.
    pub fn publish_badly(&self) {
        let mut other = Publisher::new("net");
        other.serial = self.net.serial + 1;
        let pointer = other.next(self.layer.clone());
        other.put_pointer(&self.servers[1], &pointer);
    }

    /// What the first server has, the second has too.
    pub fn publish_everywhere(&mut self) {
        let pointer = self.net.next(self.layer.clone());
        for server in &self.servers {
            self.net.put_pointer(server, &pointer);
        }
    }

    /// The first server is away, or there again.
    pub fn set_down(&self, is_down: bool) {
        self.servers[0].set_down(is_down);
    }

    /// A page instead of a pointer: the fetch fails.
    pub fn break_second_server(&self) {
        self.servers[1].set(&Publisher::path(), Reply::page(500));
    }

    /// Waits until something is so.
    ///
    /// # Errors
    /// It is not within half a minute.
    pub fn wait(&self, what: &str, is_so: impl Fn(&Self) -> Result<bool, String>) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        while !is_so(self)? {
            if Instant::now() > until {
                let logs: Vec<String> = self.sidecars.iter().map(|it| it.envoy().with_log("")).collect();
                return Err(format!("expected {what} within {PATIENCE:?}\n{}", logs.concat()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// A stat of the filter, over all sidecars.
    ///
    /// # Errors
    /// An admin page cannot be reached.
    pub fn stat(&self, name: &str) -> Result<u64, String> {
        let name = format!("wasmcustom.sidegate.{name}");
        let mut sum = 0;
        for sidecar in &self.sidecars {
            sum += sidecar.envoy().stats(&name)?.get(&name).copied().unwrap_or(0);
        }
        Ok(sum)
    }

    fn each_ask(&self, path: &str) -> Result<Vec<u16>, String> {
        self.sidecars.iter().map(|sidecar| Ok(sidecar.ask(path)?.status)).collect()
    }
}
