//! USR1, USR2, RTMIN+2 and RTMAX-1: what keepalived's users and exporters read from `/tmp/keepalived.data`,
//! `keepalived.stats` and `keepalived.json`, with keepalived's keys.
//!
//! The router and the director only send a snapshot; the supervisor, which knows the configuration, writes the files. A
//! file appears whole or not at all: it is written beside the old one and put in its place.

mod bfd;
mod json;
mod text;
mod view;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use mainstay_config::model::ProcessSettings;
use mainstay_core::director;
use mainstay_core::router::report::Counters;
use mainstay_core::router::{Notification, NotifyObject, NotifyState, Report, State};
use mainstay_system::clock;

pub use self::view::{Instance, View};
use super::fifos::About;
use super::{Supervisor, notify, status};
use crate::frames::{ToDirector, ToRouter};

/// Who wants a report of the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// `keepalived.data`.
    Data,
    /// `keepalived.stats`.
    Statistics,
    /// The same, and counting begins anew.
    StatisticsAndClear,
    /// `keepalived.json`.
    Json,
    /// The FIFOs: the state of everything, after a reload.
    States,
    /// The director, under its own number.
    Director(u64),
    /// The director, for whoever reads the metrics.
    Measures(u64),
    /// The SNMP sub-agent, under its own number.
    Manager(u64),
}

/// What the counters of each instance were when they were last cleared. They themselves go on: nothing else that reads
/// them jumps back.
pub type Cleared = BTreeMap<String, Counters>;

impl Supervisor {
    /// USR1: the router's data and the director's.
    pub(super) fn ask_for_data(&mut self) {
        self.ask_for_report(Wanted::Data);
        self.director.send(&ToDirector::ReportWanted);
    }

    pub(super) fn ask_for_report(&mut self, wanted: Wanted) {
        if self.router.is_running() {
            self.last_report += 1;
            self.reports.insert(self.last_report, wanted);
            self.router.send(&ToRouter::ReportRequested(self.last_report));
        }
    }

    /// The director wants to know how the router is.
    pub(super) fn status_wanted(&mut self, number: u64) {
        if self.router.is_ready() {
            return self.ask_for_report(Wanted::Director(number));
        }
        let node = self.model.process.router_id.clone();
        self.director.send(&ToDirector::RouterStatus { number, node, vrrp: None });
    }

    pub(super) fn reported(&mut self, number: u64, report: Box<Report>) {
        let Some(wanted) = self.reports.remove(&number) else { return };
        if let Wanted::Measures(theirs) = wanted {
            return self.send_measures(theirs, Some(report));
        }
        let report = &*report;
        let settings = &self.model.process;
        let view = View::new(&self.model, report, &self.cleared);
        match wanted {
            Wanted::Data => {
                write(&path(settings, File::Data), &text::data(&view));
                // keepalived has a process for it when there is a session, and that process writes the file.
                if !self.model.router.bfd.is_empty() {
                    let text = bfd::sessions(&self.model.router.bfd, &report.bfd, clock::now());
                    write(&path(settings, File::Sessions), &text);
                }
            }
            Wanted::Statistics => write(&path(settings, File::Statistics), &text::statistics(&view)),
            Wanted::StatisticsAndClear => {
                write(&path(settings, File::Statistics), &text::statistics(&view));
                let now = |instance: &mainstay_core::router::report::InstanceReport| {
                    (instance.name.clone(), instance.counters)
                };
                self.cleared = report.instances.iter().map(now).collect();
            }
            Wanted::Json => {
                write(&path(settings, File::Json), &json::text(&view, settings.dumps.json_version))
            }
            Wanted::States => {
                for told in states(report) {
                    self.fifos.write(About::Vrrp, &notify::fifo_line(&told));
                }
            }
            // Answered above: it needs nothing of the configuration but names.
            Wanted::Measures(_) => {}
            Wanted::Manager(theirs) => self.tell_manager(theirs, report.clone()),
            Wanted::Director(theirs) => {
                let vrrp = Some(Box::new(status::vrrp(&view)));
                let node = self.model.process.router_id.clone();
                self.director.send(&ToDirector::RouterStatus { number: theirs, node, vrrp });
            }
        }
    }

    /// Writes what the director has told to `keepalived_check.data`.
    pub(super) fn servers_reported(&self, report: &director::Report) {
        write(&path(&self.model.process, File::ServerData), &text::server_data(report));
    }
}

