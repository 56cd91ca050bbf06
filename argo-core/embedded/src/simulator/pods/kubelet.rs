//! The life of a pod on its node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use argo_core::time::{Timestamp, after};
use serde_json::Value;

use super::container::{Container, Restart, containers};
use super::status;
use crate::process::{Exited, Launch};
use crate::simulator::SimulatorConfig;
use crate::simulator::kinds::PODS;
use crate::simulator::pass::{Pass, Write};
use crate::simulator::read::{controller_of, int, is_deleting, list, name, namespace, phase, text, time, uid};
use crate::simulator::script::{Behaviour, Exit, PodScript, Readiness};
use crate::simulator::world::{Place, World};

/// All nodes' containers.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Kubelet {
    pods: BTreeMap<String, Sandbox>,
    addresses: BTreeSet<u32>,
}

/// What runs of one pod.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) started: Timestamp,
    pub(super) address: Option<u32>,
    pub(super) init: Vec<Container>,
    pub(super) main: Vec<Container>,
    /// Those that were added to look at the others.
    pub(super) ephemeral: Vec<Container>,
    /// When the containers told to stop will have.
    stopping: Option<Timestamp>,
    /// Whether processes were told to stop, and killed.
    told: bool,
    killed: bool,
    /// Why the pod as a whole failed.
    pub(super) failed: Option<(&'static str, String)>,
}

impl Kubelet {
    /// Forgets a pod that is gone.
    pub(in crate::simulator) fn forget(&mut self, uid: &str) {
        if let Some(sandbox) = self.pods.remove(uid)
            && let Some(address) = sandbox.address
        {
            self.addresses.remove(&address);
        }
    }

    /// The process of a container ended.
    pub(in crate::simulator) fn exited(&mut self, exited: Exited, now: Timestamp) {
        let Some(sandbox) = self.pods.get_mut(&exited.uid) else { return };
        let mut containers = sandbox.main.iter_mut().chain(&mut sandbox.init).chain(&mut sandbox.ephemeral);
        if let Some(container) = containers.find(|container| container.name() == exited.container) {
            container.exited(exited.attempt, exited.code, exited.message, now);
        }
    }

    /// Moves a pod that is on a node on to `now`.
    pub(in crate::simulator) fn pass(
        &mut self,
        world: &World,
        pod: &Value,
        script: &PodScript,
        config: &SimulatorConfig,
        now: Timestamp,
    ) -> Pass {
        let mut pass = Pass::default();
        if text(pod, "/spec/nodeName").is_empty() {
            if is_deleting(pod) {
                pass.write(gone(pod));
            }
            return pass;
        }
        if matches!(phase(pod), "Succeeded" | "Failed") && !self.pods.contains_key(uid(pod)) {
            // Ended before this process began.
            if is_deleting(pod) {
                pass.write(gone(pod));
            }
            return pass;
        }
        if !self.pods.contains_key(uid(pod)) {
            let sandbox = Sandbox::new(pod, now, &mut self.addresses);
            self.pods.insert(uid(pod).to_owned(), sandbox);
        }
        let Some(sandbox) = self.pods.get_mut(uid(pod)) else { return pass };
        let plays = |container: &Value| behaviour(pod, container, script, config);
        if is_deleting(pod) {
            if sandbox.terminate(pod, &plays, now, &mut pass) {
                let status = status::of(pod, sandbox, &plays, now);
                pass.status(&PODS, pod, status);
                pass.write(gone(pod));
            }
            return pass;
        }
        sandbox.advance(world, pod, &plays, now, &mut pass);
        let status = status::of(pod, sandbox, &plays, now);
        pass.status(&PODS, pod, status);
        pass
    }
}

impl Sandbox {
    fn new(pod: &Value, now: Timestamp, addresses: &mut BTreeSet<u32>) -> Self {
        let statuses = |pointer: &str| list(pod, pointer);
        let build = |pointer: &str, status: &str| {
            containers(pod, pointer).iter().map(|spec| Container::restored(spec, statuses(status), now)).collect()
        };
        let address = text(pod, "/status/podIP").parse::<std::net::Ipv4Addr>().ok().map(|ip| u32::from(ip) & 0xffff);
        let address = if text(pod, "/spec/hostNetwork") == "true" {
            None
        } else {
            address.or_else(|| (1..0xffff).find(|free| !addresses.contains(free)))
        };
        addresses.extend(address);
        Self {
            started: time(pod, "/status/startTime").unwrap_or(now),
            address,
            init: build("/spec/initContainers", "/status/initContainerStatuses"),
            main: build("/spec/containers", "/status/containerStatuses"),
            ephemeral: build("/spec/ephemeralContainers", "/status/ephemeralContainerStatuses"),
            stopping: None,
            told: false,
            killed: false,
            failed: None,
        }
    }

