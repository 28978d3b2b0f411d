"""Pod templates that keep a pod as safe as it is, and others that do not: one of each per rule."""

from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]

SPEC = "spec.podTemplate.spec"


@dataclass(frozen=True, slots=True)
class Pair:
    """What a rule accepts and refuses.

    Attributes:
        good: a pod template.
        bad: another.
        path: the field at fault in `bad`.
        in_schema: whether the resource definition refuses it too.
    """

    good: Spec
    bad: Spec
    path: str
    in_schema: bool = True


def _pod(good: Spec, bad: Spec, path: str) -> Pair:
    return Pair({"spec": good}, {"spec": bad}, f"{SPEC}.{path}")


def _container(
    good: Spec,
    bad: Spec,
    path: str,
    *,
    field: str = "containers",
    name: str = "proxy",
    in_schema: bool = True,
) -> Pair:
    def made(container: Spec) -> Spec:
        image = {} if name == "runtime" else {"image": "proxy:1"}
        return {"spec": {field: [{"name": name, **image, **container}]}}

    return Pair(made(good), made(bad), f"{SPEC}.{field}[0].{path}", in_schema)


def _security(good: Spec, bad: Spec, path: str, **settings: Any) -> Pair:
    inside = f"securityContext.{path}"
    return _container({"securityContext": good}, {"securityContext": bad}, inside, **settings)


def _pod_security(good: Spec, bad: Spec, path: str) -> Pair:
    return _pod({"securityContext": good}, {"securityContext": bad}, f"securityContext.{path}")


def _runtime(good: Spec, bad: Spec, path: str) -> Pair:
    return _container(good, bad, path, name="runtime")


def _volume(good: Spec, bad: Spec, path: str = "") -> Pair:
    good, bad = {"name": "more", **good}, {"name": "more", **bad}
    return _pod({"volumes": [good]}, {"volumes": [bad]}, f"volumes[0]{path}")


def _source(good: Spec, bad: Spec) -> Pair:
    return _volume(
        {"projected": {"sources": [good]}},
        {"projected": {"sources": [bad]}},
        ".projected.sources[0]",
    )


def _within(path: str, value: Spec) -> Spec:
    for step in reversed(path.split(".")):
        value = {step: value}
    return value


_EMPTY: Spec = {"emptyDir": {}}
_CONTAINERS = ("containers", "initContainers")

