"""An EventStore's spec as a typed value."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from chekov_operator.api.jobs import JobSettings, parse_jobs
from chekov_operator.api.reference_names import DATA_KEY, LABEL
from chekov_operator.api.spec import Body, InvalidSpec, Meta, parse_meta, parse_name
from chekov_operator.kube.kinds import ACCEPTED_LOSS_ANNOTATION
from chekov_operator.kube.objects import annotation, nested


@dataclass(frozen=True, slots=True)
class SecretKey:
    """The key of a Secret that holds a DSN."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Connection:
    """How a database is reached as one role.

    Attributes:
        secret: with the DSN.
        pooled: whether that leads to a pooler in transaction mode.
    """

    secret: SecretKey
    pooled: bool


@dataclass(frozen=True, slots=True)
class Store:
    meta: Meta
    secret: SecretKey
    schema: str
    migrate: Literal["Auto", "Manual"]
    pooled: bool
    reader: Connection | None = None
    """By which the gate reads; by the writer's if there is none."""
    jobs: JobSettings = field(default_factory=JobSettings)
    network_policy: bool = True
    accepted_loss: str | None = None
    """How many lost events the user has agreed to begin anew without."""

    @property
    def secrets(self) -> Sequence[SecretKey]:
        """Where its DSNs are, that of the writer first."""
        return (self.secret, *([self.reader.secret] if self.reader else []))


def parse_store(body: Body) -> Store:
    """Parse an EventStore.

    Raises:
        InvalidSpec: a field is invalid.
    """
    spec = nested(body, "spec")
    reference = nested(spec, "connection", "secretRef")
    cluster = nested(spec, "connection", "cloudNativePG")
    if bool(reference) == bool(cluster):
        raise InvalidSpec("spec.connection", "set exactly one of secretRef and cloudNativePG")
    pooled = nested(spec, "connection", "pooled") is True
    if pooled and cluster:
        raise InvalidSpec("spec.connection.pooled", "can only be combined with secretRef")
    return Store(
        meta=parse_meta(body),
        secret=_secret(reference, cluster),
        schema=str(nested(spec, "schema") or "chekov"),
        migrate="Manual" if nested(spec, "migrate") == "Manual" else "Auto",
        pooled=pooled,
        reader=_reader(spec),
        jobs=parse_jobs(spec),
        accepted_loss=annotation(body, ACCEPTED_LOSS_ANNOTATION),
        network_policy=nested(spec, "networkPolicy", "enabled") is not False,
    )


def _reader(spec: object) -> Connection | None:
    given = nested(spec, "readerConnection")
    if given is None:
        return None
    secret = _secret_key(nested(given, "secretRef"), "spec.readerConnection.secretRef")
    return Connection(secret, pooled=nested(given, "pooled") is True)


def _secret(reference: object, cluster: object) -> SecretKey:
    if not reference:
        path = "spec.connection.cloudNativePG"
        # CloudNativePG keeps the DSN of the application's user there, for its -rw Service.
        return SecretKey(f"{parse_name(cluster, 'cluster', path, LABEL)}-app", "uri")
    return _secret_key(reference, "spec.connection.secretRef")


def _secret_key(reference: object, path: str) -> SecretKey:
    given = nested(reference, "key")
    key = "dsn" if given is None else parse_name(reference, "key", path, DATA_KEY)
    return SecretKey(parse_name(reference, "name", path), key)
