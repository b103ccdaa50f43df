//! What is said about the process with everything it sends: OpenTelemetry's resource.
//!
//! Found out once, at the start. What is configured counts more than what is found, and what cannot be found is left
//! out; nothing here fails.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use crate::config::TelemetryConfig;
use crate::{Attribute, AttributeValue, Resource};

/// Attributes by key; the first that is set stays.
#[derive(Debug, Default)]
struct Attributes(BTreeMap<String, AttributeValue>);

impl Attributes {
    fn add(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()) {
            self.0.entry(key.to_owned()).or_insert_with(|| value.into());
        }
    }

    fn add_number(&mut self, key: &str, value: u32) {
        self.0.entry(key.to_owned()).or_insert_with(|| value.into());
    }
}

/// The resource of a configuration, and of the machine if it is to be looked at.
pub(crate) fn resource(config: &TelemetryConfig) -> Resource {
    let mut attributes = Attributes::default();
    // Of a key that was given twice the later value counts: the environment's comes last.
    for (key, value) in config.resource_attributes.iter().rev() {
        attributes.add(key, Some(value.clone()));
    }
    attributes.add("service.version", config.service_version.clone());
    attributes.add("deployment.environment.name", config.environment.clone());
    attributes.add("telemetry.sdk.name", Some(env!("CARGO_PKG_NAME").to_owned()));
    attributes.add("telemetry.sdk.language", Some("rust".to_owned()));
    attributes.add("telemetry.sdk.version", Some(env!("CARGO_PKG_VERSION").to_owned()));
    attributes.add("service.instance.id", Some(INSTANCE.get_or_init(instance_id).clone()));
    if config.detect_resource {
        process(&mut attributes);
        host(&mut attributes);
        container(&mut attributes, Path::new("/proc/self"));
        kubernetes(&mut attributes, &|name| std::env::var(name).ok(), Path::new("/var/run/secrets/kubernetes.io"));
    }
    let attributes = attributes.0.into_iter().map(|(key, value)| -> Attribute { (key.into(), value) });
    Resource { service_name: config.service_name.clone().into(), attributes: attributes.collect() }
}

/// One for the process, whatever else is said about it later.
static INSTANCE: OnceLock<String> = OnceLock::new();

/// Random, as the specification advises where nothing better is known.
fn instance_id() -> String {
    let id: u128 = rand::random();
    // Version 4, variant 1.
    let id = (id & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{id:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// Without its arguments, which may hold secrets.
fn process(attributes: &mut Attributes) {
    attributes.add_number("process.pid", std::process::id());
    let executable = std::env::current_exe().ok();
    let name = executable.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    attributes.add("process.executable.name", name);
    attributes.add("process.executable.path", executable.map(|path| path.to_string_lossy().into_owned()));
    attributes.add("process.runtime.name", Some("rust".to_owned()));
}

fn host(attributes: &mut Attributes) {
    let system = rustix::system::uname();
    attributes.add("host.name", Some(system.nodename().to_string_lossy().into_owned()));
    attributes.add("host.arch", Some(architecture(std::env::consts::ARCH).to_owned()));
    attributes.add("host.id", std::fs::read_to_string("/etc/machine-id").ok());
    attributes.add("os.type", Some(std::env::consts::OS.replace("macos", "darwin")));
    attributes.add("os.version", Some(system.release().to_string_lossy().into_owned()));
    let about = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = about.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    attributes.add("os.description", name.map(|name| name.trim_matches('"').to_owned()));
}

/// As OpenTelemetry writes architectures.
fn architecture(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        other => other,
    }
}

/// The id of the container, where the kernel still shows it: in the paths of control groups or of mounts.
fn container(attributes: &mut Attributes, proc: &Path) {
    let read = |file: &str| std::fs::read_to_string(proc.join(file)).unwrap_or_default();
    let cgroup = read("cgroup").lines().rev().find_map(|line| line.rsplit('/').find_map(container_id));
    let mounted = || {
        let mounts = read("mountinfo");
        // Docker's and Podman's; the ids of images and layers stand elsewhere.
        let behind = |line: &str, directory| {
            line.split(directory).skip(1).find_map(|path| container_id(path.split('/').next()?))
        };
        mounts.lines().find_map(|line| {
            ["/containers/", "/overlay-containers/"].iter().find_map(|directory| behind(line, *directory))
        })
    };
    attributes.add("container.id", cgroup.or_else(mounted));
}

/// 64 hexadecimal digits, without what runtimes put around them: `docker-….scope`, `cri-containerd:…`.
fn container_id(name: &str) -> Option<String> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let id = name.rsplit(['-', ':']).next()?;
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id.to_owned())
}

