"""What the files of docs/deploy promise of each other, which no linter knows: `promises.py ROOT`. Each that does not hold is a line."""

import json
import pathlib
import re
import sys
import tomllib

import yaml

# The daemon leaves at most so long after its budget, in seconds.
OVERRUN = 0.1


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


def instructions(containerfile):
    """Those of the last stage, which is the image: names with what follows, in order."""
    text = re.sub(r"\\\n\s*", "", "\n".join(line for line in containerfile.splitlines() if not line.startswith("#")))
    found = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    stage = max(place for place, (name, _) in enumerate(found) if name == "FROM")
    return found, found[stage:]


class Files:
    def __init__(self, root):
        deploy = root / "docs" / "deploy"
        self.whole, self.image = instructions((deploy / "Containerfile").read_text())
        self.cluster = deploy / "cluster"
        self.configuration = (deploy / "lastword.toml").read_text()
        self.compose = yaml.safe_load((deploy / "compose.yaml").read_text())
        self.manifests = {
            manifest["kind"]: manifest for manifest in yaml.safe_load_all((deploy / "kubernetes.yaml").read_text())
        }
        self.toolchain = tomllib.loads((root / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
        settings = tomllib.loads(self.configuration)
        self.budget = seconds(settings["drain"]["budget"])
        self.journal = pathlib.PurePath(settings["journal"]["path"])

    def said(self, name):
        return [rest for instruction, rest in self.image if instruction == name]

    def environment(self):
        return dict(pair.split("=", 1) for line in self.said("ENV") for pair in line.split())

    def written(self):
        """Where the daemon writes: its journal, its compiled code, the folder of its socket, and copies of transcripts."""
        variables = self.environment()
        return [
            str(self.journal.parent),
            variables["XDG_CACHE_HOME"] + "/lastword",
            variables["XDG_RUNTIME_DIR"],
            "/tmp",
        ]


def image(files):
    yield "the toolchain is the repository's", ["ARG", f"RUST={files.toolchain}"] in files.whole
    user = files.said("USER")[-1]
    yield "its user is a number, and not root's", re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    program = json.loads(files.said("ENTRYPOINT")[-1])
    yield "the first process is the program, and no shell", program == ["/usr/local/bin/lastword"]
    health = json.loads(files.said("HEALTHCHECK")[-1].split("CMD", 1)[1])
    yield "its health check takes no shell", health[:1] == program
    yield "its configuration is where the others put it", "/etc/lastword/lastword.toml" in files.said("CMD")[-1]


def compose(files):
    daemon, agent = files.compose["services"]["lastword"], files.compose["services"]["agent"]
    yield "its root is read-only", daemon["read_only"] is True
    yield "it has no capabilities and gets none", daemon["cap_drop"] == ["ALL"] and daemon["security_opt"] == ["no-new-privileges:true"]
    yield "it has the time that its budget takes", seconds(daemon["stop_grace_period"]) > files.budget + OVERRUN
    yield "the owner is of the daemon's user", agent["user"] == files.said("USER")[-1]
    yield "the owner has an init", agent["init"] is True
    yield "the owner is stopped before it", agent["depends_on"]["lastword"]["condition"] == "service_healthy"
    mounts = {target.split(":")[1]: target.split(":")[0] for target in daemon["volumes"]}
    places = set(mounts) | {place.split(":")[0] for place in daemon["tmpfs"]}
    yield "whatever it writes to is mounted", set(files.written()) <= places
    yield "its journal is on a volume", mounts[str(files.journal.parent)] in files.compose["volumes"]
    shared = files.environment()["XDG_RUNTIME_DIR"]
    yield "both have the socket", f"{mounts[shared]}:{shared}" in agent["volumes"]
    yield "the owner finds it", agent["environment"]["XDG_RUNTIME_DIR"] == shared


def kubernetes(files):
    configuration = files.manifests["ConfigMap"]["data"]["lastword.toml"]
    yield "it has the configuration of the others", configuration == files.configuration
    stateful = files.manifests["StatefulSet"]["spec"]
    pod = stateful["template"]["spec"]
    (daemon,), (agent,) = pod["initContainers"], pod["containers"]
    yield "it is a sidecar", daemon["restartPolicy"] == "Always"
    yield "nothing stops it before the owner", "lifecycle" not in daemon
    waits = agent["lifecycle"]["preStop"]["sleep"]["seconds"]
    agents_own = 15
    enough = waits + agents_own + files.budget + OVERRUN
    yield f"the pod has the {enough} s that its end takes", pod["terminationGracePeriodSeconds"] > enough
    user, group = map(int, files.said("USER")[-1].split(":"))
    security = pod["securityContext"]
    yield "it is not root", security["runAsNonRoot"] is True
    yield "both are of the image's user", (security["runAsUser"], security["runAsGroup"]) == (user, group)
    yield "the volume is that user's", security["fsGroup"] == group
    own = daemon["securityContext"]
    yield "its root is read-only", own["readOnlyRootFilesystem"] is True
    yield "it has no capabilities and gets none", own["capabilities"]["drop"] == ["ALL"] and own["allowPrivilegeEscalation"] is False
    mounts = {mount["mountPath"]: mount["name"] for mount in daemon["volumeMounts"]}
    yield "whatever it writes to is mounted", set(files.written()) <= set(mounts)
    claims = [claim["metadata"]["name"] for claim in stateful["volumeClaimTemplates"]]
    yield "its journal outlives the pod", mounts[str(files.journal.parent)] in claims
    shared = files.environment()["XDG_RUNTIME_DIR"]
    yield "both have the socket", {"name": mounts[shared], "mountPath": shared} in agent["volumeMounts"]
    yield "the owner finds it", {"name": "XDG_RUNTIME_DIR", "value": shared} in agent["env"]
    probe = json.loads(files.said("ENTRYPOINT")[-1]) + ["status", "--probe"]
    asked = {kind: daemon[kind]["exec"]["command"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")}
    expected = {"startupProbe": "ready", "readinessProbe": "ready", "livenessProbe": "alive"}
    yield "its probes ask what they are for", asked == {kind: [*probe, what] for kind, what in expected.items()}


def cluster(files):
    folder, compose = files.cluster, yaml.safe_load((files.cluster / "compose.yaml").read_text())
    manifests = list(yaml.safe_load_all((folder / "kubernetes.yaml").read_text()))
    found = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in manifests}
    for name, file in (("nats", "nats.conf"), ("lastword-node", "lastword.toml")):
        yield f"{file} is the same in both", found["ConfigMap", name]["data"][file] == (folder / file).read_text()
    settings = tomllib.loads((folder / "lastword.toml").read_text())
    named = settings["journal"]["jetstream"]
    services = [f"nats-{n}" for n in range(3)]
    yield "each server is named", named["servers"] == [f"nats://{name}.nats:4222" for name in services]
    yield "each server is asked whether it syncs", named["monitoring"] == [f"http://{name}.nats:8222" for name in services]
    yield "each server syncs", "sync_interval: always" in (folder / "nats.conf").read_text()
    yield "there are three servers", found["StatefulSet", "nats"]["spec"]["replicas"] == 3 and set(services) <= set(compose["services"])
    pod = found["StatefulSet", "lastword-node"]["spec"]["template"]["spec"]
    leaves = seconds(settings["drain"]["budget"]) + OVERRUN
    yield "a node's pod has the time that its end takes", pod["terminationGracePeriodSeconds"] > leaves
    nodes = [service for name, service in compose["services"].items() if name.startswith("node-")]
    yield "a node's container has it too", all(seconds(node["stop_grace_period"]) > leaves for node in nodes)
    written = set(files.written()) - {str(files.journal.parent)} | {"/var/lib/lastword"}
    (daemon,) = pod["containers"]
    yield "whatever a node writes to is mounted", written <= {mount["mountPath"] for mount in daemon["volumeMounts"]}
    user, group = map(int, files.said("USER")[-1].split(":"))
    security = pod["securityContext"]
    yield "a node is of the image's user", (security["runAsUser"], security["runAsGroup"]) == (user, group)
    for name in ("nats", "lastword-node"):
        yield f"one pod of {name} is taken away at a time", found["PodDisruptionBudget", name]["spec"]["maxUnavailable"] == 1


def main():
    files = Files(pathlib.Path(sys.argv[1]))
    checks = {"Containerfile": image, "compose.yaml": compose, "kubernetes.yaml": kubernetes, "cluster": cluster}
    held, broken = 0, []
    for name, check in checks.items():
        for promise, holds in check(files):
            held += 1
            if not holds:
                broken.append(f"docs/deploy/{name}: not so: {promise}")
    print("\n".join(broken) or f"{held} promises hold")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
