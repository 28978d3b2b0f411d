"""The custom resources as typed values, read from what the API server gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from chekov_operator.resources import PAUSED_ANNOTATION, Object


class InvalidSpec(Exception):
    """A spec that the schema should have refused.

    Attributes:
        path: the field at fault.
    """

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        super().__init__(f"{path}: {message}")


@dataclass(frozen=True, slots=True)
class Meta:
    """What every object has."""

    namespace: str
    name: str
    uid: str
    generation: int
    paused: bool
    deleting: bool


@dataclass(frozen=True, slots=True)
class SecretKey:
    """Where a DSN is kept."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Store:
    """An EventStore."""

    meta: Meta
    secret: SecretKey
    schema: str
    migrate: Literal["Auto", "Manual"]


@dataclass(frozen=True, slots=True)
class Code:
    """Where a bundle's code comes from: exactly one of these is given."""

    image: str | None = None
    modules: Mapping[str, str] | None = None
    config_map: str | None = None


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where traces go, and how much is told."""

    endpoint: str | None = None
    sample_ratio: str | None = None
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A DomainBundle."""

    meta: Meta
    store: str
    code: Code
    entrypoint: str
    replicas: int = 1
    image_pull_policy: str | None = None
    image_pull_secrets: Sequence[Object] = ()
    restart_nonce: str | None = None
    env: Sequence[Object] = ()
    env_from: Sequence[Object] = ()
    resources: Object = field(default_factory=dict[str, Any])
    service_account: str | None = None
    pod_template: Object = field(default_factory=dict[str, Any])
    service_type: str = "ClusterIP"
    service_annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    network_policy: bool = True
    ingress_from: Sequence[Object] = ()
    telemetry: Telemetry = Telemetry()


def parse_store(body: Mapping[str, Any]) -> Store:
    """Read an EventStore.

    Raises:
        InvalidSpec: names the field.
    """
    spec: Mapping[str, Any] = body.get("spec") or {}
    connection: Mapping[str, Any] = spec.get("connection") or {}
    reference = connection.get("secretRef")
    cluster = connection.get("cloudNativePG")
    if bool(reference) == bool(cluster):
        raise InvalidSpec("spec.connection", "give exactly one of secretRef and cloudNativePG")
    secret = (
        SecretKey(str(reference["name"]), str(reference.get("key") or "dsn"))
        if reference
        # What CloudNativePG keeps for the application's user, the -rw Service as its host.
        else SecretKey(f"{cluster['cluster']}-app", "uri")
    )
    return Store(
        meta=parse_meta(body),
        secret=secret,
        schema=str(spec.get("schema") or "chekov"),
        migrate="Manual" if spec.get("migrate") == "Manual" else "Auto",
    )


def parse_bundle(body: Mapping[str, Any]) -> Bundle:
    """Read a DomainBundle.

    Raises:
        InvalidSpec: names the field.
    """
    spec: Mapping[str, Any] = body.get("spec") or {}
    store = (spec.get("eventStoreRef") or {}).get("name")
    if not store:
        raise InvalidSpec("spec.eventStoreRef.name", "name the EventStore to use")
    entrypoint = str(spec.get("entrypoint") or "")
    if ":" not in entrypoint:
        raise InvalidSpec("spec.entrypoint", "write module:object, for example bank:domain")
    service: Mapping[str, Any] = spec.get("service") or {}
    policy: Mapping[str, Any] = spec.get("networkPolicy") or {}
    telemetry: Mapping[str, Any] = spec.get("telemetry") or {}
    return Bundle(
        meta=parse_meta(body),
        store=str(store),
        code=_code(spec.get("code") or {}),
        entrypoint=entrypoint,
        replicas=int(spec.get("replicas", 1)),
        image_pull_policy=spec.get("imagePullPolicy"),
        image_pull_secrets=tuple(spec.get("imagePullSecrets") or ()),
        restart_nonce=spec.get("restartNonce"),
        env=tuple(spec.get("env") or ()),
        env_from=tuple(spec.get("envFrom") or ()),
        resources=dict(spec.get("resources") or {}),
        service_account=spec.get("serviceAccountName"),
        pod_template=dict(spec.get("podTemplate") or {}),
        service_type=str(service.get("type") or "ClusterIP"),
        service_annotations=dict(service.get("annotations") or {}),
        network_policy=bool(policy.get("enabled", True)),
        ingress_from=tuple(policy.get("ingressFrom") or ()),
        telemetry=Telemetry(
            endpoint=telemetry.get("otlpEndpoint"),
            sample_ratio=telemetry.get("sampleRatio"),
            log_level=str(telemetry.get("logLevel") or "info"),
        ),
    )


def parse_meta(body: Mapping[str, Any]) -> Meta:
    """Read an object's metadata."""
    meta: Mapping[str, Any] = body["metadata"]
    annotations: Mapping[str, str] = meta.get("annotations") or {}
    return Meta(
        namespace=str(meta["namespace"]),
        name=str(meta["name"]),
        uid=str(meta["uid"]),
        generation=int(meta.get("generation", 0)),
        paused=annotations.get(PAUSED_ANNOTATION) == "true",
        deleting="deletionTimestamp" in meta,
    )


def _code(given: Mapping[str, Any]) -> Code:
    forms = [name for name in ("image", "inline", "configMapRef") if given.get(name)]
    if len(forms) != 1:
        found = ", ".join(forms) or "none"
        raise InvalidSpec(
            "spec.code", f"give exactly one of image, inline and configMapRef, not {found}"
        )
    return Code(
        image=given.get("image"),
        modules=dict(given["inline"]["modules"]) if forms == ["inline"] else None,
        config_map=str(given["configMapRef"]["name"]) if forms == ["configMapRef"] else None,
    )