/// What a pod knows about itself: by the usual names of the downward API, else by what Kubernetes always gives.
fn kubernetes(attributes: &mut Attributes, lookup: &dyn Fn(&str) -> Option<String>, secrets: &Path) {
    if lookup("KUBERNETES_SERVICE_HOST").is_none() {
        return;
    }
    let first = |names: &[&str]| names.iter().find_map(|name| lookup(name));
    attributes.add("k8s.pod.name", first(&["K8S_POD_NAME", "POD_NAME", "HOSTNAME"]));
    attributes.add("k8s.pod.uid", first(&["K8S_POD_UID", "POD_UID"]));
    let namespace = || std::fs::read_to_string(secrets.join("serviceaccount/namespace")).ok();
    attributes.add("k8s.namespace.name", first(&["K8S_NAMESPACE", "POD_NAMESPACE", "NAMESPACE"]).or_else(namespace));
    attributes.add("k8s.node.name", first(&["K8S_NODE_NAME", "NODE_NAME"]));
    attributes.add("k8s.container.name", first(&["K8S_CONTAINER_NAME", "CONTAINER_NAME"]));
    attributes.add("k8s.cluster.name", first(&["K8S_CLUSTER_NAME", "CLUSTER_NAME"]));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Attributes, container, container_id, instance_id, kubernetes, resource};
    use crate::{AttributeValue, TelemetryConfig};

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn said(value: &AttributeValue) -> String {
        if let AttributeValue::Str(text) = value { text.to_string() } else { panic!("{value:?}") }
    }

    #[test]
    fn what_is_configured_counts_more_than_what_is_found() {
        let config = TelemetryConfig::new("shop")
            .with_service_version("1.2")
            .with_environment("production")
            .with_resource_attribute("host.name", "first")
            .with_resource_attribute("host.name", "mine");
        let found = resource(&config);
        let value = |key: &str| found.attributes.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone());
        let text = |text: &str| Some(AttributeValue::Str(text.to_owned().into()));
        assert_eq!(value("host.name"), text("mine"));
        assert_eq!((value("service.version"), value("deployment.environment.name")), (text("1.2"), text("production")));
        assert_eq!(value("process.pid"), Some(std::process::id().into()), "a number, as the conventions have it");
        assert_eq!(value("os.type"), text(std::env::consts::OS));
        assert!(value("process.command_line").is_none(), "arguments may hold secrets");
        let little = resource(&config.with_resource_detection(false));
        assert_eq!(little.attributes.len(), 7);
    }

    #[test]
    fn instances_are_told_apart() {
        let (one, other) = (instance_id(), instance_id());
        assert_ne!(one, other);
        let parts: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(one.as_bytes().get(14), Some(&b'4'), "a UUID of version 4: {one}");
    }

    #[test]
    fn containers_are_found_whatever_runs_them() {
        for name in
            [ID.to_owned(), format!("docker-{ID}.scope"), format!("cri-containerd:{ID}"), format!("crio-{ID}.scope")]
        {
            assert_eq!(container_id(&name).as_deref(), Some(ID), "{name}");
        }
        assert_eq!(container_id("user.slice"), None);
        let proc = tempfile::tempdir().expect("a directory");
        let found = || {
            let mut attributes = Attributes::default();
            container(&mut attributes, proc.path());
            attributes.0.get("container.id").map(said)
        };
        assert_eq!(found(), None);
        fs::write(proc.path().join("cgroup"), "0::/\n").expect("written");
        let mounts = format!("1 2 0:3 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/x rw\n");
        fs::write(proc.path().join("mountinfo"), mounts).expect("written");
        assert_eq!(found().as_deref(), Some(ID));
        let layer = ID.replace('1', "e");
        let podman = format!(
            "1 2 0:3 / / rw - overlay overlay rw,upperdir=/var/lib/containers/storage/overlay/{layer}/diff\n\
             1 2 0:3 /run/containers/storage/overlay-containers/{ID}/userdata/hostname /etc/hostname rw - tmpfs x rw\n"
        );
        fs::write(proc.path().join("mountinfo"), podman).expect("written");
        assert_eq!(found().as_deref(), Some(ID), "a layer of an image is no container");
        let within = ID.replace('0', "f");
        for path in [format!("/kubepods/{within}"), format!("/docker/{within}/init.scope")] {
            fs::write(proc.path().join("cgroup"), format!("1:name=x:{path}\n")).expect("written");
            assert_eq!(found().as_deref(), Some(within.as_str()), "the control group says it best: {path}");
        }
    }

    #[test]
    fn pods_know_their_names() {
        let lookup = |name: &str| match name {
            "KUBERNETES_SERVICE_HOST" => Some("10.0.0.1".to_owned()),
            "HOSTNAME" => Some("shop-1".to_owned()),
            "NODE_NAME" => Some("n1".to_owned()),
            _ => None,
        };
        let secrets = tempfile::tempdir().expect("a directory");
        fs::create_dir(secrets.path().join("serviceaccount")).expect("a directory");
        fs::write(secrets.path().join("serviceaccount/namespace"), "prod\n").expect("written");
        let mut attributes = Attributes::default();
        kubernetes(&mut attributes, &lookup, secrets.path());
        let found: Vec<_> = attributes.0.iter().map(|(key, value)| format!("{key}={}", said(value))).collect();
        assert_eq!(found, ["k8s.namespace.name=prod", "k8s.node.name=n1", "k8s.pod.name=shop-1"]);
        let mut outside = Attributes::default();
        kubernetes(&mut outside, &|_| None, Path::new("/nowhere"));
        assert!(outside.0.is_empty());
    }
}
