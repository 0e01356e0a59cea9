//! What the kernel knows of a process.

use std::fs;

/// CPU that a process has used so far, user and system, in nanoseconds: of all its threads, by the scheduler's
/// own count, which is finer than the 10 ms of `/proc/PID/stat`.
///
/// # Errors
/// The process is gone, or this is no Linux.
pub fn cpu_nanoseconds(pid: u32) -> Result<u64, String> {
    let tasks = format!("/proc/{pid}/task");
    let at = |e: std::io::Error| format!("could not read {tasks}: {e}");
    let mut total = 0;
    for task in fs::read_dir(&tasks).map_err(at)? {
        let stat = fs::read_to_string(task.map_err(at)?.path().join("schedstat")).map_err(at)?;
        let on_cpu = stat.split_whitespace().next().and_then(|n| n.parse::<u64>().ok());
        total += on_cpu.ok_or_else(|| format!("expected times in {tasks}, got `{stat}`"))?;
    }
    Ok(total)
}

/// Memory that a process has resident, in KiB.
///
/// # Errors
/// The process is gone, or this is no Linux.
pub fn resident_kib(pid: u32) -> Result<u64, String> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(|e| format!("could not read {path}: {e}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
        .ok_or_else(|| format!("expected `VmRSS` in {path}"))
}
