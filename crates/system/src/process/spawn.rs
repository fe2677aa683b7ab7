//! Starting a program: identity, process group, signals, descriptors and output, all decided by the caller.
//!
//! Nothing leaks into the program that was not asked for: no descriptor, no blocked signal, no loader variable.

use std::ffi::{OsStr, OsString};
use std::io::{self, PipeReader};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::unistd::{Gid, Pid, Uid, getppid, setgroups, setresgid, setresuid};

/// Variables that would let the environment of the daemon decide what a program loads or how a shell splits words.
const DROPPED_VARIABLES: [&str; 6] =
    ["LD_PRELOAD", "LD_LIBRARY_PATH", "IFS", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Whom a program runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids; empty drops all.
    pub groups: Vec<u32>,
}

/// Where standard output and standard error go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// To the same places as ours.
    Inherited,
    /// Both into one pipe, so that lines keep their order.
    Captured,
}

/// A program to be started.
#[derive(Debug, Clone)]
pub struct Spawn<'a> {
    /// Path of the program, or a name that is looked up in `PATH`.
    pub program: &'a OsStr,
    /// `argv[0]`, if it is not the program.
    pub title: Option<OsString>,
    /// `argv[1..]`.
    pub arguments: Vec<OsString>,
    /// Whom it runs as; `None` is us.
    pub credentials: Option<Credentials>,
    /// Its own process group, so that a signal reaches its descendants and a terminal's Ctrl-C does not reach it.
    pub own_group: bool,
    /// The signal it gets when we die.
    pub death_signal: Option<Signal>,
    /// Signals it starts with ignored; all others have their default effect, and none is blocked.
    pub ignored_signals: &'a [Signal],
    /// Its standard input; empty if `None`.
    pub input: Option<BorrowedFd<'a>>,
    /// Where its output goes.
    pub output: Output,
}

/// What was started.
#[derive(Debug)]
pub struct Started {
    /// Its process id; also the id of its process group, if it has its own. Whoever started it waits for it.
    pub pid: Pid,
    /// The end of the pipe to read its output from, non-blocking.
    pub output: Option<OwnedFd>,
}

/// A program that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("start {program:?}: {source}")]
pub struct SpawnError {
    /// What was to be started.
    pub program: OsString,
    /// What the kernel said, be it to fork, to a change of identity or to exec.
    pub source: io::Error,
}

impl<'a> Spawn<'a> {
    /// A program with its own group, no ignored signals, no descriptors and our identity and output.
    #[must_use]
    pub const fn new(program: &'a OsStr) -> Self {
        Self {
            program,
            title: None,
            arguments: Vec::new(),
            credentials: None,
            own_group: true,
            death_signal: None,
            ignored_signals: &[],
            input: None,
            output: Output::Inherited,
        }
    }

    /// Starts it. Returns once exec has succeeded or failed.
    ///
    /// # Errors
    /// When fork, the change of identity or exec fails; nothing is left running then.
    pub fn start(&self) -> Result<Started, SpawnError> {
        self.try_start().map_err(|source| SpawnError { program: self.program.to_owned(), source })
    }

    fn try_start(&self) -> io::Result<Started> {
        let mut command = Command::new(self.program);
        let input = self.input.map(|fd| fd.try_clone_to_owned()).transpose()?;
        command.args(&self.arguments).stdin(input.map_or_else(Stdio::null, Stdio::from));
        if let Some(title) = &self.title {
            command.arg0(title);
        }
        for name in DROPPED_VARIABLES {
            command.env_remove(name);
        }
        if self.own_group {
            command.process_group(0);
        }
        let output = match self.output {
            Output::Inherited => None,
            Output::Captured => Some(capture(&mut command)?),
        };
        let prepare = Prepare {
            credentials: self
                .credentials
                .clone()
                .map(|wanted| (wanted.uid, wanted.gid, gids(&wanted.groups))),
            death_signal: self.death_signal,
            ignored: self.ignored_signals.to_vec(),
            parent: nix::unistd::getpid(),
        };
        // SAFETY: the closure runs in the forked child before exec. It only makes system calls that are
        // async-signal-safe (see `Prepare::run`), on values that were allocated before the fork, and allocates nothing:
        // errors are built from an errno.
        unsafe { command.pre_exec(move || prepare.run().map_err(io::Error::from)) };
        let child = command.spawn()?;
        let pid = i32::try_from(child.id()).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(Started { pid: Pid::from_raw(pid), output: output.map(OwnedFd::from) })
    }
}

