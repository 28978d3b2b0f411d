"""Pod templates: what runs in a bundle's pods, in its checks and in migrations."""

from collections.abc import Mapping, Sequence
from typing import Any

from chekov_operator.api import Bundle, Code, SecretKey
from chekov_operator.resources import Object
from chekov_operator.settings import Settings

HTTP_PORT = 8080
MANAGEMENT_PORT = 9090
CODE_PATH = "/etc/chekov/bundle"
DRAIN_DELAY_SECONDS = 3
DRAIN_SECONDS = 30
GRACE_SECONDS = DRAIN_DELAY_SECONDS + DRAIN_SECONDS + 7
USER = 10001

_RESTRICTED: Object = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_POD_RESTRICTED: Object = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_CHECK_RESOURCES: Object = {
    "requests": {"cpu": "50m", "memory": "96Mi"},
    "limits": {"memory": "512Mi"},
}
_RUNTIME_RESOURCES: Object = {
    "requests": {"cpu": "100m", "memory": "128Mi"},
    "limits": {"memory": "512Mi"},
}


def variable(name: str, value: str) -> Object:
    """One environment variable with a value."""
    return {"name": name, "value": value}


def dsn_variable(secret: SecretKey) -> Object:
    """The DSN, out of its Secret: the operator never copies it."""
    reference = {"name": secret.name, "key": secret.key}
    return {"name": "CHEKOV_STORE", "valueFrom": {"secretKeyRef": reference}}


def from_field(name: str, path: str) -> Object:
    """An environment variable that tells a pod about itself."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def job_pod(
    name: str,
    command: Sequence[str],
    image: str,
    pull_policy: str,
    env: Sequence[Object],
    *,
    labels: Mapping[str, str],
    code: str | None = None,
    extra: Object | None = None,
) -> Object:
    """The pod of a Job: one container that says at its end what it found."""
    container: Object = {
        "name": name,
        "image": image,
        "imagePullPolicy": pull_policy,
        "command": list(command),
        "env": list(env),
        "resources": _CHECK_RESOURCES,
        "securityContext": _RESTRICTED,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _mounts(code),
    }
    container.update(extra or {})
    return {
        "metadata": {"labels": dict(labels)},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": _POD_RESTRICTED,
            "containers": [container],
            "volumes": _volumes(code),
        },
    }


def runtime_pod(
    bundle: Bundle,
    image: str,
    env: Sequence[Object],
    *,
    labels: Mapping[str, str],
    code: str | None,
    account: str,
    settings: Settings,
) -> Object:
    """The template of a bundle's pods, with what the user's own template adds."""
    container: Object = {
        "name": "runtime",
        "image": image,
        "imagePullPolicy": bundle.image_pull_policy or settings.runtime_pull_policy,
        "command": ["chekov", "serve"],
        "env": list(env),
        "envFrom": list(bundle.env_from),
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "management", "containerPort": MANAGEMENT_PORT, "protocol": "TCP"},
        ],
        "startupProbe": _probe("/startupz", 1, 180),
        "readinessProbe": _probe("/readyz", 2, 2),
        "livenessProbe": _probe("/livez", 10, 3),
        "resources": bundle.resources or _RUNTIME_RESOURCES,
        "securityContext": _RESTRICTED,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _mounts(code),
    }
    user: Mapping[str, Any] = bundle.pod_template.get("metadata") or {}
    annotations = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(MANAGEMENT_PORT),
        "prometheus.io/path": "/metrics",
        **(user.get("annotations") or {}),
    }
    if bundle.restart_nonce:
        annotations["chekov.dev/restart-nonce"] = bundle.restart_nonce
    spec: Object = {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": _POD_RESTRICTED,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "imagePullSecrets": list(bundle.image_pull_secrets),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": dict(labels)},
            }
        ],
        "containers": [container],
        "volumes": _volumes(code),
    }
    return {
        "metadata": {
            "labels": {**(user.get("labels") or {}), **labels},
            "annotations": annotations,
        },
        "spec": merged(spec, bundle.pod_template.get("spec") or {}),
    }


def merged(base: Object, over: Mapping[str, Any]) -> Object:
    """`over` laid on `base`: maps are merged, named list items by name, all else is replaced."""
    result = dict(base)
    for name, value in over.items():
        mine = result.get(name)
        if isinstance(mine, dict) and isinstance(value, dict):
            result[name] = merged(mine, value)
        elif isinstance(mine, list) and isinstance(value, list) and _named([*mine, *value]):
            result[name] = _merged_by_name(mine, value)
        else:
            result[name] = value
    return result


def code_path(code: Code) -> str | None:
    """Where mounted code lies; an image of the user's own says so by itself."""
    return None if code.image else CODE_PATH


def _merged_by_name(mine: list[Any], over: list[Any]) -> list[Any]:
    items: dict[str, Object] = {item["name"]: item for item in mine}
    for item in over:
        items[item["name"]] = merged(items.get(item["name"], {}), item)
    return list(items.values())


def _named(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, dict) and "name" in item for item in items)


def _probe(path: str, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": path, "port": "management", "scheme": "HTTP"},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": 3,
    }


def _mounts(code: str | None) -> list[Object]:
    mounts: list[Object] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
    if code is not None:
        mounts.append({"name": "code", "mountPath": CODE_PATH, "readOnly": True})
    return mounts


def _volumes(code: str | None) -> list[Object]:
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]
    if code is not None:
        volumes.append({"name": "code", "configMap": {"name": code}})
    return volumes
