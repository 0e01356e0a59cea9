//! Namespaces: the one that everything lives in, and one for each pod.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use super::child::{Child, run};

/// Where what is not a pod listens: the API server, istiod, the servers of modules and bundles.
pub const HUB: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);

const BRIDGE: &str = "br0";
/// Says that the process is inside.
const INSIDE: &str = "SIDEGATE_ISTIO_INSIDE";

/// A pod's network and mounts. Dropping it lets them go, once no process uses them.
pub struct Space {
    holder: Child,
}

/// Whether this process is in namespaces of its own, which are then ready for pods.
///
/// # Errors
/// `ip` fails.
pub fn is_inside() -> Result<bool, String> {
    if std::env::var_os(INSIDE).is_none() {
        return Ok(false);
    }
    build_hub().map(|()| true)
}

/// Runs this program again, with these arguments, in namespaces of its own (network, mounts, processes), where it may do
/// as it likes and leaves nothing behind. Gives its exit code.
///
/// # Errors
/// Not root, or a tool is missing.
pub fn enter(arguments: &[&str]) -> Result<u8, String> {
    let uid = fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own));
    if !matches!(uid, Ok(0)) {
        return Err(
            "expected to be root, who may make network namespaces; run: sudo make e2e-istio".to_owned()
        );
    }
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--"])
        .arg(program)
        .args(arguments)
        .env(INSIDE, "1")
        .status()
        .map_err(|e| format!("could not run unshare: {e}; run: scripts/setup.sh istio"))?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(2);
    Ok(u8::try_from(code).unwrap_or(2))
}

fn build_hub() -> Result<(), String> {
    let address = format!("{HUB}/24");
    ip(&["link", "set", "lo", "up"])?;
    ip(&["link", "add", BRIDGE, "type", "bridge"])?;
    ip(&["addr", "add", &address, "dev", BRIDGE])?;
    ip(&["link", "set", BRIDGE, "up"])
}

impl Space {
    /// A namespace with `address` on the bridge.
    ///
    /// # Errors
    /// `ip` or `unshare` fails.
    pub fn new(name: &str, address: Ipv4Addr, dir: &Path) -> Result<Self, String> {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--propagation", "private", "--", "sleep", "infinity"]);
        let mut holder = Child::start(&format!("{name}-holder"), command, dir)?;
        let own = fs::read_link("/proc/self/ns/net").map_err(|e| e.to_string())?;
        let of_child = format!("/proc/{}/ns/net", holder.pid());
        // `sleep` runs when both namespaces are there.
        let command_of = format!("/proc/{}/comm", holder.pid());
        holder.wait("a namespace", |_| {
            fs::read_link(&of_child).is_ok_and(|ns| ns != own)
                && fs::read_to_string(&command_of).is_ok_and(|name| name.trim() == "sleep")
        })?;
        let space = Self { holder };
        let pid = space.holder.pid().to_string();
        let outer = format!("v{}", address.octets()[3]);
        ip(&["link", "add", "eth0", "netns", &pid, "type", "veth", "peer", "name", &outer])?;
        ip(&["link", "set", &outer, "master", BRIDGE, "up"])?;
        let address = format!("{address}/24");
        for line in [
            vec!["link", "set", "lo", "up"],
            vec!["addr", "add", &address, "dev", "eth0"],
            vec!["link", "set", "eth0", "up"],
            // Addresses of services are nobody's: what is not redirected goes nowhere.
            vec!["route", "add", "default", "dev", "eth0"],
        ] {
            run(space.command("ip").args(line))?;
        }
        Ok(space)
    }

    /// The process that holds it.
    pub fn holder(&self) -> u32 {
        self.holder.pid()
    }

    /// `program`, to be run in this namespace.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.pid().to_string(), "--net", "--mount", "--", program]);
        command
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    run(Command::new("ip").args(arguments)).map(|_| ())
}