fn gids(groups: &[u32]) -> Vec<Gid> {
    groups.iter().copied().map(Gid::from_raw).collect()
}

fn capture(command: &mut Command) -> io::Result<PipeReader> {
    let (reader, writer) = io::pipe()?;
    let flags = nix::fcntl::OFlag::O_NONBLOCK;
    nix::fcntl::fcntl(&reader, nix::fcntl::FcntlArg::F_SETFL(flags))?;
    command.stdout(writer.try_clone()?).stderr(writer);
    Ok(reader)
}

/// What the forked child does before exec.
struct Prepare {
    credentials: Option<(u32, u32, Vec<Gid>)>,
    death_signal: Option<Signal>,
    ignored: Vec<Signal>,
    parent: Pid,
}

impl Prepare {
    fn run(&self) -> nix::Result<()> {
        set_dispositions(&self.ignored);
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        if let Some((uid, gid, groups)) = &self.credentials {
            let (uid, gid) = (Uid::from_raw(*uid), Gid::from_raw(*gid));
            // Groups first: whoever is no longer root may not change them.
            if nix::unistd::geteuid().is_root() {
                setgroups(groups)?;
            }
            setresgid(gid, gid, gid)?;
            setresuid(uid, uid, uid)?;
        }
        // After the change of identity, which clears it.
        if let Some(signal) = self.death_signal {
            nix::sys::prctl::set_pdeathsig(signal)?;
            if getppid() != self.parent {
                return Err(nix::errno::Errno::ESRCH);
            }
        }
        close_on_exec_from(3);
        Ok(())
    }
}

/// Gives `ignored` the disposition "ignore", every other signal the default one.
fn set_dispositions(ignored: &[Signal]) {
    for signal_number in Signal::iterator() {
        let handler = if ignored.contains(&signal_number) { SigHandler::SigIgn } else { SigHandler::SigDfl };
        // SAFETY: no handler function is installed, only "ignore" and "default", so no code of ours can be entered
        // from a signal. It fails for KILL and STOP, which have their default effect anyway.
        let _ = unsafe { signal(signal_number, handler) };
    }
    for number in libc::SIGRTMIN()..=libc::SIGRTMAX() {
        // SAFETY: as above.
        let _ = unsafe { libc::signal(number, libc::SIG_DFL) };
    }
}

/// Gives these signals back their default effect in this process: an ignored signal (`nohup` ignores HUP) would never
/// reach a signalfd.
pub fn restore_default_signals(signals: &[Signal]) {
    for number in signals {
        // SAFETY: as in `set_dispositions`: no handler function is installed.
        let _ = unsafe { signal(*number, SigHandler::SigDfl) };
    }
}

/// Ignores realtime signals we have no use for: their default effect is to end a process, and tools for keepalived send
/// some.
pub fn ignore_realtime_signals_but(used: &[i32]) {
    for number in (libc::SIGRTMIN()..=libc::SIGRTMAX()).filter(|number| !used.contains(number)) {
        // SAFETY: as in `set_dispositions`: no handler function is installed.
        let _ = unsafe { libc::signal(number, libc::SIG_IGN) };
    }
}

/// Blocks these realtime signals, which `nix` has no names for, and gives the set with them in it.
///
/// # Errors
/// When the kernel does not have one of them.
pub fn block_realtime_signals(set: SigSet, numbers: &[i32]) -> nix::Result<SigSet> {
    let mut raw = *set.as_ref();
    for number in numbers {
        // SAFETY: `raw` is an initialised set of our own; a number that is out of range is an error and changes nothing.
        Errno::result(unsafe { libc::sigaddset(&raw mut raw, *number) })?;
    }
    // SAFETY: `raw` is an initialised set; `nix` only passes it on to the kernel.
    let all = unsafe { SigSet::from_sigset_t_unchecked(raw) };
    all.thread_block()?;
    Ok(all)
}

