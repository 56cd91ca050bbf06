//! Security contexts of pods and containers, and what goes with the operating system.

use serde_json::Value;

use super::super::super::names;
use super::super::place::Place;
use super::super::shown::Go;
use super::volumes::descending;
use super::{Pod, each_container};

static SECCOMP: Go = Go::Type("SeccompProfile");
static CONTEXT: Go = Go::Type("SecurityContext");

fn id(place: &Place<'_, '_>) {
    if place.is_set() {
        place.within(0, i64::from(i32::MAX));
    }
}

/// The security context of a container.
pub(super) fn of_container(context: &Place<'_, '_>, pod: &Pod<'_>) {
    if !context.is_set() {
        return;
    }
    id(&context.at("runAsUser"));
    id(&context.at("runAsGroup"));
    let mount = context.at("procMount");
    if mount.is_set() {
        mount.must_be(&["Default", "Unmasked"]);
        if pod.host_users && mount.text() == "Unmasked" {
            mount.invalid("`hostUsers` must be false to use `Unmasked`");
        }
    }
    seccomp(&context.at("seccompProfile"));
    if context.at("allowPrivilegeEscalation").value() == &Value::Bool(false) {
        if context.at("privileged").flag() {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            context.invalid_struct(&CONTEXT, why);
        }
        for _ in context.at("capabilities.add").texts().iter().filter(|name| **name == "CAP_SYS_ADMIN") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            context.invalid_struct(&CONTEXT, why);
        }
    }
    windows_options(&context.at("windowsOptions"));
    app_armor(&context.at("appArmorProfile"));
}

/// The security context of a pod.
pub(super) fn of_pod(spec: &Place<'_, '_>) {
    let context = spec.at("securityContext");
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        id(&context.at(field));
    }
    context.at("supplementalGroups").items().for_each(|group| id(&group));
    if spec.at("shareProcessNamespace").flag() && spec.at("hostPID").flag() {
        let place = context.at("shareProcessNamespace");
        place.wrong(true, "ShareProcessNamespace and HostPID cannot both be enabled");
    }
    if !context.is_set() {
        return;
    }
    sysctls(spec, &context.at("sysctls"));
    let choices: [(&str, &[&str]); 3] = [
        ("fsGroupChangePolicy", &["Always", "OnRootMismatch"]),
        ("supplementalGroupsPolicy", &["Merge", "Strict"]),
        ("seLinuxChangePolicy", &["MountOption", "Recursive"]),
    ];
    for (field, supported) in choices {
        if context.has(field) {
            context.at(field).must_be(supported);
        }
    }
    seccomp(&context.at("seccompProfile"));
    windows_options(&context.at("windowsOptions"));
    app_armor(&context.at("appArmorProfile"));
}

fn sysctls(spec: &Place<'_, '_>, list: &Place<'_, '_>) {
    const FORM: &str = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
    let mut seen: Vec<&str> = Vec::new();
    for sysctl in list.items() {
        let name = sysctl.at("name");
        let text = name.text();
        if text.is_empty() {
            name.required("");
        } else if !names::is_sysctl(text) {
            name.invalid_text(FORM);
        } else if seen.contains(&text) {
            name.duplicate(text);
        }
        seen.push(text);
        let plain = text.replace('/', ".");
        if spec.at("hostNetwork").flag() && plain.starts_with("net.") {
            name.invalid_text("may not be specified when 'hostNetwork' is true");
        }
        let ipc = plain.starts_with("kernel.shm") || plain.starts_with("kernel.msg") || plain.starts_with("fs.mqueue.");
        if spec.at("hostIPC").flag() && (ipc || plain == "kernel.sem") {
            name.invalid_text("may not be specified when 'hostIPC' is true");
        }
    }
}

fn seccomp(profile: &Place<'_, '_>) {
    if !profile.is_set() {
        return;
    }
    let (kind, local) = (profile.at("type"), profile.at("localhostProfile"));
    if kind.is_empty() {
        kind.required("type is required when seccompProfile is set");
    } else {
        kind.must_be(&["Localhost", "RuntimeDefault", "Unconfined"]);
    }
    if kind.text() != "Localhost" {
        if local.is_set() {
            profile
                .at("localhostProfile")
                .elsewhere(profile.value(), &local.path())
                .invalid_struct(&SECCOMP, "can only be set when seccomp type is Localhost");
        }
    } else if local.is_set() {
        descending(&local, local.text());
    } else {
        local.required("must be set when seccomp type is Localhost");
    }
}

fn app_armor(profile: &Place<'_, '_>) {
    if !profile.is_set() {
        return;
    }
    let (kind, local) = (profile.at("type"), profile.at("localhostProfile"));
    match kind.text() {
        "Localhost" if local.text().trim() != local.text() => local.invalid_text("must not be padded with whitespace"),
        "Localhost" if local.is_empty() => local.required("must be set when AppArmor type is Localhost"),
        "Localhost" if local.text().len() > 4095 => local.too_long(4095),
        "Localhost" => {}
        "RuntimeDefault" | "Unconfined" => {
            if local.is_set() {
                local.invalid("can only be set when AppArmor type is Localhost");
            }
        }
        "" => kind.required("type is required when appArmorProfile is set"),
        _ => kind.must_be(&["Localhost", "RuntimeDefault", "Unconfined"]),
    }
}

