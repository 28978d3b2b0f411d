"""Pod templates of bundles, of checks and of migrations."""

from collections.abc import Mapping, Sequence
from typing import Final

from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.event_store import SecretKey
from chekov_operator.api.jobs import JobSettings
from chekov_operator.api.pod_template import RUNTIME_CONTAINER
from chekov_operator.children import access
from chekov_operator.children.overlay import by_name, merged
from chekov_operator.kube.objects import Object, nested, nested_list

HTTP_PORT: Final = 8080
MANAGEMENT_PORT: Final = 9090
CODE_PATH: Final = "/etc/chekov/bundle"
DRAIN_DELAY_SECONDS: Final = 3
DRAIN_SECONDS: Final = 30
GRACE_SECONDS: Final = DRAIN_DELAY_SECONDS + DRAIN_SECONDS + 7
USER: Final = 10001

_RESTRICTED: Final[Object] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
_POD_RESTRICTED: Final[Object] = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_OF_SERVING: Final = frozenset(
    {
        "lifecycle",
        "livenessProbe",
        "ports",
        "readinessProbe",
        "startupProbe",
        "stdin",
        "tty",
    }
)
"""Fields of the container in a pod template that say how the bundle is served."""
_JOB_RESOURCES: Final[Object] = {
    "requests": {"cpu": "50m", "memory": "96Mi"},
    "limits": {"memory": "512Mi"},
}
_RUNTIME_RESOURCES: Final[Object] = {
    "requests": {"cpu": "100m", "memory": "128Mi"},
    "limits": {"memory": "512Mi"},
}


def variable(name: str, value: str) -> Object:
    return {"name": name, "value": value}


def dsn_variable(secret: SecretKey) -> Object:
    """The DSN as a reference to its Secret, so that no child contains it."""
    reference = {"name": secret.name, "key": secret.key}
    return {"name": "CHEKOV_STORE", "valueFrom": {"secretKeyRef": reference}}


def from_field(name: str, path: str) -> Object:
    """An environment variable with a field of the pod as its value."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def migration_pod(
    image: str,
    pull_policy: str,
    env: Sequence[Object],
    labels: Mapping[str, str],
    jobs: JobSettings,
) -> Object:
    """The pod that migrates a store's schema and reports the result when it ends."""
    container: Object = {
        **_container("migrate", ["chekov", "migrate", "--output", "json"], image, code=None),
        "imagePullPolicy": pull_policy,
        "env": list(env),
        "resources": _JOB_RESOURCES,
    }
    spec = {**_pod(container, code=None), "restartPolicy": "Never"}
    return {"metadata": {"labels": dict(labels)}, "spec": _steered(spec, jobs)}


def check_pod(
    bundle: Bundle,
    container: Object,
    *,
    labels: Mapping[str, str],
    code: str | None,
    account: str,
) -> Object:
    """The pod that checks a bundle's code, merged with the user's pod template.

    By default the check has the resources of the bundle's pods, since it imports the same code.
    """
    given = dict(nested(bundle.pod_template, "spec") or {})
    # A sidecar would keep the pod from completing, and what belongs to a process that serves would
    # end the check.
    given["containers"] = [
        {name: value for name, value in item.items() if name not in _OF_SERVING}
        for item in nested_list(given, "containers")
        if item.get("name") == container["name"]
    ]
    resources = bundle.resources or _JOB_RESOURCES
    pod = _bundle_pod(bundle, {**container, "resources": resources}, code, account)
    spec = _restricted(merged(pod, given))
    return {
        "metadata": {
            "labels": {**_template_metadata(bundle, "labels"), **labels},
            "annotations": _template_metadata(bundle, "annotations"),
        },
        "spec": _steered({**spec, "restartPolicy": "Never"}, bundle.jobs),
    }


