"""The settings of a process: read once from the environment into one frozen value."""

import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, NamedTuple, cast

from chekov.domain.handler_definition import HandlerSettings
from chekov.errors import ChekovError
from chekov.server.handler_settings import handler_settings

LogFormat = Literal["json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]

_ENTRYPOINT: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*\Z")
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")
_HIGHEST_PORT: Final = 65535
_TRACES: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class SettingsError(ChekovError):
    """Environment variables are missing or have unusable values; all of them are listed.

    Attributes:
        faults: one sentence for each variable: its name, what was expected, what came.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))


class Variable(NamedTuple):
    """One row of the settings reference."""

    name: str
    default: str
    meaning: str


class _InvalidValue(ValueError):
    """Says what the value should have been."""


def _setting(name: str, default: object, meaning: str, parse: Callable[[str], object]) -> Any:
    return field(default=default, metadata={"variable": name, "meaning": meaning, "parse": parse})


def _text(value: str) -> str:
    return value


def _dsn(value: str) -> str:
    if not value.startswith(("postgresql://", "postgres://")):
        raise _InvalidValue("a DSN that starts with postgresql://")
    return value


def _path(value: str) -> str:
    if not value.startswith("/"):
        raise _InvalidValue("an absolute path")
    return value


def _entrypoint(value: str) -> str:
    if not _ENTRYPOINT.match(value):
        raise _InvalidValue("module:object, for example bank:domain")
    return value


def _schema(value: str) -> str:
    if not _SCHEMA.match(value):
        raise _InvalidValue("a name of lower-case letters, digits and '_', 63 at most")
    return value


def _port(value: str) -> int:
    if not value.isdecimal() or int(value) > _HIGHEST_PORT:
        raise _InvalidValue("a port from 0 to 65535 (0 takes a free one)")
    return int(value)


def _count(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise _InvalidValue("a whole number from 1")
    return int(value)


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise _InvalidValue("a number of seconds, 0 or more")
    return seconds


def _some_seconds(value: str) -> float:
    seconds = _seconds(value)
    if seconds == 0:
        raise _InvalidValue("a number of seconds above 0")
    return seconds


def _switch(value: str) -> bool:
    if value.lower() not in {"true", "false", "1", "0"}:
        raise _InvalidValue("true or false")
    return value.lower() in {"true", "1"}


def _handlers(value: str) -> Mapping[str, HandlerSettings]:
    try:
        return handler_settings(value)
    except ValueError as error:
        raise _InvalidValue(f"spec.subscriptions of a bundle as JSON ({error})") from None


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in choices:
            raise _InvalidValue(f"one of {', '.join(choices)}")
        return value.lower()

    return parse


_log_format: Final = _one_of("json", "text")
_log_level: Final = _one_of("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """How one runtime process runs. `variables()` lists the environment it is read from."""

    store: str = _setting(
        "CHEKOV_STORE", "", "The event store: a Postgres DSN, postgresql://user@host/base.", _dsn
    )
    schema: str = _setting(
        "CHEKOV_SCHEMA", "chekov", "Database schema that holds the event store.", _schema
    )
    pooled: bool = _setting(
        "CHEKOV_STORE_POOLED",
        False,  # noqa: FBT003
        "Whether the DSN leads to a pooler in transaction mode, such as PgBouncer.",
        _switch,
    )
    statement_timeout: float = _setting(
        "CHEKOV_STATEMENT_TIMEOUT",
        20.0,
        "Seconds after which Postgres cancels one of the store's statements; half of it is the "
        "longest wait for a lock. Behind a pooler, set it for the role.",
        _some_seconds,
    )
    query_timeout: float = _setting(
        "CHEKOV_QUERY_TIMEOUT",
        10.0,
        "Seconds after which Postgres cancels a statement of a query.",
        _some_seconds,
    )
    domain: str = _setting("CHEKOV_DOMAIN", "", "The domain to run, as module:object.", _entrypoint)
    path: str = _setting(
        "CHEKOV_PATH", "", "Folder to import the domain's module from first.", _text
    )
    migrate: bool = _setting(
        "CHEKOV_MIGRATE",
        False,  # noqa: FBT003
        "Whether to migrate an old schema at the start instead of refusing it.",
        _switch,
    )
    master_key: str = _setting(
        "CHEKOV_MASTER_KEY_FILE",
        "",
        "File with the master key that wraps the keys of personal data, or a folder of such files, "
        "such as a mounted Secret; the last by name wraps new keys.",
        _path,
    )
    http_host: str = _setting(
        "CHEKOV_HTTP_HOST",
        "0.0.0.0",  # noqa: S104
        "Address that both listeners bind to.",
        _text,
    )
    http_port: int = _setting("CHEKOV_HTTP_PORT", 8080, "Port of the API.", _port)
    management_port: int = _setting(
        "CHEKOV_MANAGEMENT_PORT", 9090, "Port of probes, metrics and the manifest.", _port
    )
    management_token: str = _setting(
        "CHEKOV_MANAGEMENT_TOKEN",
        "",
        "Bearer token for requests to the management port that change something, such as pausing a "
        "subscription; without one, no token is required.",
        _text,
    )
    node: str = _setting(
        "CHEKOV_NODE", "", "This process's name; by default host name and process id.", _text
    )
    bundle: str = _setting(
        "CHEKOV_BUNDLE", "", "The bundle's name, shown in metrics and traces.", _text
    )
    revision: str = _setting(
        "CHEKOV_REVISION", "", "The bundle's revision, shown in metrics and traces.", _text
    )
    log_format: LogFormat = _setting(  # noqa: RUF009
        "CHEKOV_LOG_FORMAT", "json", "json, or text for a terminal.", _log_format
    )
    log_level: LogLevel = _setting(  # noqa: RUF009
        "CHEKOV_LOG_LEVEL",
        "info",
        "debug, info, warning or error; debug also logs each request.",
        _log_level,
    )
    drain_timeout: float = _setting(
        "CHEKOV_DRAIN_TIMEOUT",
        25.0,
        "Seconds that a shutdown may take before the remaining work is cancelled.",
        _some_seconds,
    )
    drain_delay: float = _setting(
        "CHEKOV_DRAIN_DELAY",
        0.0,
        "Seconds between becoming unready and closing the listener, so that routes can change.",
        _seconds,
    )
    command_timeout: float = _setting(
        "CHEKOV_COMMAND_TIMEOUT", 5.0, "Seconds that one command may take.", _some_seconds
    )
    lease: float = _setting(
        "CHEKOV_LEASE",
        5.0,
        "Seconds after which another process takes over the subscriptions of one that died.",
        _some_seconds,
    )
    retry_attempts: int = _setting(
        "CHEKOV_RETRY_ATTEMPTS",
        5,
        "Attempts at an event that a handler fails on before it is parked, or the subscription "
        "stops.",
        _count,
    )
    retry_first_pause: float = _setting(
        "CHEKOV_RETRY_FIRST_PAUSE",
        0.1,
        "Seconds before the second attempt; doubled before each further one.",
        _seconds,
    )
    retry_longest_pause: float = _setting(
        "CHEKOV_RETRY_LONGEST_PAUSE", 30.0, "Most seconds between two attempts.", _seconds
    )
    subscriptions: Mapping[str, HandlerSettings] | None = _setting(
        "CHEKOV_SUBSCRIPTIONS",
        None,
        "Settings of handlers in place of what their classes say: `spec.subscriptions` of a "
        "bundle, as JSON.",
        _handlers,
    )
    max_in_flight: int = _setting(
        "CHEKOV_MAX_IN_FLIGHT",
        2000,
        "Commands in progress or waiting in this process before further ones are refused.",
        _count,
    )
    max_event_streams: int = _setting(
        "CHEKOV_MAX_EVENT_STREAMS",
        1000,
        "Clients that may follow events at once at this process, by server-sent events.",
        _count,
    )
    pool_size: int = _setting(
        "CHEKOV_POOL_SIZE",
        10,
        "Database connections for reading and handling, at most; appends and notifications use up "
        "to four more.",
        _count,
    )
    body_limit: int = _setting(
        "CHEKOV_BODY_LIMIT", 1024 * 1024, "Size limit of one command, in bytes.", _count
    )
    tracing: Literal["off", "otlp", "console"] = field(default="off")
    """Whether traces are exported: an OTLP endpoint is set in the standard `OTEL_*` variables."""

    @classmethod
    def read(
        cls,
        environment: Mapping[str, str] | None = None,
        *,
        defaults: Mapping[str, str] | None = None,
        overrides: Mapping[str, str | None] | None = None,
    ) -> "Settings":
        """Read the environment, in which an empty variable counts as unset.

        Args:
            environment: the variables; by default those of this process.
            defaults: values of variables that are not set.
            overrides: values that win over variables that are set; `None` overrides nothing.

        Raises:
            SettingsError: lists every variable whose value cannot be used.
        """
        given = os.environ if environment is None else environment
        source = {
            **(defaults or {}),
            **{name: value for name, value in given.items() if value},
            **{name: value for name, value in (overrides or {}).items() if value is not None},
        }
        faults: list[str] = []
        values: dict[str, Any] = {"tracing": _traces(source)}
        for item in fields(cls):
            name = item.metadata.get("variable")
            if name in source:
                try:
                    values[item.name] = item.metadata["parse"](source[name])
                except _InvalidValue as invalid:
                    faults.append(_fault(name, source[name], str(invalid)))
        if faults:
            raise SettingsError(faults)
        values.setdefault("node", f"{socket.gethostname()}-{os.getpid()}")
        return cls(**values)

    def require(self, *names: str) -> None:
        """Check that these attributes are set.

        Raises:
            SettingsError: names the variables that are not set.
        """
        variables = {item.name: item.metadata.get("variable", "") for item in fields(self)}
        faults = [
            f"{variables[name]} is not set, but required"
            for name in names
            if not getattr(self, name)
        ]
        if faults:
            raise SettingsError(faults)


def provide(environment: Mapping[str, str]) -> None:
    """Set environment variables of this process, for the user's code, unless they are set."""
    for name, value in environment.items():
        os.environ.setdefault(name, value)


def variables() -> tuple[Variable, ...]:
    """Every variable that is read, for documentation."""
    return tuple(
        Variable(item.metadata["variable"], _shown(item.default), item.metadata["meaning"])
        for item in fields(Settings)
        if "variable" in item.metadata
    )


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if default is None:
        return ""
    return f"{default:g}" if isinstance(default, float) else str(cast("Any", default))


def _fault(name: str, value: str, expected: str) -> str:
    # A mistyped DSN may still contain a password, and the key may be given instead of its path.
    shown = "its value" if name in {"CHEKOV_STORE", "CHEKOV_MASTER_KEY_FILE"} else repr(value)
    return f"{name}: expected {expected}; {shown} is not"


def _traces(source: Mapping[str, str]) -> Literal["off", "otlp", "console"]:
    exporter = source.get("OTEL_TRACES_EXPORTER", "otlp").lower()
    if source.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none":
        return "off"
    if exporter == "console":
        return "console"
    return "otlp" if any(source.get(name) for name in _TRACES) else "off"
