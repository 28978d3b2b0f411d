"""Every field of a spec that names another object, and the names that it must not take."""

from collections.abc import Callable
from typing import Any

Spec = dict[str, Any]
Made = Callable[[str], Spec]
"""Makes the part of a spec that holds a name in one field."""

ELSEWHERE = "../../kube-system/secrets/root-ca"
BAD_NAMES = (
    "",
    ".",
    "..",
    ELSEWHERE,
    "a/b",
    "a?watch=true",
    "a#b",
    "a%2Fb",
    "a\\b",
    "a b",
    "a\n",
    "a\x00",
    "ä",
    "a" * 254,
)


def _variables(path: str, spec: Callable[[Spec], Spec]) -> dict[str, Made]:
    """The fields of `env` and `envFrom`, wherever a spec has them."""

    def value(source: str, field: str) -> Made:
        def made(name: str) -> Spec:
            reference = {"name": "shop", "key": "token"} | {field: name}
            return spec({"env": [{"name": "A", "valueFrom": {source: reference}}]})

        return made

    def whole(source: str) -> Made:
        return lambda name: spec({"envFrom": [{source: {"name": name}}]})

    return {
        f"{path}.env[0].valueFrom.{source}.{field}": value(source, field)
        for source in ("configMapKeyRef", "secretKeyRef")
        for field in ("name", "key")
    } | {f"{path}.envFrom[0].{source}.name": whole(source) for source in _SOURCES}


_SOURCES = ("configMapRef", "secretRef")
_POD = "spec.podTemplate.spec"


def _pod(spec: Spec) -> Spec:
    return {"podTemplate": {"spec": spec}}


def _containers(field: str) -> Callable[[Spec], Spec]:
    return lambda spec: _pod({field: [{"name": "runtime", **spec}]})


def _volume(kind: str, field: str) -> Made:
    return lambda name: _pod({"volumes": [{"name": "v", kind: {field: name}}]})


def _projected(kind: str) -> Made:
    return lambda name: _pod(
        {"volumes": [{"name": "v", "projected": {"sources": [{kind: {"name": name}}]}}]}
    )


def _pod_field(field: str) -> Made:
    return lambda name: _pod({field: name})


def _keys(reference: Spec) -> Spec:
    jwt = {"issuer": "a", "audience": "b", "keys": {"configMapRef": reference}}
    return {"auth": {"jwt": jwt}}


def _management_token(reference: Spec) -> Spec:
    return {"auth": {"managementToken": {"secretRef": reference}}}


_ACCESS: dict[str, Made] = {
    "spec.auth.tokens.secretRef.name": lambda name: {
        "auth": {"tokens": {"secretRef": {"name": name}}}
    },
    "spec.auth.jwt.keys.configMapRef.name": lambda name: _keys({"name": name, "key": "keys"}),
    "spec.auth.jwt.keys.configMapRef.key": lambda key: _keys({"name": "shop", "key": key}),
    "spec.auth.managementToken.secretRef.name": lambda name: _management_token(
        {"name": name, "key": "token"}
    ),
    "spec.auth.managementToken.secretRef.key": lambda key: _management_token(
        {"name": "shop", "key": key}
    ),
    "spec.tls.secretRef.name": lambda name: {"tls": {"secretRef": {"name": name}}},
}

_JOBS: dict[str, Made] = {
    "spec.jobs.serviceAccountName": lambda name: {"jobs": {"serviceAccountName": name}},
    "spec.jobs.imagePullSecrets[0].name": lambda name: {
        "jobs": {"imagePullSecrets": [{"name": name}]}
    },
}

BUNDLE_FIELDS: dict[str, Made] = {
    **_JOBS,
    **_ACCESS,
    "spec.eventStoreRef.name": lambda name: {"eventStoreRef": {"name": name}},
    "spec.code.configMapRef.name": lambda name: {"code": {"configMapRef": {"name": name}}},
    "spec.imagePullSecrets[0].name": lambda name: {"imagePullSecrets": [{"name": name}]},
    "spec.serviceAccountName": lambda name: {"serviceAccountName": name},
    **_variables("spec", lambda spec: spec),
    **{
        f"{_POD}.{field}": _pod_field(field)
        for field in (
            "serviceAccountName",
            "priorityClassName",
            "runtimeClassName",
            "schedulerName",
            "nodeName",
        )
    },
    f"{_POD}.imagePullSecrets[0].name": lambda name: _pod({"imagePullSecrets": [{"name": name}]}),
    f"{_POD}.volumes[0].configMap.name": _volume("configMap", "name"),
    f"{_POD}.volumes[0].secret.secretName": _volume("secret", "secretName"),
    f"{_POD}.volumes[0].persistentVolumeClaim.claimName": _volume(
        "persistentVolumeClaim", "claimName"
    ),
    f"{_POD}.volumes[0].projected.sources[0].configMap.name": _projected("configMap"),
    f"{_POD}.volumes[0].projected.sources[0].secret.name": _projected("secret"),
    **_variables(f"{_POD}.containers[0]", _containers("containers")),
    **_variables(f"{_POD}.initContainers[0]", _containers("initContainers")),
}

SUBSCRIPTION_FIELDS: dict[str, Made] = {
    "spec.bundleRef.name": lambda name: {"bundleRef": {"name": name}},
    "spec.eventStoreRef.name": lambda name: {"eventStoreRef": {"name": name}},
}

REPLAY_FIELDS: dict[str, Made] = {
    "spec.subscriptionRef.name": lambda name: {"subscriptionRef": {"name": name}},
}

STORE_FIELDS: dict[str, Made] = {
    **_JOBS,
    "spec.connection.secretRef.name": lambda name: {"connection": {"secretRef": {"name": name}}},
    "spec.connection.secretRef.key": lambda key: {
        "connection": {"secretRef": {"name": "shop", "key": key}}
    },
    "spec.connection.cloudNativePG.cluster": lambda name: {
        "connection": {"cloudNativePG": {"cluster": name}}
    },
}