RULES: dict[str, Pair] = {
    "no network of the node": _pod({"hostNetwork": False}, {"hostNetwork": True}, "hostNetwork"),
    "no processes of the node": _pod({"hostPID": False}, {"hostPID": True}, "hostPID"),
    "no memory of the node": _pod({"hostIPC": False}, {"hostIPC": True}, "hostIPC"),
    "no token": _pod(
        {"automountServiceAccountToken": False},
        {"automountServiceAccountToken": True},
        "automountServiceAccountToken",
    ),
    "no ephemeral containers": _pod(
        {"ephemeralContainers": []},
        {"ephemeralContainers": [{"name": "debug", "image": "shell:1"}]},
        "ephemeralContainers",
    ),
    "no root in any container": _pod_security(
        {"runAsNonRoot": True}, {"runAsNonRoot": False}, "runAsNonRoot"
    ),
    "no root as the pod's user": _pod_security({"runAsUser": 1000}, {"runAsUser": 0}, "runAsUser"),
    "a seccomp profile of the pod": _pod_security(
        {"seccompProfile": {"type": "RuntimeDefault"}},
        {"seccompProfile": {"type": "Unconfined"}},
        "seccompProfile.type",
    ),
    "an AppArmor profile of the pod": _pod_security(
        {"appArmorProfile": {"type": "RuntimeDefault"}},
        {"appArmorProfile": {"type": "Unconfined"}},
        "appArmorProfile.type",
    ),
    "an SELinux type of a container": _pod_security(
        {"seLinuxOptions": {"type": "container_t", "level": "s0:c1,c2"}},
        {"seLinuxOptions": {"type": "spc_t"}},
        "seLinuxOptions.type",
    ),
    "no SELinux user": _pod_security(
        {"seLinuxOptions": {"level": "s0:c1,c2"}},
        {"seLinuxOptions": {"user": "system_u"}},
        "seLinuxOptions.user",
    ),
    "no SELinux role": _pod_security(
        {"seLinuxOptions": {"level": "s0:c1,c2"}},
        {"seLinuxOptions": {"role": "system_r"}},
        "seLinuxOptions.role",
    ),
    "no process of a Windows node": _pod_security(
        {"windowsOptions": {"hostProcess": False}},
        {"windowsOptions": {"hostProcess": True}},
        "windowsOptions.hostProcess",
    ),
    "no sysctls of the node": _pod_security(
        {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]},
        {"sysctls": [{"name": "kernel.msgmax", "value": "65536"}]},
        "sysctls[0].name",
    ),
    "no folder of the node": _volume(_EMPTY, {"hostPath": {"path": "/"}}),
    "no volume of an unknown type": _volume({"csi": {"driver": "d"}}, {"nfs": {"server": "s"}}),
    "no volume of no type": _volume({"secret": {"secretName": "s"}}, {}),
    "no volume of the operator": _volume(
        {"configMap": {"name": "more"}}, {"name": "code", "configMap": {"name": "m"}}, ".name"
    ),
    "no token in a volume": _source(
        {"configMap": {"name": "more"}}, {"serviceAccountToken": {"path": "token"}}
    ),
    "no certificate of a pod in a volume": _source(
        {"secret": {"name": "more"}},
        {"podCertificate": {"signerName": "kubernetes.io/kube-apiserver-client-pod"}},
    ),
    **{
        f"{words} ({field})": _security(good, bad, path, field=field)
        for field in _CONTAINERS
        for words, good, bad, path in (
            ("nothing privileged", {"privileged": False}, {"privileged": True}, "privileged"),
            (
                "no escalation",
                {"allowPrivilegeEscalation": False},
                {"allowPrivilegeEscalation": True},
                "allowPrivilegeEscalation",
            ),
            (
                "no more capabilities",
                {"capabilities": {"add": ["NET_BIND_SERVICE"]}},
                {"capabilities": {"add": ["SYS_ADMIN"]}},
                "capabilities.add[0]",
            ),
            (
                "no capabilities kept",
                {"capabilities": {"drop": ["ALL"]}},
                {"capabilities": {"drop": ["NET_RAW"]}},
                "capabilities.drop",
            ),
            ("no root", {"runAsUser": 1000}, {"runAsUser": 0}, "runAsUser"),
            ("never root", {"runAsNonRoot": True}, {"runAsNonRoot": False}, "runAsNonRoot"),
            (
                "a seccomp profile",
                {"seccompProfile": {"type": "Localhost", "localhostProfile": "p"}},
                {"seccompProfile": {"type": "Unconfined"}},
                "seccompProfile.type",
            ),
            (
                "an AppArmor profile",
                {"appArmorProfile": {"type": "RuntimeDefault"}},
                {"appArmorProfile": {"type": "Unconfined"}},
                "appArmorProfile.type",
            ),
            (
                "an SELinux type",
                {"seLinuxOptions": {"type": "container_init_t"}},
                {"seLinuxOptions": {"type": "spc_t"}},
                "seLinuxOptions.type",
            ),
            (
                "no process of a node",
                {"windowsOptions": {"hostProcess": False}},
                {"windowsOptions": {"hostProcess": True}},
                "windowsOptions.hostProcess",
            ),
            ("a masked /proc", {"procMount": "Default"}, {"procMount": "Unmasked"}, "procMount"),
        )
    },
    **{
        f"no port of the node ({field})": _container(
            {"ports": [{"containerPort": 8000}]},
            {"ports": [{"containerPort": 8000, "hostPort": 80}]},
            "ports[0].hostPort",
            field=field,
        )
        for field in _CONTAINERS
    },
    **{
        f"no {handler} of another host": _container(
            _within(handler, {kind: {"port": 8000}}),
            _within(handler, {kind: {"port": 8000, "host": "10.0.0.1"}}),
            f"{handler}.{kind}.host",
            in_schema=False,
        )
        for handler, kind in (
            ("livenessProbe", "httpGet"),
            ("readinessProbe", "tcpSocket"),
            ("startupProbe", "httpGet"),
            ("lifecycle.postStart", "httpGet"),
            ("lifecycle.preStop", "tcpSocket"),
        )
    },
    "no unconfined profile by annotation": Pair(
        {"metadata": {"annotations": {"note": "unconfined"}}},
        {
            "metadata": {
                "annotations": {
                    "container.apparmor.security.beta.kubernetes.io/runtime": "unconfined"
                }
            }
        },
        "spec.podTemplate.metadata.annotations"
        "[container.apparmor.security.beta.kubernetes.io/runtime]",
        in_schema=False,
    ),
    "no other image of the runtime": _runtime(
        {"workingDir": "/tmp"},
        {"image": "other:1"},
        "image",
    ),
    "no other command of the runtime": _runtime({"tty": False}, {"command": ["sh"]}, "command"),
    "no arguments of the runtime": _runtime({"stdin": False}, {"args": ["-c"]}, "args"),
    "no variable of the operator": _runtime(
        {"env": [{"name": "CHEKOV_POOL_SIZE", "value": "20"}]},
        {"env": [{"name": "CHEKOV_STORE", "value": "postgresql://elsewhere"}]},
        "env[0].name",
    ),
    "nothing over the code": _runtime(
        {"volumeMounts": [{"name": "more", "mountPath": "/etc/chekov/master"}]},
        {"volumeMounts": [{"name": "more", "mountPath": "/etc/chekov/bundle/bank.py"}]},
        "volumeMounts[0].mountPath",
    ),
}

NULLS: dict[str, Spec] = {
    # Merging these would drop what the operator sets.
    f"{SPEC}.securityContext": {"spec": {"securityContext": None}},
    f"{SPEC}.securityContext.runAsNonRoot": {"spec": {"securityContext": {"runAsNonRoot": None}}},
    f"{SPEC}.securityContext.seccompProfile": {
        "spec": {"securityContext": {"seccompProfile": None}}
    },
    f"{SPEC}.automountServiceAccountToken": {"spec": {"automountServiceAccountToken": None}},
    **{
        f"{SPEC}.containers[0].{path}": {
            "spec": {"containers": [{"name": "runtime", "securityContext": security}]}
        }
        for path, security in (
            ("securityContext", None),
            ("securityContext.allowPrivilegeEscalation", {"allowPrivilegeEscalation": None}),
            ("securityContext.capabilities", {"capabilities": None}),
            ("securityContext.capabilities.drop", {"capabilities": {"drop": None}}),
        )
    },
}
