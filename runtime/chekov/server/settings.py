"""The settings of a process: read once from the environment into one frozen value."""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, NamedTuple, cast

from chekov.domain.handler_definition import HandlerSettings
from chekov.errors import ChekovError
from chekov.server import setting_parsers as parsers
from chekov.server.http_settings import HttpSettings, incomplete
from chekov.server.setting_parsers import setting

LogFormat = Literal["json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]

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


_log_format: Final = parsers.one_of("json", "text")
_log_level: Final = parsers.one_of("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings(HttpSettings):
    """How one runtime process runs. `variables()` lists the environment it is read from."""

    store: str = setting(
        "CHEKOV_STORE",
        "",
        "The event store: a Postgres DSN, postgresql://user@host/base.",
        parsers.dsn,
    )
    schema: str = setting(
        "CHEKOV_SCHEMA", "chekov", "Database schema that holds the event store.", parsers.schema
    )
    pooled: bool = setting(
        "CHEKOV_STORE_POOLED",
        False,  # noqa: FBT003
        "Whether the DSN leads to a pooler in transaction mode, such as PgBouncer.",
        parsers.switch,
    )
    statement_timeout: float = setting(
        "CHEKOV_STATEMENT_TIMEOUT",
        20.0,
        "Seconds after which Postgres cancels one of the store's statements; half of it is the "
        "longest wait for a lock. Behind a pooler, set it for the role.",
        parsers.some_seconds,
    )
    query_timeout: float = setting(
        "CHEKOV_QUERY_TIMEOUT",
        10.0,
        "Seconds after which Postgres cancels a statement of a query.",
        parsers.some_seconds,
    )
    domain: str = setting(
        "CHEKOV_DOMAIN", "", "The domain to run, as module:object.", parsers.entrypoint
    )
    path: str = setting(
        "CHEKOV_PATH", "", "Folder to import the domain's module from first.", parsers.text
    )
    migrate: bool = setting(
        "CHEKOV_MIGRATE",
        False,  # noqa: FBT003
        "Whether to migrate an old schema at the start instead of refusing it.",
        parsers.switch,
    )
    master_key: str = setting(
        "CHEKOV_MASTER_KEY_FILE",
        "",
        "File with the master key that wraps the keys of personal data, or a folder of such files, "
        "such as a mounted Secret; the last by name wraps new keys.",
        parsers.path,
    )
    node: str = setting(
        "CHEKOV_NODE", "", "This process's name; by default host name and process id.", parsers.text
    )
    bundle: str = setting(
        "CHEKOV_BUNDLE", "", "The bundle's name, shown in metrics and traces.", parsers.text
    )
    revision: str = setting(
        "CHEKOV_REVISION",
        "",
        "The bundle's revision, shown in metrics and traces. With one, the process reports to the "
        "store how its commands end and how long they take, so that revisions can be compared.",
        parsers.text,
    )
    debug: bool = setting(
        "CHEKOV_DEBUG",
        False,  # noqa: FBT003
        "Whether an executor that changes the state is an error. Each state is copied for that: it "
        "is for development.",
        parsers.switch,
    )
    log_format: LogFormat = setting(  # noqa: RUF009
        "CHEKOV_LOG_FORMAT", "json", "json, or text for a terminal.", _log_format
    )
    log_level: LogLevel = setting(  # noqa: RUF009
        "CHEKOV_LOG_LEVEL",
        "info",
        "debug, info, warning or error; debug also logs each request.",
        _log_level,
    )
    drain_timeout: float = setting(
        "CHEKOV_DRAIN_TIMEOUT",
        25.0,
        "Seconds that a shutdown may take before the remaining work is cancelled.",
        parsers.some_seconds,
    )
    drain_delay: float = setting(
        "CHEKOV_DRAIN_DELAY",
        0.0,
        "Seconds between becoming unready and closing the listener, so that routes can change.",
        parsers.seconds,
    )
    command_timeout: float = setting(
        "CHEKOV_COMMAND_TIMEOUT", 5.0, "Seconds that one command may take.", parsers.some_seconds
    )
    lease: float = setting(
        "CHEKOV_LEASE",
        5.0,
        "Seconds after which another process takes over the subscriptions of one that died.",
        parsers.some_seconds,
    )
    retry_attempts: int = setting(
        "CHEKOV_RETRY_ATTEMPTS",
        5,
        "Attempts at an event that a handler fails on before it is parked, or the subscription "
        "stops.",
        parsers.count,
    )
    retry_first_pause: float = setting(
        "CHEKOV_RETRY_FIRST_PAUSE",
        0.1,
        "Seconds before the second attempt; doubled before each further one.",
        parsers.seconds,
    )
    retry_longest_pause: float = setting(
        "CHEKOV_RETRY_LONGEST_PAUSE", 30.0, "Most seconds between two attempts.", parsers.seconds
    )
    subscriptions: Mapping[str, HandlerSettings] | None = setting(
        "CHEKOV_SUBSCRIPTIONS",
        None,
        "Settings of handlers in place of what their classes say: `spec.subscriptions` of a "
        "bundle, as JSON.",
        parsers.handlers,
    )
    max_in_flight: int = setting(
        "CHEKOV_MAX_IN_FLIGHT",
        2000,
        "Commands of clients in progress in this process before further ones wait at the gate.",
        parsers.count,
    )
    max_recurring: int = setting(
        "CHEKOV_MAX_RECURRING",
        1000,
        "Recurring commands that the domain may have.",
        parsers.count,
    )
    cached_aggregates: int = setting(
        "CHEKOV_CACHED_AGGREGATES",
        100_000,
        "Aggregates held in memory, at most; those used last stay.",
        parsers.count,
    )
    cached_bytes: int = setting(
        "CHEKOV_CACHED_BYTES",
        128 * 1024 * 1024,
        "What the states of these may take together, in bytes, as estimated.",
        parsers.count,
    )
    cached_idle: float = setting(
        "CHEKOV_CACHED_IDLE",
        0.0,
        "Seconds after which one that is not used is dropped; 0 keeps it while there is room.",
        parsers.seconds,
    )
    pool_size: int = setting(
        "CHEKOV_POOL_SIZE",
        10,
        "Database connections for reading and handling, at most; 1 and 2 count as 3. Appends, "
        "notifications and the place of this process among the others take up to five more.",
        parsers.count,
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
                except parsers.InvalidValue as invalid:
                    faults.append(_fault(name, source[name], str(invalid)))
        faults += incomplete(source)
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
    if default is None or default == ():
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
