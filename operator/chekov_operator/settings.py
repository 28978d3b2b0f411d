"""What the operator is told by its environment: the only module that reads it."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(Exception):
    """A variable has a value that cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How this operator runs.

    Attributes:
        namespace: where the operator lives, and its Lease.
        name: names this replica in the Lease.
        runtime_image: runs inline code, migrations and checks.
        runtime_pull_policy: of that image.
        watch_namespaces: empty for all.
        allow_inline: whether bundles may carry their code.
        log_level: debug, info, warning or error.
        management_port: probes and metrics.
        workers: objects reconciled at a time.
        lease_seconds: after which a silent leader is replaced.
        refresh_seconds: between two looks at a store, in which nothing tells of changes.
    """

    namespace: str = "default"
    name: str = ""
    runtime_image: str = "chekov:latest"
    runtime_pull_policy: str = "IfNotPresent"
    watch_namespaces: tuple[str, ...] = ()
    allow_inline: bool = True
    log_level: str = "info"
    management_port: int = 9090
    workers: int = 16
    lease_seconds: float = 15.0
    refresh_seconds: float = 15.0


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of the environment.

    Raises:
        SettingsError: names the variable, what came and what is expected.
    """
    given = os.environ if environment is None else environment
    default = Settings()

    def text(name: str, otherwise: str) -> str:
        return given.get(f"CHEKOV_OPERATOR_{name}", "").strip() or otherwise

    def number(name: str, otherwise: float) -> float:
        value = text(name, str(otherwise))
        try:
            return float(value)
        except ValueError:
            raise SettingsError(
                f"CHEKOV_OPERATOR_{name}: expected a number, got {value!r}"
            ) from None

    def choice(name: str, otherwise: str, allowed: tuple[str, ...]) -> str:
        value = text(name, otherwise)
        if value not in allowed:
            raise SettingsError(
                f"CHEKOV_OPERATOR_{name}: expected one of {', '.join(allowed)}, got {value!r}"
            )
        return value

    watched = text("WATCH_NAMESPACES", "")
    return Settings(
        namespace=text("NAMESPACE", default.namespace),
        name=text("NAME", socket.gethostname()),
        runtime_image=text("RUNTIME_IMAGE", default.runtime_image),
        runtime_pull_policy=choice(
            "RUNTIME_PULL_POLICY",
            default.runtime_pull_policy,
            ("Always", "IfNotPresent", "Never"),
        ),
        watch_namespaces=tuple(item.strip() for item in watched.split(",") if item.strip()),
        allow_inline=choice("ALLOW_INLINE", "true", ("true", "false")) == "true",
        log_level=choice("LOG_LEVEL", "info", ("debug", "info", "warning", "error")),
        management_port=int(number("MANAGEMENT_PORT", default.management_port)),
        workers=int(number("WORKERS", default.workers)),
        lease_seconds=number("LEASE_SECONDS", default.lease_seconds),
        refresh_seconds=number("REFRESH_SECONDS", default.refresh_seconds),
    )
