//! One run of a guest: the job goes in as files, output comes back as two byte streams, the exit status as a file.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::kernel::Kernel;
use super::quoted;

/// The guest watches its time itself, from when it is up. It is ended by force if it does not.
const GRACE: Duration = Duration::from_secs(60);

const SCRIPT: &str = include_str!("guest.sh");

/// What a guest gets.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How long the job may run, in seconds. When that is over, the guest says what it is waiting for.
    #[arg(long, default_value_t = Self::default().seconds)]
    pub seconds: u64,
    /// The guest's memory, in MiB.
    #[arg(long, default_value_t = Self::default().memory)]
    pub memory: u32,
    /// The guest's processors.
    #[arg(long, default_value_t = Self::default().cpus)]
    pub cpus: u32,
    /// A folder the guest may write to; it is /share in there.
    #[arg(long)]
    pub share: Option<PathBuf>,
    /// Say how long the guest took to boot and to run.
    #[arg(long)]
    pub timing: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { seconds: 1800, memory: 2048, cpus: 2, share: None, timing: false }
    }
}

/// Everything a run needs.
#[derive(Debug)]
pub struct Guest {
    /// Where runs may put their files.
    pub folder: PathBuf,
    /// What boots.
    pub kernel: Kernel,
    /// What it boots with.
    pub initrd: PathBuf,
    /// The workspace.
    pub root: PathBuf,
}

impl Guest {
    /// Boots, runs the script and gives its exit status. What it prints is printed here, too; `hear` gets each line of
    /// its output, without the newline.
    ///
    /// # Errors
    /// Fails if the guest does not start, or ends (or has to be ended) before the script does.
    pub fn run(&self, options: &Options, script: &str, hear: impl FnMut(&str)) -> Result<i32> {
        let job = self.folder.join(format!("job-{}", std::process::id()));
        let outcome = self.run_in(&job, options, script, hear);
        let removed = fs::remove_dir_all(&job).with_context(|| format!("remove {}", job.display()));
        let status = outcome?;
        removed?;
        Ok(status)
    }

    fn run_in(&self, job: &Path, options: &Options, script: &str, hear: impl FnMut(&str)) -> Result<i32> {
        self.write_job(job, options, script)?;
        let start = Instant::now();
        let child = self.qemu(job, options)?.spawn().context("start qemu-system-x86_64")?;
        let ended = stream(child, Duration::from_secs(options.seconds) + GRACE, hear)?;
        let read = |name: &str| fs::read_to_string(job.join(name)).unwrap_or_default().trim().to_owned();
        if options.timing {
            eprintln!("vm: guest up after {} s, all of it took {:.1?}", read("up"), start.elapsed());
        }
        match read("status").parse() {
            Ok(status) => Ok(status),
            Err(_) if !ended => bail!("the guest had to be ended; its console:\n{}", read("console")),
            Err(_) => bail!("the guest ended before its job did; its console:\n{}", read("console")),
        }
    }

    fn write_job(&self, job: &Path, options: &Options, script: &str) -> Result<()> {
        if job.exists() {
            fs::remove_dir_all(job).context("remove the job of a process of the same number")?;
        }
        fs::create_dir_all(job).with_context(|| format!("make {}", job.display()))?;
        let limit = options.seconds.to_string();
        let modules = self.kernel.modules();
        let mut files = vec![
            ("guest.sh", SCRIPT.to_owned()),
            ("seconds", limit),
            ("command", script.to_owned()),
            ("modules", format!("{}\n", modules.display())),
            ("binds", self.binds()?),
        ];
        if options.share.is_some() {
            files.push(("share", String::new()));
        }
        for (name, content) in files {
            fs::write(job.join(name), content).with_context(|| format!("write the job's {name}"))?;
        }
        Ok(())
    }

