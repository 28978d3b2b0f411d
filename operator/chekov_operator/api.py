"""The custom resources as typed values, read from what the API server gives."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from chekov.errors import ChekovError
from chekov_operator.reference_names import (
    DATA_KEY,
    LABEL,
    SUBDOMAIN,
    Named,
    Rule,
    checked,
    names_of_pod,
    names_of_secrets,
    names_within,
)
from chekov_operator.resources import PAUSED_ANNOTATION, Object, annotation, dig, objects

Body: TypeAlias = Mapping[str, object]


class InvalidSpec(ChekovError):
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
    pooled: bool


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


def parse_store(body: Body) -> Store:
    """Read an EventStore.

    Raises:
        InvalidSpec: names the field.
    """
    spec = dig(body, "spec")
    reference = dig(spec, "connection", "secretRef")
    cluster = dig(spec, "connection", "cloudNativePG")
    if bool(reference) == bool(cluster):
        raise InvalidSpec("spec.connection", "give exactly one of secretRef and cloudNativePG")
    pooled = dig(spec, "connection", "pooled") is True
    if pooled and cluster:
        raise InvalidSpec("spec.connection.pooled", "goes with secretRef")
    return Store(
        meta=parse_meta(body),
        secret=_secret(reference, cluster),
        schema=str(dig(spec, "schema") or "chekov"),
        migrate="Manual" if dig(spec, "migrate") == "Manual" else "Auto",
        pooled=pooled,
    )


def parse_bundle(body: Body) -> Bundle:
    """Read a DomainBundle.

    Raises:
        InvalidSpec: names the field.
    """
    spec = dig(body, "spec")
    entrypoint = str(dig(spec, "entrypoint") or "")
    if ":" not in entrypoint:
        raise InvalidSpec("spec.entrypoint", "write module:object, for example bank:domain")
    enabled = dig(spec, "networkPolicy", "enabled")
    replicas = dig(spec, "replicas")
    _check(_names_in(spec))
    return Bundle(
        meta=parse_meta(body),
        store=_name(dig(spec, "eventStoreRef"), "name", "spec.eventStoreRef"),
        code=_code(dig(spec, "code")),
        entrypoint=entrypoint,
        replicas=1 if replicas is None else int(replicas),
        image_pull_policy=dig(spec, "imagePullPolicy"),
        image_pull_secrets=objects(spec, "imagePullSecrets"),
        restart_nonce=dig(spec, "restartNonce"),
        env=objects(spec, "env"),
        env_from=objects(spec, "envFrom"),
        resources=dig(spec, "resources") or {},
        service_account=dig(spec, "serviceAccountName"),
        pod_template=dig(spec, "podTemplate") or {},
        service_type=str(dig(spec, "service", "type") or "ClusterIP"),
        service_annotations=dig(spec, "service", "annotations") or {},
        network_policy=enabled is None or bool(enabled),
        ingress_from=objects(spec, "networkPolicy", "ingressFrom"),
        telemetry=Telemetry(
            endpoint=dig(spec, "telemetry", "otlpEndpoint"),
            sample_ratio=dig(spec, "telemetry", "sampleRatio"),
            log_level=str(dig(spec, "telemetry", "logLevel") or "info"),
        ),
    )


def parse_meta(body: Body) -> Meta:
    """Read an object's metadata."""
    return Meta(
        namespace=str(dig(body, "metadata", "namespace")),
        name=str(dig(body, "metadata", "name")),
        uid=str(dig(body, "metadata", "uid")),
        generation=int(dig(body, "metadata", "generation") or 0),
        paused=annotation(body, PAUSED_ANNOTATION) == "true",
        deleting=bool(dig(body, "metadata", "deletionTimestamp")),
    )


def _name(body: object, field: str, path: str, rule: Rule = SUBDOMAIN) -> str:
    found = dig(body, field)
    _check([Named(f"{path}.{field}", found, rule)])
    return str(found)


def _check(names: Iterable[Named]) -> None:
    """Refuse names that Kubernetes could not have given to an object.

    Raises:
        InvalidSpec: names the first field.
    """
    for path, name, rule in names:
        fault = checked(name, rule)
        if fault is not None:
            raise InvalidSpec(path, fault)


def _names_in(spec: object) -> Iterable[Named]:
    """The names in the parts of a bundle's spec that are handed on as they are."""
    account = dig(spec, "serviceAccountName")
    if account is not None:
        yield Named("spec.serviceAccountName", account, SUBDOMAIN)
    yield from names_of_secrets(objects(spec, "imagePullSecrets"), "spec.imagePullSecrets")
    yield from names_within(objects(spec, "env"), "spec.env")
    yield from names_within(objects(spec, "envFrom"), "spec.envFrom")
    yield from names_of_pod(dig(spec, "podTemplate", "spec"), "spec.podTemplate.spec")


def _secret(reference: object, cluster: object) -> SecretKey:
    if not reference:
        path = "spec.connection.cloudNativePG"
        # Holds the application user's DSN, whose host is the Cluster's -rw Service.
        return SecretKey(f"{_name(cluster, 'cluster', path, LABEL)}-app", "uri")
    path = "spec.connection.secretRef"
    given = dig(reference, "key")
    key = "dsn" if given is None else _name(reference, "key", path, DATA_KEY)
    return SecretKey(_name(reference, "name", path), key)


def _code(given: object) -> Code:
    forms = [name for name in ("image", "inline", "configMapRef") if dig(given, name)]
    if len(forms) != 1:
        found = " and ".join(forms) or "none of them"
        raise InvalidSpec(
            "spec.code", f"give exactly one of image, inline and configMapRef, not {found}"
        )
    if forms == ["image"]:
        return Code(image=str(dig(given, "image")))
    if forms == ["inline"]:
        return Code(modules=dig(given, "inline", "modules") or {})
    return Code(config_map=_name(dig(given, "configMapRef"), "name", "spec.code.configMapRef"))
