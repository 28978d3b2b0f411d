"""The operator's settings, read from environment variables."""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chekov.errors import ChekovError
from chekov_operator.api.reference_names import LABEL, SUBDOMAIN, Rule

_PREFIX: Final = "CHEKOV_OPERATOR_"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_HIGHEST_PORT: Final = 65535
_LONGEST_SECONDS: Final = 3600.0
_MOST_WORKERS: Final = 256


class SettingsError(ChekovError):
    """Environment variables have invalid values.

    Attributes:
        faults: one sentence per variable: its name, what is expected, and its value.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one operator process.

    Attributes:
        namespace: the operator's own namespace, which also has its Lease.
        name: of this replica, for the Lease.
        runtime_image: the image that runs inline code, migrations and checks.
        runtime_pull_policy: of that image.
        watch_namespaces: the namespaces to watch; empty for all.
        allow_inline: whether bundles may contain code or take it from ConfigMaps.
        log_level: debug, info, warning or error.
        management_port: of the probes and metrics.
        workers: the number of objects reconciled at the same time.
        lease_name: of the Lease. Operators that watch different namespaces need different ones.
        lease_seconds: after which a leader that no longer renews the Lease is replaced.
        refresh_seconds: between two looks at what no watch reports: stores, and whether namespaces
            that should be watched can be read.
        api_server: the URL of the API server as Kubernetes gives it to every pod; empty outside of
            one.
        tracing: whether spans are exported, as the standard `OTEL_*` variables configure.
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
    lease_name: str = "chekov-operator"
    lease_seconds: float = 15.0
    refresh_seconds: float = 15.0
    api_server: str = ""
    tracing: bool = False


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings, by default from the process's environment. Empty values count as unset.

    Raises:
        SettingsError: lists every variable with an invalid value.
    """
    variables = _Variables(os.environ if environment is None else environment)
    default = Settings()
    settings = Settings(
        namespace=variables.name("NAMESPACE", default.namespace, LABEL),
        name=variables.text("NAME", socket.gethostname()),
        runtime_image=variables.text("RUNTIME_IMAGE", default.runtime_image),
        runtime_pull_policy=variables.choice(
            "RUNTIME_PULL_POLICY", "IfNotPresent", ("Always", "IfNotPresent", "Never")
        ),
        watch_namespaces=variables.names("WATCH_NAMESPACES"),
        allow_inline=variables.choice("ALLOW_INLINE", "true", ("true", "false")) == "true",
        log_level=variables.choice("LOG_LEVEL", "info", ("debug", "info", "warning", "error")),
        management_port=variables.count("MANAGEMENT_PORT", default.management_port, _HIGHEST_PORT),
        workers=variables.count("WORKERS", default.workers, _MOST_WORKERS),
        lease_name=variables.name("LEASE_NAME", default.lease_name, SUBDOMAIN),
        lease_seconds=variables.seconds("LEASE_SECONDS", default.lease_seconds),
        refresh_seconds=variables.seconds("REFRESH_SECONDS", default.refresh_seconds),
        api_server=variables.api_server(),
        tracing=variables.tracing(),
    )
    if variables.faults:
        raise SettingsError(variables.faults)
    return settings


class _Variables:
    """Reads variables and collects the faults of all of them."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self.faults: list[str] = []

    def text(self, name: str, otherwise: str) -> str:
        return self._given.get(_PREFIX + name, "").strip() or otherwise

    def name(self, name: str, otherwise: str, rule: Rule) -> str:
        value = self.text(name, otherwise)
        if not rule.accepts(value):
            self._fault(name, rule.words, value)
        return value

    def names(self, name: str) -> tuple[str, ...]:
        parts = [part.strip() for part in self.text(name, "").split(",") if part.strip()]
        for part in parts:
            if not LABEL.accepts(part):
                self._fault(name, f"namespaces made of {LABEL.words}", part)
        return tuple(dict.fromkeys(parts))

    def choice(self, name: str, otherwise: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, otherwise)
        if value not in allowed:
            self._fault(name, f"one of {', '.join(allowed)}", value)
        return value

    def count(self, name: str, otherwise: int, most: int) -> int:
        value = self.text(name, str(otherwise))
        if value.isdecimal() and 1 <= int(value) <= most:
            return int(value)
        self._fault(name, f"a whole number from 1 to {most}", value)
        return otherwise

    def seconds(self, name: str, otherwise: float) -> float:
        value = self.text(name, str(otherwise))
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if 1 <= number <= _LONGEST_SECONDS:
            return number
        self._fault(name, f"a number of seconds from 1 to {_LONGEST_SECONDS:g}", value)
        return otherwise

    def api_server(self) -> str:
        host = self._given.get("KUBERNETES_SERVICE_HOST")
        port = self._given.get("KUBERNETES_SERVICE_PORT")
        if not host or not port:
            return ""
        return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"

    def tracing(self) -> bool:
        disabled = self._given.get("OTEL_SDK_DISABLED", "").lower() == "true"
        unwanted = self._given.get("OTEL_TRACES_EXPORTER", "otlp").lower() == "none"
        return not disabled and not unwanted and any(map(self._given.get, _ENDPOINTS))

    def _fault(self, name: str, expected: str, value: str) -> None:
        self.faults.append(f"{_PREFIX}{name}: expected {expected}, got {value!r}")
