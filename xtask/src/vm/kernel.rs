//! Debian's kernel for the guest: downloaded and unpacked below `target/vm`, never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// The package that depends on the newest kernel of this Debian. Not the `cloud` flavour: that one has no 9p.
const META_PACKAGE: &str = "linux-image-amd64";

/// An unpacked kernel.
#[derive(Debug)]
pub struct Kernel {
    /// The bootable image.
    pub image: PathBuf,
    /// The root its modules lie below, as `modprobe --dirname` takes it.
    pub root: PathBuf,
    /// Its release, such as `6.1.0-56-amd64`.
    pub release: String,
}

impl Kernel {
    /// The kernel unpacked in this folder, put there first if there is none.
    ///
    /// # Errors
    /// Fails if it cannot be downloaded or unpacked.
    pub fn provide(folder: &Path) -> Result<Self> {
        let root = folder.join("kernel");
        if let Ok(kernel) = Self::unpacked(&root) {
            return Ok(kernel);
        }
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let package = newest_package()?;
        println!("downloading {package}");
        let archive = download(folder, &package)?;
        // Unpacked beside its place: a copy that was interrupted is never taken for a whole one.
        let unfinished = folder.join("kernel.unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).context("remove an unfinished kernel")?;
        }
        call(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&unfinished))?;
        let release = only_name(&unfinished.join("lib/modules"))?;
        call(Command::new("depmod").arg("-b").arg(&unfinished).arg(&release))?;
        fs::remove_file(&archive).context("remove the kernel's package")?;
        fs::rename(&unfinished, &root).context("put the kernel in its place")?;
        Self::unpacked(&root)
    }

    fn unpacked(root: &Path) -> Result<Self> {
        let release = only_name(&root.join("lib/modules"))?;
        let image = root.join("boot").join(format!("vmlinuz-{release}"));
        ensure!(image.is_file(), "no {}", image.display());
        Ok(Self { image, root: root.to_owned(), release })
    }

    /// The folder of module folders.
    #[must_use]
    pub fn modules(&self) -> PathBuf {
        self.root.join("lib/modules")
    }

    /// The files of these modules and of those they need, in the order they are to be loaded.
    ///
    /// # Errors
    /// Fails if the kernel has no such module.
    pub fn files_of(&self, modules: &[&str]) -> Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = Vec::new();
        for module in modules {
            let mut modprobe = Command::new("modprobe");
            modprobe.arg("-d").arg(&self.root).args(["-S", &self.release, "--show-depends", module]);
            for line in call(&mut modprobe)?.lines() {
                if let Some(file) = line.trim().strip_prefix("insmod ") {
                    let file = PathBuf::from(file.trim());
                    if !files.contains(&file) {
                        files.push(file);
                    }
                }
            }
        }
        Ok(files)
    }
}

fn newest_package() -> Result<String> {
    let text = call(Command::new("apt-cache").args(["depends", META_PACKAGE]))?;
    let mut depends = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    depends.next().map(str::to_owned).with_context(|| format!("apt-get knows no {META_PACKAGE}"))
}

/// Downloads a package into a new folder of its own, so that its file is easily found.
fn download(folder: &Path, package: &str) -> Result<PathBuf> {
    let place = folder.join("download");
    if place.exists() {
        fs::remove_dir_all(&place).context("remove an old download")?;
    }
    fs::create_dir_all(&place).context("make a folder for the download")?;
    // Else apt warns that its own user may not write here.
    let sandbox = ["-o", "APT::Sandbox::User=root"];
    call(Command::new("apt-get").current_dir(&place).arg("-qq").args(sandbox).args(["download", package]))?;
    only_name(&place).map(|name| place.join(name))
}

/// The name of the only entry of a folder.
fn only_name(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let names: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
    match names.with_context(|| format!("list {}", folder.display()))?.as_slice() {
        [name] => Ok(name.to_string_lossy().into_owned()),
        names => bail!("{} names in {}, not one", names.len(), folder.display()),
    }
}

/// Runs a command that must end well; gives what it printed.
fn call(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("start {name}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: {}: {}", output.status, complaint.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
