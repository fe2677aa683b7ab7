//! The guest's initrd: busybox, an init script and the modules it takes to mount the host's root.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::kernel::Kernel;

/// What is needed before any module can come from the host: the bus, the file systems, the byte streams.
const MODULES: [&str; 5] = ["virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_console"];

const BUSYBOX: &str = "/bin/busybox";

const INIT: &[u8] = include_bytes!("init.sh");

/// Writes the initrd of this kernel.
///
/// # Errors
/// Fails if a part cannot be read or the file not be written.
pub fn write(kernel: &Kernel, file: &Path) -> Result<()> {
    let busybox = fs::read(BUSYBOX).with_context(|| format!("read {BUSYBOX}"))?;
    let loader = b"/ld-linux";
    ensure!(
        !busybox.windows(loader.len()).any(|window| window == loader),
        "{BUSYBOX} needs libraries; install busybox-static"
    );
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "host", "modules", "proc", "root", "sys", "writes"] {
        archive.folder(folder);
    }
    archive.program("bin/busybox", &busybox);
    archive.program("init", INIT);
    for (number, module) in (100..).zip(kernel.files_of(&MODULES)?) {
        let name = module.file_name().context("a module has a name")?.to_string_lossy().into_owned();
        let bytes = fs::read(&module).with_context(|| format!("read {}", module.display()))?;
        // Numbered, so that the shell's `*` gives them in the order of their needs.
        archive.program(&format!("modules/{number}-{name}"), &bytes);
    }
    fs::write(file, archive.finish()).with_context(|| format!("write {}", file.display()))
}

/// A cpio archive in the kernel's format, `newc` (Documentation/driver-api/early-userspace/buffer-format.rst).
#[derive(Debug, Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn folder(&mut self, name: &str) {
        self.entry(name, 0o040_755, &[]);
    }

    fn program(&mut self, name: &str, content: &[u8]) {
        self.entry(name, 0o100_755, content);
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        // inode, mode, user, group, links, time, size, device (2), special device (2), length of name, check sum
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_contents_begin_at_multiples_of_four() {
        let mut archive = Archive::default();
        archive.folder("bin");
        archive.program("bin/it", b"12345");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        // A header is 110 bytes: `bin` and its zero end at 114, so the next header is at 116.
        assert_eq!(&bytes[110..122], [&b"bin\0\0\0"[..], b"070701"].concat());
        assert_eq!(&bytes[116 + 110..][..8], b"bin/it\0\0");
        assert!(bytes.windows(8).any(|window| window == b"12345\0\0\0"));
        assert!(bytes.windows(10).any(|window| window == b"TRAILER!!!"));
    }

    #[test]
    fn the_kernels_magic_begins_every_entry() {
        let mut archive = Archive::default();
        archive.folder("a");
        let bytes = archive.finish();
        assert_eq!(bytes.windows(6).filter(|window| window == b"070701").count(), 2);
    }
}
