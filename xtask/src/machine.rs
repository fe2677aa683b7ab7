//! What the machine has, and getting the rest from Debian where we may.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Programs the tests run, and the Debian package of each. A name with a slash is a path; one that ends with a slash is a
/// folder, of a library.
const TOOLS: [(&str, &str); 21] = [
    ("c++", "g++"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("find", "findutils"),
    ("ps", "procps"),
    ("ping", "iputils-ping"),
    ("ethtool", "ethtool"),
    ("nft", "nftables"),
    ("tcpdump", "tcpdump"),
    ("tshark", "tshark"),
    ("keepalived", "keepalived"),
    ("/usr/lib/frr/vrrpd", "frr"),
    ("nginx", "nginx-light"),
    ("dnsmasq", "dnsmasq-base"),
    ("exim4", "exim4-daemon-light"),
    ("openssl", "openssl"),
    ("promtool", "prometheus"),
    ("snmpd", "snmpd"),
    ("snmpwalk", "snmp"),
    ("snmptrapd", "snmptrapd"),
    ("/usr/lib/python3/dist-packages/grpc/", "python3-grpcio"),
];

/// Asked by Debian's packages whether they may start their services. They may not: keepalived and FRR are here to be
/// run by tests, in namespaces, and not by the init system in the machine's own network.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing if it can. Returns the packages still missing afterwards.
///
/// # Errors
/// Fails only if it cannot find out who we are.
pub fn prepare() -> Result<Vec<&'static str>> {
    let tools: Vec<_> = TOOLS.iter().chain(&crate::vm::TOOLS).copied().collect();
    provide(&tools)
}

/// Installs the packages of those of these programs that are missing, if it can. Returns what is still missing then.
///
/// # Errors
/// Fails only if it cannot find out who we are.
pub fn provide(tools: &[(&str, &'static str)]) -> Result<Vec<&'static str>> {
    let missing = missing_packages(tools);
    if missing.is_empty() || !is_root()? || !has("apt-get") {
        return Ok(missing);
    }
    println!("installing {}", missing.join(" "));
    if let Err(error) = install(&missing) {
        println!("{error:#}");
    }
    Ok(missing_packages(tools))
}

/// Whether we may do everything.
///
/// # Errors
/// Fails if `id` cannot be run.
pub fn is_root() -> Result<bool> {
    let output = Command::new("id").arg("-u").output().context("start id")?;
    Ok(output.stdout.trim_ascii() == b"0")
}

/// Whether a program can be run: found in `PATH` or the places of administrators' programs.
#[must_use]
pub fn has(program: &str) -> bool {
    if program.ends_with('/') {
        return Path::new(program).is_dir();
    }
    let executable = |path: &Path| {
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let folders = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    folders.split(':').any(|folder| executable(&Path::new(folder).join(program)))
}

fn missing_packages(tools: &[(&str, &'static str)]) -> Vec<&'static str> {
    tools.iter().filter(|(program, _)| !has(program)).map(|(_, package)| *package).collect()
}

fn install(packages: &[&str]) -> Result<()> {
    let policy_is_ours = !Path::new(POLICY).exists();
    if policy_is_ours {
        fs::write(POLICY, "#!/bin/sh\nexit 101\n").context("keep services from starting")?;
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))
            .context("keep services from starting")?;
    }
    let installed = apt_get(&["update"]).and_then(|()| {
        let words = ["install", "--yes", "--no-install-recommends"];
        apt_get(&words.iter().chain(packages).copied().collect::<Vec<_>>())
    });
    if policy_is_ours {
        fs::remove_file(POLICY).context("let services start again")?;
    }
    installed
}

fn apt_get(words: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(["-qq", "-o", "Dpkg::Use-Pty=0"])
        .args(words)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .context("start apt-get")?;
    ensure!(status.success(), "apt-get {}: {status}", words.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_name_and_by_path() {
        assert!(has("sh"));
        assert!(has("/bin/sh"));
        assert!(!has("no-such-program-of-that-name"));
        assert!(!has("/etc/passwd"), "a file nobody may execute is no program");
        assert!(has("/etc/") && !has("/etc/passwd/") && !has("/no/such/folder/"));
    }
}