    /// Folders of ours below those that are new in the guest, one a line.
    fn binds(&self) -> Result<String> {
        let here = std::env::current_dir().context("where are we")?;
        let ours = [&self.root, &self.folder, &here];
        let hidden =
            ours.iter().filter(|folder| ["/tmp", "/run"].iter().any(|place| folder.starts_with(place)));
        Ok(hidden.map(|folder| format!("{}\n", folder.display())).collect())
    }

    fn qemu(&self, job: &Path, options: &Options) -> Result<Command> {
        let mut qemu = Command::new("qemu-system-x86_64");
        let acceleration = if has_kvm() { "kvm" } else { "tcg,thread=multi" };
        qemu.args(["-accel", acceleration, "-cpu", "max"]);
        qemu.args(["-smp", &options.cpus.to_string(), "-m", &options.memory.to_string()]);
        qemu.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none"]);
        qemu.arg("-kernel").arg(&self.kernel.image).arg("-initrd").arg(&self.initrd);
        qemu.args(["-append", "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off tsc=reliable"]);
        qemu.arg("-serial").arg(format!("file:{}", escaped(&job.join("console"))));
        qemu.args(["-device", "virtio-serial-pci"]);
        for (number, name, descriptor) in [(1, "out", 1), (2, "err", 2)] {
            qemu.arg("-chardev").arg(format!("file,id={name},append=on,path=/proc/self/fd/{descriptor}"));
            qemu.arg("-device").arg(format!("virtserialport,chardev={name},name={name},nr={number}"));
        }
        let mut shares =
            vec![("host", PathBuf::from("/"), ",readonly=on,multidevs=remap"), ("job", job.to_owned(), "")];
        if let Some(folder) = &options.share {
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
            let folder = folder.canonicalize().with_context(|| format!("find {}", folder.display()))?;
            shares.push(("share", folder, ""));
        }
        for (tag, folder, more) in shares {
            let path = escaped(&folder);
            qemu.arg("-virtfs").arg(format!("local,path={path},mount_tag={tag},security_model=none{more}"));
        }
        qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(qemu)
    }
}

/// Whether the processor can run guests by itself, and we may ask it to. Inside of many virtual machines the device is
/// there and can be opened, but the processor has no such flag, and a guest would never start.
fn has_kvm() -> bool {
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let able = flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm");
    able && fs::File::options().read(true).write(true).open("/dev/kvm").is_ok()
}

/// A path inside an option of qemu's, where a comma would end it.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// Prints what the guest prints until both of its streams end. Gives false if it had to be killed.
fn stream(mut child: Child, limit: Duration, mut hear: impl FnMut(&str)) -> Result<bool> {
    let (sender, lines) = mpsc::channel();
    let output = child.stdout.take().context("the pipe was asked for")?;
    let errors = child.stderr.take().context("the pipe was asked for")?;
    let reader = thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let copier = thread::spawn(move || {
        let mut errors = errors;
        io::copy(&mut errors, &mut io::stderr()).map(drop)
    });
    let deadline = Instant::now() + limit;
    let ended = loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                hear(&line);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break true,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                child.kill().context("end the guest")?;
                break false;
            }
        }
    };
    let status = child.wait().context("wait for the guest")?;
    let joined = reader.join().is_ok() && copier.join().is_ok();
    io::stdout().flush().context("flush")?;
    ensure!(joined, "a thread that reads the guest's output panicked");
    ensure!(!ended || status.success(), "qemu-system-x86_64: {status}");
    Ok(ended)
}

/// A script that runs programs one after the other, each in its folder, and whose exit status says whether all of them
/// ended well.
#[must_use]
pub fn script_of(programs: &[(PathBuf, String)]) -> String {
    let mut script = String::from("bad=0\n");
    for (folder, command) in programs {
        let folder = quoted(&folder.to_string_lossy());
        script += &format!("(cd {folder} && CARGO_MANIFEST_DIR={folder} {command} 2>&1) || bad=1\n");
    }
    script + "exit $bad\n"
}
