//! The page of metrics as text. `prometheus-client` writes it; here are the families and what they are made of.
//!
//! Names and labels are stable: they may become more. Labels come from the configuration and from short lists of words,
//! never from the network, so nobody outside can make more series of them.

use std::fmt;

use bytes::Bytes;
use mainstay_core::histogram::Histogram;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::snapshot::Snapshot;
use super::{classic, servers, vrrp};

/// Names and values of labels.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// How the page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// OpenMetrics 1.0, which Prometheus asks for.
    OpenMetrics,
    /// The text format of Prometheus before it: for `curl`, older agents and `promtool`.
    Classic,
}

impl Style {
    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// A page of OpenMetrics in this style.
    #[must_use]
    pub fn of(self, page: &[u8]) -> Bytes {
        let text = String::from_utf8_lossy(page);
        Bytes::from(match self {
            Self::OpenMetrics => text.into_owned(),
            Self::Classic => classic::from(&text),
        })
    }
}

/// The page, in OpenMetrics.
///
/// # Errors
/// None: a string takes everything.
pub fn write(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("mainstay");
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        node(self, &mut page)?;
        vrrp::write(self, &mut page)?;
        servers::write(self, &mut page)
    }
}

/// The page being written.
pub(super) struct Page<'a>(DescriptorEncoder<'a>);

/// One family of it: samples of one name.
pub(super) struct Family<'a>(MetricEncoder<'a>);

impl Page<'_> {
    /// Begins a family of gauges.
    pub(super) fn gauges<'a>(&'a mut self, name: &'a str, help: &str) -> Result<Family<'a>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge).map(Family)
    }

    /// Begins a family of counters, whose names are written with `_total` at their end.
    pub(super) fn counters<'a>(&'a mut self, name: &'a str, help: &str) -> Result<Family<'a>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Counter).map(Family)
    }

    /// Begins a family of histograms of seconds.
    pub(super) fn histograms<'a>(&'a mut self, name: &'a str, help: &str) -> Result<Family<'a>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Histogram).map(Family)
    }

    /// A gauge that has no labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.gauges(name, help)?.0.encode_gauge(&value)
    }

    /// A counter that has no labels.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.counters(name, help)?.0.encode_counter::<Labels<'_>, _, u64>(&value, None)
    }

    /// A histogram that has no labels.
    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        encode(&mut self.histograms(name, help)?.0, histogram)
    }
}

impl Family<'_> {
    /// A gauge.
    pub(super) fn gauge(&mut self, labels: Labels<'_>, value: impl Into<f64>) -> fmt::Result {
        self.0.encode_family(&labels)?.encode_gauge(&value.into())
    }

    /// A counter.
    pub(super) fn counter(&mut self, labels: Labels<'_>, value: u64) -> fmt::Result {
        self.0.encode_family(&labels)?.encode_counter::<Labels<'_>, _, u64>(&value, None)
    }

    /// A counter of seconds.
    pub(super) fn seconds(&mut self, labels: Labels<'_>, value: f64) -> fmt::Result {
        self.0.encode_family(&labels)?.encode_counter::<Labels<'_>, _, u64>(&value, None)
    }

    /// A histogram.
    pub(super) fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) -> fmt::Result {
        encode(&mut self.0.encode_family(&labels)?, histogram)
    }
}

fn encode(encoder: &mut MetricEncoder<'_>, histogram: &Histogram) -> fmt::Result {
    let classes = histogram.classes();
    let buckets: Vec<(f64, u64)> = classes
        .map(|(bound, count)| (bound.map_or(f64::INFINITY, |bound| bound.as_secs_f64()), count))
        .collect();
    let (sum, total) = (histogram.sum().as_secs_f64(), histogram.total());
    encoder.encode_histogram::<Labels<'_>>(sum, total, &buckets, None)
}

/// A number of seconds from milliseconds since 1970; exact to the millisecond for the next hundred thousand years.
fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

/// The node itself, and what the supervisor counted.
fn node(snapshot: &Snapshot, page: &mut Page<'_>) -> fmt::Result {
    let measures = snapshot.measures.as_ref();
    let node = measures.map_or("", |measures| measures.node.as_str());
    let version = env!("CARGO_PKG_VERSION");
    let mut family = page.gauges("build_info", "Always 1, with the version and the name of the node")?;
    family.gauge(&[("version", version), ("node", node)], 1)?;
    let router = measures.is_some_and(|measures| measures.router.is_some());
    page.gauge("router_up", "Whether the router process answers", f64::from(router))?;
    let Some(measures) = measures else { return Ok(()) };
    let counted = &measures.counted;
    let help = "When the daemon was started, in seconds since 1970";
    page.gauge("start_time_seconds", help, seconds(counted.started_at_ms))?;
    let help = "When the configuration in force came into force, in seconds since 1970";
    page.gauge("config_timestamp_seconds", help, seconds(counted.configured_at_ms))?;
    let help = "Whether the last reload was accepted";
    page.gauge("config_last_reload_successful", help, f64::from(!counted.last_reload_refused))?;
    let mut family = page.counters("reloads", "Reloads by result: accepted, refused")?;
    family.counter(&[("result", "accepted")], counted.reloads)?;
    family.counter(&[("result", "refused")], counted.reloads_refused)?;
    let mut family = page.counters("process_deaths", "Deaths of the router and the director")?;
    for role in ["router", "director"] {
        family.counter(&[("process", role)], counted.deaths.get(role).copied().unwrap_or_default())?;
    }
    let help = "Runs of tracking scripts by how they ended";
    let mut family = page.counters("script_runs", help)?;
    for ((script, result), count) in &counted.scripts {
        family.counter(&[("script", script), ("result", result)], *count)?;
    }
    let help = "Runs of notify scripts by how they ended; overtaken: a newer state came before their turn";
    let mut family = page.counters("notify_runs", help)?;
    for ((object, result), count) in &counted.notifications {
        family.counter(&[("object", object), ("result", result)], *count)?;
    }
    Ok(())
}
