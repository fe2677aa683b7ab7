//! `notify_fifo`, `vrrp_notify_fifo` and `lvs_notify_fifo`: a line for every change, for whoever reads.
//!
//! A line is one write, and a full pipe drops it rather than hold us up, as keepalived does; ours is counted and logged.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use mainstay_config::model::{Fifo, Fifos};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, chown, mkfifo};

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Instances and sync groups.
    Vrrp,
    /// Virtual and real servers.
    Servers,
}

/// The pipes changes are written to.
#[derive(Debug, Default)]
pub struct OpenFifos {
    open: Vec<OpenFifo>,
}

#[derive(Debug)]
struct OpenFifo {
    settings: Fifo,
    /// What it hears of; `None`: everything.
    about: Option<About>,
    /// `None`: it could not be opened.
    file: Option<File>,
    /// We made it, and remove it.
    created: bool,
    lost: u64,
}

impl OpenFifos {
    /// Opens what is new, keeps what is unchanged, closes the rest; gives the new ones that want a reader started.
    pub fn follow(&mut self, wanted: &Fifos) -> Vec<Fifo> {
        let all = wanted.all.iter().map(|fifo| (None, fifo));
        let vrrp = wanted.vrrp.iter().map(|fifo| (Some(About::Vrrp), fifo));
        let servers = wanted.lvs.iter().map(|fifo| (Some(About::Servers), fifo));
        let wanted: Vec<(Option<About>, &Fifo)> = all.chain(vrrp).chain(servers).collect();
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|fifo| wanted.contains(&(fifo.about, &fifo.settings)));
        self.open = kept;
        // Removed before the new ones are made: they may have the same path.
        drop(gone);
        let mut started = Vec::new();
        for (about, settings) in wanted {
            if self.open.iter().any(|fifo| fifo.about == about && fifo.settings == *settings) {
                continue;
            }
            let fifo = OpenFifo::open(settings.clone(), about);
            if fifo.file.is_some() && settings.script.is_some() {
                started.push(settings.clone());
            }
            self.open.push(fifo);
        }
        started
    }

    /// Writes a line to each that hears of it.
    pub fn write(&mut self, about: About, line: &str) {
        for fifo in &mut self.open {
            if fifo.about.is_none_or(|only| only == about) {
                fifo.write(line);
            }
        }
    }
}

impl OpenFifo {
    fn open(settings: Fifo, about: Option<About>) -> Self {
        match try_open(&settings) {
            Ok((file, created)) => Self { settings, about, file: Some(file), created, lost: 0 },
            Err(error) => {
                tracing::error!("FIFO {}: {error}", settings.path.display());
                Self { settings, about, file: None, created: false, lost: 0 }
            }
        }
    }

    fn write(&mut self, line: &str) {
        let Some(file) = &mut self.file else { return };
        // Lines are shorter than PIPE_BUF: written whole or not at all.
        match file.write_all(line.as_bytes()) {
            Ok(()) => self.lost = 0,
            Err(error) => {
                self.lost += 1;
                if self.lost.is_power_of_two() {
                    let path = self.settings.path.display();
                    tracing::warn!("FIFO {path}: {} lines lost: {error}", self.lost);
                }
            }
        }
    }
}

impl Drop for OpenFifo {
    fn drop(&mut self) {
        if self.created {
            // Already gone is as good.
            let _ = std::fs::remove_file(&self.settings.path);
        }
    }
}

/// Opened for reading too, so that it can be opened before anybody reads, and a reader may come and go.
fn try_open(settings: &Fifo) -> io::Result<(File, bool)> {
    let path: &PathBuf = &settings.path;
    let created = match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) => true,
        Err(nix::errno::Errno::EEXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits();
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.file_type().is_fifo() {
        return Err(io::Error::other("it exists and is no FIFO"));
    }
    if let Some(owner) = settings.owner {
        let foreign = about.uid() != owner.uid && about.uid() != nix::unistd::geteuid().as_raw();
        if !created && foreign {
            return Err(io::Error::other(format!("it belongs to user {}", about.uid())));
        }
        chown(path, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))?;
    }
    Ok((file, created))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn fifos(name: &str) -> (PathBuf, Fifos) {
        let path = std::env::temp_dir().join(format!("mainstay-fifo-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let all = Some(Fifo { path: path.clone(), owner: None, script: None });
        (path, Fifos { all, ..Fifos::default() })
    }

    #[test]
    fn lines_written_before_anybody_reads_are_there_when_somebody_does() {
        let (path, wanted) = fifos("early");
        let mut open = OpenFifos::default();
        open.follow(&wanted);
        open.write(About::Vrrp, "INSTANCE \"a\" MASTER 100\n");
        let mut reader =
            OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&path).expect("opens");
        let mut buffer = [0; 100];
        let length = reader.read(&mut buffer).expect("reads");
        assert_eq!(&buffer[..length], b"INSTANCE \"a\" MASTER 100\n");
        open.follow(&Fifos::default());
        assert!(!path.exists());
    }

    #[test]
    fn a_full_pipe_does_not_hold_us_up() {
        let (_path, wanted) = fifos("full");
        let mut open = OpenFifos::default();
        open.follow(&wanted);
        let line = "x".repeat(1000);
        for _ in 0..200 {
            open.write(About::Vrrp, &line);
        }
        assert!(open.open[0].lost > 0);
    }

    #[test]
    fn a_pipe_for_servers_hears_of_servers_only() {
        let (path, wanted) = fifos("servers");
        let mut open = OpenFifos::default();
        open.follow(&Fifos { lvs: wanted.all, ..Fifos::default() });
        open.write(About::Vrrp, "INSTANCE \"a\" MASTER 100\n");
        open.write(About::Servers, "VS FWM 1 UP\n");
        let mut reader =
            OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&path).expect("opens");
        let mut buffer = [0; 100];
        let length = reader.read(&mut buffer).expect("reads");
        assert_eq!(&buffer[..length], b"VS FWM 1 UP\n");
    }

    #[test]
    fn an_ordinary_file_is_left_alone() {
        let (path, wanted) = fifos("file");
        std::fs::write(&path, "precious").expect("writes");
        let mut open = OpenFifos::default();
        open.follow(&wanted);
        open.write(About::Vrrp, "line\n");
        drop(open);
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), "precious");
        std::fs::remove_file(&path).expect("removes");
    }
}