/// What the FIFOs would have been told of the states everything is in.
fn states(report: &Report) -> Vec<Notification> {
    let told = |object: NotifyObject, state: State, priority: u8| {
        let state = match state {
            State::Master => NotifyState::Master,
            State::Backup => NotifyState::Backup,
            State::Fault => NotifyState::Fault,
            State::Init => return None,
        };
        Some(Notification { object, state, priority })
    };
    let instances = report.instances.iter().filter_map(|instance| {
        let object = NotifyObject::Instance(instance.name.clone());
        told(object, instance.state, instance.effective_priority)
    });
    let groups = report
        .groups
        .iter()
        .filter_map(|group| told(NotifyObject::Group(group.name.clone()), group.state, 0));
    instances.chain(groups).collect()
}

/// The files there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    /// VRRP.
    Data,
    /// Virtual servers.
    ServerData,
    /// BFD.
    Sessions,
    /// Counters.
    Statistics,
    /// VRRP for programs.
    Json,
}

/// Where a file goes: where it is configured to go, or under its usual name into the usual folder. With
/// `data_use_instance` the network namespace and the instance of the daemon are part of the name.
fn path(settings: &ProcessSettings, file: File) -> PathBuf {
    let dumps = &settings.dumps;
    let (configured, usual, suffix) = match file {
        File::Data => (&dumps.state, "keepalived.data", ""),
        File::ServerData => (&dumps.state, "keepalived.data", "_check"),
        File::Sessions => (&dumps.state, "keepalived.data", "_bfd"),
        File::Statistics => (&dumps.statistics, "keepalived.stats", ""),
        File::Json => (&dumps.json, "keepalived.json", ""),
    };
    let path = match configured {
        // A folder: PathBuf forgets the slash at the end, the text does not.
        Some(path) if path.as_os_str().as_encoded_bytes().ends_with(b"/") => path.join(usual),
        Some(path) => path.clone(),
        None => directory().join(usual),
    };
    let mut stem = path.file_stem().unwrap_or_default().to_owned();
    stem.push(suffix);
    if dumps.use_instance {
        let names: Vec<&str> =
            settings.net_namespace.iter().chain(&settings.instance).map(String::as_str).collect();
        if !names.is_empty() {
            stem.push(".");
            stem.push(names.join("_"));
        }
    }
    if let Some(extension) = path.extension() {
        stem.push(".");
        stem.push(extension);
    }
    path.with_file_name(stem)
}

fn write(path: &Path, text: &str) {
    match replace(path, text) {
        Ok(()) => tracing::info!("Wrote {}", path.display()),
        Err(error) => tracing::error!("{}: {error}", path.display()),
    }
}

/// `$TMPDIR` if it is an absolute path of a directory, else `/tmp`.
fn directory() -> PathBuf {
    let wanted = std::env::var_os("TMPDIR").map(PathBuf::from);
    wanted.filter(|path| path.is_absolute() && path.is_dir()).unwrap_or_else(|| "/tmp".into())
}

/// Puts a new file in the place of the old one, never following a link somebody may have put there.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(format!(".{}", std::process::id()));
    let new = PathBuf::from(new);
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new)?;
    file.write_all(text.as_bytes()).and_then(|()| fs::rename(&new, path)).inspect_err(|_| {
        // The error that counts is on its way already.
        let _ = fs::remove_file(&new);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_a_link_in_its_place_is_not_followed() {
        let folder = std::env::temp_dir().join(format!("mainstay-dump-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let (path, precious) = (folder.join("keepalived.data"), folder.join("precious"));
        fs::write(&precious, "precious").expect("writes");
        std::os::unix::fs::symlink(&precious, &path).expect("links");
        replace(&path, "new").expect("writes");
        assert_eq!(fs::read_to_string(&path).expect("reads"), "new");
        assert_eq!(fs::read_to_string(&precious).expect("reads"), "precious");
        fs::remove_dir_all(&folder).expect("removes");
    }

    #[test]
    fn a_file_goes_where_it_is_configured_to_go() {
        let mut settings = ProcessSettings::default();
        let name = |path: PathBuf| path.file_name().and_then(|name| name.to_str().map(str::to_owned));
        assert_eq!(name(path(&settings, File::ServerData)).as_deref(), Some("keepalived_check.data"));
        settings.dumps.state = Some("/run/ka/state.txt".into());
        settings.dumps.json = Some("/run/ka/".into());
        assert_eq!(path(&settings, File::Data), Path::new("/run/ka/state.txt"));
        assert_eq!(path(&settings, File::ServerData), Path::new("/run/ka/state_check.txt"));
        assert_eq!(path(&settings, File::Json), Path::new("/run/ka/keepalived.json"));
        settings.dumps.use_instance = true;
        assert_eq!(path(&settings, File::Json), Path::new("/run/ka/keepalived.json"), "there is none");
        settings.net_namespace = Some("red".into());
        settings.instance = Some("one".into());
        assert_eq!(path(&settings, File::Json), Path::new("/run/ka/keepalived.red_one.json"));
    }
}