fn close_on_exec_from(first: u32) {
    // SAFETY: sets the close-on-exec flag on descriptors of this process, which is about to exec; takes no pointer and
    // closes nothing before exec. Kernels before 5.11 refuse, and then the flags that Rust sets on every descriptor
    // it opens stay in force.
    let _ =
        unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::{AsFd, AsRawFd};

    use nix::sys::wait::{WaitStatus, waitpid};

    use super::*;

    /// Runs a shell line and gives its exit status and output.
    fn shell(line: &str, change: impl FnOnce(&mut Spawn<'_>)) -> (i32, String) {
        let mut spawn = Spawn::new(OsStr::new("/bin/sh"));
        change(&mut spawn);
        shell_as(spawn, line)
    }

    fn shell_as(mut spawn: Spawn<'_>, line: &str) -> (i32, String) {
        spawn.arguments = vec!["-c".into(), line.into()];
        spawn.output = Output::Captured;
        let started = spawn.start().expect("a shell starts");
        let status = match waitpid(started.pid, None).expect("our child") {
            WaitStatus::Exited(_, status) => status,
            WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
            other => panic!("{other:?}"),
        };
        let mut text = String::new();
        std::fs::File::from(started.output.expect("captured")).read_to_string(&mut text).expect("text");
        (status, text)
    }

    #[test]
    fn output_and_errors_arrive_in_order_in_one_pipe() {
        assert_eq!(
            shell("echo one; echo two >&2; echo three; exit 7", |_| ()),
            (7, "one\ntwo\nthree\n".into())
        );
    }

    #[test]
    fn a_missing_program_is_an_error_and_no_process() {
        let error = Spawn::new(OsStr::new("/nonexistent/program")).start().expect_err("absent");
        assert_eq!(error.source.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_program_leads_its_own_process_group() {
        let (_, text) =
            shell("read -r _ _ _ _ group _ < /proc/$$/stat; [ $group = $$ ] && echo leads", |_| ());
        assert_eq!(text, "leads\n");
    }

    #[test]
    fn no_descriptor_is_inherited_that_was_not_asked_for() {
        let lost = io::pipe().expect("pipe");
        nix::fcntl::fcntl(&lost.0, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).expect("open");
        let line = format!("[ -e /proc/$$/fd/{} ] || echo closed", lost.0.as_raw_fd());
        assert_eq!(shell(&line, |_| ()), (0, "closed\n".into()));
    }

    #[test]
    fn input_comes_from_where_it_is_wanted_and_is_empty_otherwise() {
        let (reader, mut writer) = io::pipe().expect("pipe");
        io::Write::write_all(&mut writer, b"word\n").expect("fits");
        let read = "read -r word; echo \"<$word>\"";
        let mut spawn = Spawn::new(OsStr::new("/bin/sh"));
        spawn.input = Some(reader.as_fd());
        assert_eq!(shell_as(spawn, read), (0, "<word>\n".into()));
        assert_eq!(shell(read, |_| ()), (0, "<>\n".into()));
    }

    #[test]
    fn no_signal_is_blocked_and_only_the_wanted_ones_are_ignored() {
        let mut blocked = SigSet::empty();
        blocked.add(Signal::SIGTERM);
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&blocked), None).expect("blocks");
        // With exec, because a shell blocks signals while it starts somebody.
        let line = "exec grep -E '^Sig(Blk|Ign)' /proc/$$/status";
        let (_, text) = shell(line, |spawn| spawn.ignored_signals = &[Signal::SIGHUP]);
        sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&blocked), None).expect("unblocks");
        // The C library keeps signals 32 and 33 to itself: what they are cannot be changed.
        let mask = |line: &str| u64::from_str_radix(&line[line.len() - 16..], 16).expect("hex") & 0x7fff_ffff;
        assert_eq!(text.lines().map(mask).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn loader_variables_do_not_reach_the_program() {
        let (_, text) = shell("echo ${LD_PRELOAD-unset} ${NOTIFY_SOCKET-unset}", |_| ());
        assert_eq!(text, "unset unset\n");
    }

    #[test]
    fn a_program_runs_as_the_wanted_user_and_groups() {
        if !nix::unistd::geteuid().is_root() {
            // Nobody else may change identity; then the refusal is what must be seen.
            let mut spawn = Spawn::new(OsStr::new("/bin/true"));
            spawn.credentials = Some(Credentials { uid: 0, gid: 0, groups: Vec::new() });
            assert!(spawn.start().is_err());
            return;
        }
        let credentials = Credentials { uid: 65534, gid: 65533, groups: vec![65532] };
        let (status, text) = shell("id -u; id -g; id -G", |spawn| spawn.credentials = Some(credentials));
        assert_eq!((status, text.as_str()), (0, "65534\n65533\n65533 65532\n"));
    }
}