    fn advance(
        &mut self,
        world: &World,
        pod: &Value,
        plays: &impl Fn(&Value) -> Behaviour,
        now: Timestamp,
        pass: &mut Pass,
    ) {
        if self.failed.is_some() {
            return;
        }
        if let Some(seconds) = int(pod, "/spec/activeDeadlineSeconds") {
            let deadline = after(self.started, Duration::from_secs(seconds.unsigned_abs()));
            if deadline <= now {
                self.kill(pod, plays, pass);
                self.fail("DeadlineExceeded", "Pod was active on the node longer than the specified deadline", now);
                return;
            }
            pass.wake_at(deadline);
        }
        let policy = Restart::of(text(pod, "/spec/restartPolicy"));
        let mut go_on = true;
        for container in &mut self.init {
            let sidecar = is_sidecar(&container.spec);
            let restart = if sidecar {
                Restart::Always
            } else if policy == Restart::Never {
                Restart::Never
            } else {
                Restart::OnFailure
            };
            if go_on {
                step(world, pod, container, &plays(&container.spec), restart, now, pass);
            }
            go_on = go_on && if sidecar { container.is_running() && container.ready } else { container.succeeded() };
        }
        if !go_on {
            let broken = self.init.iter().any(|container| container.is_done() && !container.succeeded());
            if broken && policy == Restart::Never {
                self.main.iter_mut().for_each(|container| container.stage = super::container::Stage::Idle);
            }
            return;
        }
        for container in &mut self.main {
            step(world, pod, container, &plays(&container.spec), policy, now, pass);
        }
        for spec in list(pod, "/spec/ephemeralContainers") {
            if !self.ephemeral.iter().any(|known| known.name() == text(spec, "/name")) {
                self.ephemeral.push(Container::new(spec));
            }
        }
        for container in &mut self.ephemeral {
            step(world, pod, container, &plays(&container.spec), Restart::Never, now, pass);
        }
        if self.main.iter().all(Container::is_done) {
            for container in self.init.iter_mut().filter(|container| is_sidecar(&container.spec)) {
                container.stop(now, 0);
            }
        }
    }

    fn fail(&mut self, reason: &'static str, message: &str, now: Timestamp) {
        for container in self
            .main
            .iter_mut()
            .chain(&mut self.init)
            .chain(&mut self.ephemeral)
            .filter(|container| !container.is_done())
        {
            container.stop(now, 137);
        }
        self.failed = Some((reason, message.to_owned()));
    }

    fn signal(&self, pod: &Value, kill: bool, plays: &impl Fn(&Value) -> Behaviour, pass: &mut Pass) {
        let all = self.main.iter().chain(&self.init).chain(&self.ephemeral);
        for container in all.filter(|container| container.has_process(&plays(&container.spec))) {
            let container = container.name().to_owned();
            pass.write(Write::Stop { uid: uid(pod).to_owned(), container, kill });
        }
    }

    fn kill(&mut self, pod: &Value, plays: &impl Fn(&Value) -> Behaviour, pass: &mut Pass) {
        if !std::mem::replace(&mut self.killed, true) {
            self.signal(pod, true, plays, pass);
        }
    }

    /// Stops the containers of a pod that is being deleted; whether they have.
    fn terminate(
        &mut self,
        pod: &Value,
        plays: &impl Fn(&Value) -> Behaviour,
        now: Timestamp,
        pass: &mut Pass,
    ) -> bool {
        let grace = Duration::from_secs(int(pod, "/metadata/deletionGracePeriodSeconds").unwrap_or(30).unsigned_abs());
        let told = time(pod, "/metadata/deletionTimestamp")
            .map(|at| at - jiff::SignedDuration::try_from(grace).unwrap_or_default())
            .unwrap_or(now);
        let running = |container: &&Container| container.is_running();
        let longest = self
            .main
            .iter()
            .chain(&self.init)
            .chain(&self.ephemeral)
            .filter(running)
            .map(|container| plays(&container.spec).stop.saturating_add(pause(container)))
            .max()
            .unwrap_or_default();
        if self.stopping.is_none() {
            let all = self.main.iter().chain(&self.init).chain(&self.ephemeral);
            for container in all.filter(running) {
                pass.note(false, "Killing", format!("Stopping container {}", container.name()));
            }
        }
        let begun = *self.stopping.get_or_insert(now);
        if self
            .main
            .iter()
            .chain(&self.init)
            .chain(&self.ephemeral)
            .any(|container| container.has_process(&plays(&container.spec)))
        {
            let killed_at = after(told, grace).max(begun);
            if killed_at <= now {
                self.kill(pod, plays, pass);
            } else {
                let hold = self.main.iter().chain(&self.init).filter(running).map(pause).max().unwrap_or_default();
                let told_at = after(begun, hold);
                if told_at > now {
                    pass.wake_at(told_at);
                } else if !std::mem::replace(&mut self.told, true) {
                    self.signal(pod, false, plays, pass);
                }
                pass.wake_at(killed_at);
            }
            // Its end leads back here.
            return false;
        }
        let done = after(begun, longest).min(after(told, grace).max(begun));
        if done > now {
            pass.wake_at(done);
            return false;
        }
        let killed = longest > grace;
        for container in self
            .main
            .iter_mut()
            .chain(&mut self.init)
            .chain(&mut self.ephemeral)
            .filter(|container| !container.is_done())
        {
            // A server that is told to stop does so; a task has not done what it was there for.
            let task = plays(&container.spec).exit.is_some();
            container.stop(
                now,
                if killed {
                    137
                } else if task {
                    143
                } else {
                    0
                },
            );
        }
        true
    }
}

