//! What can only be checked when everything is known.

use std::time::Duration;

use mainstay_core::router::plan::{Destination, InstancePlan, TrackerTarget};

use super::{Lowering, commands, definitions, heartbeats, notify, sync_group};

/// Checks and completes the whole.
/// `any_instance`: whether the file has a `vrrp_instance`, good or bad.
pub(crate) fn finish(lowering: &mut Lowering<'_>, any_instance: bool) {
    one_vrid_each(lowering);
    heartbeats::finish(lowering);
    sync_group::finish(lowering);
    track_groups(lowering);
    link_delays(lowering);
    notify::finish_fifos(lowering);
    let disabled = definitions::finish_scripts(lowering, any_instance);
    forget_scripts(lowering, &disabled);
    commands::warn_of_unprotected(lowering);
}

/// Two virtual routers that would hear each other's adverts as their own cannot live together.
fn one_vrid_each(lowering: &mut Lowering<'_>) {
    let mut kept: Vec<InstancePlan> = Vec::new();
    for instance in std::mem::take(&mut lowering.model.router.instances) {
        if let Some(other) = kept.iter().find(|other| collide(other, &instance)) {
            lowering
                .report
                .refuse(
                    "duplicate-vrid",
                    lowering.places.get(&instance.name).copied(),
                    format!(
                        "`{}` and `{}` both use VRID {} with {} on {}",
                        other.name,
                        instance.name,
                        instance.vrid,
                        instance.family,
                        instance.interface.as_deref().unwrap_or("no interface"),
                    ),
                )
                .because(format!("`{}` is left out; keepalived would not start at all", instance.name));
            lowering.model.instance_notify.remove(&instance.name);
        } else {
            kept.push(instance);
        }
    }
    lowering.model.router.instances = kept;
}

fn collide(one: &InstancePlan, other: &InstancePlan) -> bool {
    if one.vrid != other.vrid || one.family != other.family || one.interface != other.interface {
        return false;
    }
    match (&one.destination, &other.destination) {
        (Destination::Multicast(one), Destination::Multicast(other)) => one == other,
        (Destination::Unicast { peers, .. }, Destination::Unicast { peers: others, .. }) => {
            one.source == other.source
                && peers.iter().any(|peer| others.iter().any(|other| other.address == peer.address))
        }
        (Destination::Multicast(_), Destination::Unicast { .. })
        | (Destination::Unicast { .. }, Destination::Multicast(_)) => false,
    }
}

/// Members that do not exist are forgotten, as in keepalived.
fn track_groups(lowering: &mut Lowering<'_>) {
    let router = &mut lowering.model.router;
    for group in &mut router.track_groups {
        group.members.retain(|member| {
            let exists = router.instances.iter().any(|instance| instance.name == *member);
            if !exists {
                lowering
                    .report
                    .warn(
                        "unknown-member",
                        None,
                        format!("track_group `{}`: there is no instance `{member}`", group.name),
                    )
                    .because("it is ignored");
            }
            exists
        });
    }
}

/// A link that is believed to be up for longer than the peer waits only makes two masters.
fn link_delays(lowering: &mut Lowering<'_>) {
    let router = &mut lowering.model.router;
    for delay in &mut router.link_delays {
        let instances = router.instances.iter().filter(|instance| {
            instance.interface.as_deref() == Some(delay.interface.as_str())
                && !instance.ignore_interface_fault
        });
        let most = instances
            .map(|instance| {
                instance.advert_interval * u32::from(instance.down_timer_adverts.saturating_sub(1))
            })
            .min();
        if let Some(most) = most
            && delay.down > most
            && most > Duration::ZERO
        {
            lowering
                .report
                .warn("link-delay", None, format!("`{}` would be believed up for too long", delay.interface))
                .because(format!(
                    "its down delay is cut from {} to {} s, below what the backup waits",
                    delay.down.as_secs_f64(),
                    most.as_secs_f64()
                ));
            delay.down = most;
        }
    }
}

/// A script that cannot run tracks nothing.
fn forget_scripts(lowering: &mut Lowering<'_>, disabled: &[String]) {
    let runs = |target: &TrackerTarget| match target {
        TrackerTarget::Script(name) => !disabled.contains(name),
        TrackerTarget::Interface(_)
        | TrackerTarget::File(_)
        | TrackerTarget::Process(_)
        | TrackerTarget::Bfd(_) => true,
    };
    let router = &mut lowering.model.router;
    for instance in &mut router.instances {
        instance.trackers.retain(|tracker| runs(&tracker.target));
    }
    for group in &mut router.sync_groups {
        group.trackers.retain(|tracker| runs(&tracker.target));
    }
}