def runtime_pod(
    bundle: Bundle,
    container: Object,
    *,
    labels: Mapping[str, str],
    code: str | None,
    account: str,
) -> Object:
    """The template of a bundle's pods, merged with the user's pod template."""
    scheme = "HTTPS" if bundle.access.certificate else "HTTP"
    serving: Object = {
        **container,
        "volumeMounts": [*container["volumeMounts"], *access.mounts(bundle.access)],
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "management", "containerPort": MANAGEMENT_PORT, "protocol": "TCP"},
        ],
        "startupProbe": _probe("/startupz", scheme, 1, 120),
        "readinessProbe": _probe("/readyz", scheme, 2, 2),
        "livenessProbe": _probe("/livez", scheme, 10, 3),
        "resources": bundle.resources or _RUNTIME_RESOURCES,
    }
    scraped = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(MANAGEMENT_PORT),
        "prometheus.io/path": "/metrics",
        **({"prometheus.io/scheme": "https"} if bundle.access.certificate else {}),
    }
    pod = _bundle_pod(bundle, serving, code, account)
    spec: Object = {
        **pod,
        "volumes": [*pod["volumes"], *access.volumes(bundle.access)],
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": dict(labels)},
            }
        ],
    }
    return {
        "metadata": {
            "labels": {**_template_metadata(bundle, "labels"), **labels},
            "annotations": {**scraped, **_template_metadata(bundle, "annotations")},
        },
        "spec": _restricted(merged(spec, nested(bundle.pod_template, "spec") or {})),
    }


def bundle_container(
    bundle: Bundle,
    command: Sequence[str],
    image: str,
    env: Sequence[Object],
    *,
    code: str | None,
    pull_policy: str | None,
) -> Object:
    """The container that runs a bundle's code. The user's variables override the operator's."""
    container: Object = {
        **_container(RUNTIME_CONTAINER, command, image, code=code),
        "env": by_name(env, bundle.env),
    }
    if pull_policy:
        container["imagePullPolicy"] = pull_policy
    if bundle.env_from:
        container["envFrom"] = list(bundle.env_from)
    return container


def _restricted(spec: Object) -> Object:
    """The spec of a pod whose containers are all restricted, also those that a template added."""
    found = dict(spec)
    for name in ("containers", "initContainers"):
        if name in found:
            found[name] = [
                {
                    **container,
                    "securityContext": merged(_RESTRICTED, container.get("securityContext") or {}),
                }
                for container in nested_list(found, name)
            ]
    return found


def _steered(spec: Object, jobs: JobSettings) -> Object:
    """The spec of a Job's pod with what `jobs` of the user's spec says in place of the defaults."""
    given = {
        "nodeSelector": dict(jobs.node_selector),
        "tolerations": list(jobs.tolerations),
        "imagePullSecrets": list(jobs.image_pull_secrets),
        "serviceAccountName": jobs.service_account,
    }
    resources = {"resources": jobs.resources} if jobs.resources else {}
    return {
        **spec,
        **{name: value for name, value in given.items() if value},
        "containers": [{**container, **resources} for container in spec["containers"]],
    }


def _container(name: str, command: Sequence[str], image: str, *, code: str | None) -> Object:
    mounts: list[Object] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 a volume of its own
    if code is not None:
        mounts.append({"name": "code", "mountPath": CODE_PATH, "readOnly": True})
    return {
        "name": name,
        "image": image,
        "command": list(command),
        "securityContext": {**_RESTRICTED, "readOnlyRootFilesystem": True},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }


def _bundle_pod(bundle: Bundle, container: Object, code: str | None, account: str) -> Object:
    pod: Object = {**_pod(container, code=code), "serviceAccountName": account}
    if bundle.image_pull_secrets:
        pod["imagePullSecrets"] = list(bundle.image_pull_secrets)
    return pod


def _pod(container: Object, *, code: str | None) -> Object:
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]
    if code is not None:
        volumes.append({"name": "code", "configMap": {"name": code}})
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": _POD_RESTRICTED,
        "containers": [container],
        "volumes": volumes,
    }


def _template_metadata(bundle: Bundle, name: str) -> dict[str, str]:
    return dict(nested(bundle.pod_template, "metadata", name) or {})


def _probe(path: str, scheme: str, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": path, "port": "management", "scheme": scheme},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": 3,
    }