#[allow(clippy::too_many_arguments)] // One turn of one container.
fn step(
    world: &World,
    pod: &Value,
    container: &mut Container,
    behaviour: &Behaviour,
    restart: Restart,
    now: Timestamp,
    pass: &mut Pass,
) {
    if container.stage == super::container::Stage::Idle {
        container.begin(behaviour, now);
    }
    let restarts = container.restarts;
    let was_running = container.is_running();
    let (printed, mut next) = container.advance(behaviour, restart, now);
    let name_of = container.name().to_owned();
    if container.take_unhealthy() {
        pass.note(
            true,
            "Unhealthy",
            format!("Liveness probe failed: {}", probe_failed(&container.spec["livenessProbe"])),
        );
        pass.note(false, "Killing", format!("Container {name_of} failed liveness probe, will be restarted"));
    }
    let probe = &container.spec["readinessProbe"];
    if !was_running && container.is_running() && !container.ready && probe.is_object() {
        pass.note(true, "Unhealthy", format!("Readiness probe failed: {}", probe_failed(probe)));
    }
    if let Some(image) = &behaviour.process
        && container.take_start()
    {
        let find = |kind: &str, name: &str| world.named("v1", kind, namespace(pod), name).map(|(_, object)| object);
        match Launch::of(pod, &container.spec, image, &find) {
            Ok(launch) => pass.write(Write::Start {
                pod: Place::of(&PODS, namespace(pod), name(pod)),
                uid: uid(pod).to_owned(),
                container: container.name().to_owned(),
                attempt: container.restarts,
                launch: Box::new(launch),
            }),
            Err(message) => next = Some(container.misconfigured(message, now)),
        }
    }
    // A new start has a log of its own, even an empty one.
    if !printed.is_empty() || container.restarts > restarts {
        let text = printed.iter().map(|line| format!("{line}\n")).collect();
        pass.write(Write::Log {
            pod: Place::of(&PODS, namespace(pod), name(pod)),
            container: container.name().to_owned(),
            attempt: container.restarts,
            text,
        });
    }
    if let Some(next) = next {
        pass.wake_at(next);
    }
}

/// What a failed probe says.
fn probe_failed(probe: &Value) -> &'static str {
    if probe.get("exec").is_some() {
        "command failed"
    } else if probe.get("tcpSocket").is_some() {
        "dial tcp: connect: connection refused"
    } else {
        "HTTP probe failed with statuscode: 503"
    }
}

/// How long the `preStop` hook of a container sleeps.
fn pause(container: &Container) -> Duration {
    Duration::from_secs(int(&container.spec, "/lifecycle/preStop/sleep/seconds").unwrap_or(0).unsigned_abs())
}

pub(super) fn is_sidecar(container: &Value) -> bool {
    text(container, "/restartPolicy") == "Always"
}

/// What a container does: by the script, else by what its pod is for.
fn behaviour(pod: &Value, container: &Value, script: &PodScript, config: &SimulatorConfig) -> Behaviour {
    let mut behaviour = script.behaviour(pod, container).cloned().unwrap_or_else(|| {
        let mut behaviour = config.default.clone();
        // A probe that nothing is said of succeeds as soon as it is made.
        if let Some(delay) = int(container, "/readinessProbe/initialDelaySeconds")
            && behaviour.ready == Readiness::After(Duration::ZERO)
        {
            behaviour.ready = Readiness::After(Duration::from_secs(delay.unsigned_abs()));
        }
        behaviour
    });
    let is_init = list(pod, "/spec/initContainers").iter().any(|init| text(init, "/name") == text(container, "/name"));
    let ends = if is_init {
        !is_sidecar(container)
    } else {
        !matches!(text(pod, "/spec/restartPolicy"), "" | "Always")
            || controller_of(pod).is_some_and(|owner| text(owner, "/kind") == "Job")
    };
    if behaviour.exit.is_none() && behaviour.process.is_none() && ends {
        let after = if is_init { Duration::ZERO } else { config.run_time };
        behaviour.exit = Some(Exit { after, code: 0, reason: String::new(), times: None });
    }
    behaviour
}

/// The last word on a pod that has stopped.
fn gone(pod: &Value) -> Write {
    Write::Delete {
        place: Place::of(&PODS, namespace(pod), name(pod)),
        api_version: PODS.api_version.to_owned(),
        uid: uid(pod).to_owned(),
        propagation: None,
        grace: Some(0),
    }
}