fn windows_options(options: &Place<'_, '_>) {
    const SPEC_LIMIT: usize = 64 * 1024;
    if options.has("gmsaCredentialSpecName") {
        options.at("gmsaCredentialSpecName").subdomain();
    }
    let spec = options.at("gmsaCredentialSpec");
    if spec.is_set() && spec.is_empty() {
        spec.invalid_text("gmsaCredentialSpec cannot be an empty string");
    } else if spec.text().len() > SPEC_LIMIT {
        spec.invalid_text("gmsaCredentialSpec size must be under 64 KiB");
    }
    let name = options.at("runAsUserName");
    if name.is_set() {
        user_name(&name);
    }
}

fn user_name(name: &Place<'_, '_>) {
    let text = name.text();
    if text.is_empty() {
        return name.invalid_text("runAsUserName cannot be an empty string");
    }
    if text.chars().any(|c| c.is_ascii_control()) {
        return name.invalid_text("runAsUserName cannot contain control characters");
    }
    if text.matches('\\').count() > 1 {
        return name.invalid_text("runAsUserName cannot contain more than one backslash");
    }
    let (domain, user) = text.split_once('\\').map_or((None, text), |(domain, user)| (Some(domain), user));
    let refuse = |bad: bool, why: &str| {
        if bad {
            name.invalid_text(why);
        }
    };
    if let Some(domain) = domain {
        let net_bios = !domain.is_empty()
            && !domain.starts_with('.')
            && domain.chars().count() <= 15
            && !domain.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|']);
        let dns = domain.split('.').all(|part| names::is_label(&part.to_ascii_lowercase()));
        refuse(domain.len() >= 256, "runAsUserName's Domain length must be under 256 characters");
        refuse(!net_bios && !dns, "runAsUserName's Domain doesn't match the NetBios nor the DNS format");
    }
    refuse(user.is_empty(), "runAsUserName's User cannot be empty");
    refuse(user.len() > 104, "runAsUserName's User length must not be longer than 104 characters");
    let blank = !user.is_empty() && user.chars().all(|c| matches!(c, '.' | ' '));
    refuse(blank, "runAsUserName's User cannot contain only periods or spaces");
    let odd = user.contains(['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']']);
    refuse(odd, "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
}

/// Host processes of Windows: all containers or none, on the network of the host.
pub(super) fn host_processes(spec: &Place<'_, '_>) {
    let whole = spec.at("securityContext.windowsOptions.hostProcess").value().as_bool();
    let (mut all, mut of_host) = (0, 0);
    each_container(spec, |container| {
        all += 1;
        let place = container.at("securityContext.windowsOptions.hostProcess");
        let own = place.value().as_bool();
        if let (Some(whole), Some(own)) = (whole, own)
            && whole != own
        {
            place.invalid(&format!("pod hostProcess value must be identical if both are specified, was {whole}"));
        }
        of_host += usize::from(own.or(whole) == Some(true));
    });
    if of_host == 0 {
        return;
    }
    if of_host != all {
        spec.wrong("", "If pod contains any hostProcess containers then all containers must be HostProcess containers");
    }
    if !spec.at("hostNetwork").flag() {
        spec.at("hostNetwork").wrong(false, "hostNetwork must be true if pod contains any hostProcess containers");
    }
}

/// Users of its own keep a pod from the namespaces of the host.
pub(super) fn host_users(spec: &Place<'_, '_>) {
    if spec.at("hostUsers").value() != &Value::Bool(false) {
        return;
    }
    for (field, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if spec.at(field).flag() {
            spec.at(shown).forbidden("when `hostUsers` is false");
        }
    }
    each_container(spec, |container| {
        if !container.at("volumeDevices").is_empty() {
            container.at("volumeDevices").forbidden("when `hostUsers` is false");
        }
    });
}

/// What a pod for one operating system may not set.
pub(super) fn system(spec: &Place<'_, '_>) {
    const POD: [&str; 11] = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
        "seLinuxChangePolicy",
    ];
    const CONTAINER: [&str; 10] = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "runAsUser",
        "runAsGroup",
    ];
    const WHY: &str = "cannot be set for a windows pod";
    let system = spec.at("os");
    match system.at("name").text() {
        "" => system.at("name").required(""),
        "linux" => {
            const WHY: &str = "windows options cannot be set for a linux pod";
            let refuse = |owner: &Place<'_, '_>| {
                if owner.has("securityContext.windowsOptions") {
                    owner.at("securityContext.windowsOptions").forbidden(WHY);
                }
            };
            refuse(spec);
            each_container(spec, refuse);
        }
        "windows" => {
            let context = spec.at("securityContext");
            for field in POD.iter().filter(|field| context.has(field)) {
                context.at(field).forbidden(WHY);
            }
            for field in ["hostUsers", "shareProcessNamespace"] {
                if spec.has(field) {
                    spec.at(field).forbidden(WHY);
                }
            }
            for field in ["hostPID", "hostIPC"] {
                if spec.at(field).flag() {
                    spec.at(field).forbidden(WHY);
                }
            }
            each_container(spec, |container| {
                let context = container.at("securityContext");
                for field in CONTAINER.iter().filter(|field| context.has(field)) {
                    context.at(field).forbidden(WHY);
                }
            });
        }
        other => system.unsupported(other, &["linux", "windows"]),
    }
}
