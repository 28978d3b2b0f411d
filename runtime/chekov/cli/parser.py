"""The command line: its commands and options."""

import argparse
from importlib.metadata import version
from pathlib import Path

from chekov.cli.gate_options import add_gate_options
from chekov.cli.tags_options import add_tags_options


def parser(name: str) -> argparse.ArgumentParser:
    """The parser of a program called `name`."""
    top = argparse.ArgumentParser(
        prog=name, description="Run, check and inspect event-sourced services."
    )
    top.add_argument("--version", action="version", version=f"chekov {version('chekov')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _running(commands)
    _checking(commands)
    _calling(commands)
    _inspecting(commands)
    _operating(commands)
    _forgetting(commands)
    return top


_Commands = argparse._SubParsersAction  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _add(
    commands: "_Commands[argparse.ArgumentParser]", name: str, meaning: str
) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=meaning, description=meaning)


def _output(command: argparse.ArgumentParser, *more: str) -> None:
    command.add_argument(
        "--output",
        "-o",
        choices=("table", "json", *more),
        default="table",
        help="for people or for machines (default: table)",
    )


def _store(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dsn", help="the event store's Postgres (default: CHEKOV_STORE)")
    command.add_argument("--schema", help="its database schema (default: CHEKOV_SCHEMA)")


def _pooled(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--pooled",
        action="store_const",
        const="true",
        help="the DSN leads to a pooler in transaction mode (default: CHEKOV_STORE_POOLED)",
    )


def _running(commands: "_Commands[argparse.ArgumentParser]") -> None:
    _add(commands, "serve", "Run the domain that the CHEKOV_* variables name, until SIGTERM.")
    run = _add(commands, "run", "Run a bundle or a domain locally, with a Postgres of its own.")
    run.add_argument(
        "bundle", metavar="FILE|module:domain", help="a DomainBundle in YAML, or a domain"
    )
    run.add_argument("--dsn", help="use this Postgres instead of an embedded one")
    run.add_argument("--schema", help="database schema of the event store")
    _pooled(run)
    run.add_argument(
        "--data",
        type=Path,
        default=Path(".chekov"),
        help="folder of the embedded Postgres, kept between runs (default: %(default)s)",
    )
    run.add_argument("--http-port", default=None, help="port of the API (default: 8080)")
    run.add_argument("--management-port", default=None, help="port of probes (default: 9090)")
    _output(run)


def _checking(commands: "_Commands[argparse.ArgumentParser]") -> None:
    check = _add(commands, "check", "Load a domain and report all of its faults.")
    check.add_argument("domain", nargs="?", metavar="module:domain", help="default: CHEKOV_DOMAIN")
    check.add_argument(
        "--termination-log",
        type=Path,
        help="also write the result, as JSON and cut to 4 KiB, to this file",
    )
    # For the operator: JSON on one marked line, which is found among all that the code prints.
    _output(check, "frame")
    gate = _add(
        commands, "gate", "Judge whether a domain can work with what a store holds; only reads it."
    )
    add_gate_options(gate)
    _store(gate)
    _pooled(gate)
    _output(gate, "sarif", "frame")
    settings = _add(
        commands, "settings", "List the environment variables that `serve` and `run` read."
    )
    _output(settings)
    _output(_add(commands, "version", "Print the version of this program."))


def _service(command: argparse.ArgumentParser, *, management: bool = False) -> None:
    variable = "CHEKOV_MANAGEMENT_URL" if management else "CHEKOV_URL"
    port = "the management port of a service" if management else "the service"
    command.add_argument("--url", help=f"ask {port} at this URL (default: {variable})")
    token = "CHEKOV_MANAGEMENT_TOKEN" if management else "CHEKOV_TOKEN"
    command.add_argument("--token", help=f"the token for it (default: {token})")
    default = "" if management else " (default: CHEKOV_TOKEN_FILE)"
    command.add_argument(
        "--token-file", help=f"file with the token, which others cannot see{default}"
    )
    command.add_argument(
        "--ca-file", help="certificates that the service's is checked by (or CHEKOV_CA_FILE)"
    )


def _calling(commands: "_Commands[argparse.ArgumentParser]") -> None:
    dispatch = _add(commands, "dispatch", "Have a service execute a command, now or later.")
    dispatch.add_argument("name", metavar="COMMAND", help="its name")
    dispatch.add_argument("data", nargs="?", default="{}", help="its fields, as JSON; - for stdin")
    dispatch.add_argument("--id", help="a UUID: under one id, a command is executed once")
    dispatch.add_argument("--correlation-id", help="a UUID that all that follows from it shares")
    dispatch.add_argument("--causation-id", help="a UUID of what led to it")
    dispatch.add_argument("--metadata", help="a JSON object that is stored with its events")
    dispatch.add_argument("--expected-version", type=int, help="refuse at another version")
    dispatch.add_argument("--wait", type=float, help="seconds to wait for handlers")
    dispatch.add_argument("--handler", action="append", help="wait for this one; repeatable")
    dispatch.add_argument(
        "--returns", choices=("events", "state", "version", "everything"), default="events",
        help="what to show (default: events)",
    )  # fmt: skip
    dispatch.add_argument("--at", help="execute it at this time, as 2026-01-31T12:00:00Z")
    dispatch.add_argument("--after", type=float, help="execute it after so many seconds")
    dispatch.add_argument("--cron", help="execute it again and again, as '0 0 1 * *'")
    dispatch.add_argument("--timezone", help="of --cron, as Europe/Berlin (default: UTC)")
    dispatch.add_argument(
        "--missed", choices=("once", "skip", "all"), help="runs of --cron to make up for"
    )
    batch = _add(
        commands, "dispatch-all", "Have a service execute many commands, one JSON object a line."
    )
    batch.add_argument(
        "file", nargs="?", default="-", help="lines as POST /commands takes them (default: -)"
    )
    query = _add(commands, "query", "Ask a projection of a service.")
    query.add_argument("query", metavar="PROJECTION/QUERY", help="which query")
    query.add_argument("arguments", nargs="*", metavar="NAME=VALUE", help="its arguments")
    query.add_argument(
        "--min-position", type=int, default=0, help="wait until the projection has reached this"
    )
    load = _add(commands, "load", "Show the state of an instance of an aggregate of a service.")
    load.add_argument("aggregate", metavar="AGGREGATE", help="its identity")
    load.add_argument("id", metavar="ID", help="the instance")
    load.add_argument("--version", type=int, help="as it was at this version")
    load.add_argument("--time", help="as it was at this time")
    for command in (dispatch, batch, query, load):
        command.add_argument(
            "--timeout", type=float, default=30.0, help="seconds for all attempts (default: 30)"
        )
        _service(command)
        _output(command)


def _inspecting(commands: "_Commands[argparse.ArgumentParser]") -> None:
    events = _add(commands, "events", "List stored events by position.")
    _page(events)
    events.add_argument("--type", action="append", help="only events of this type; repeatable")
    events.add_argument("--category", help="only streams named <category>-…")
    streams = _add(commands, "streams", "List the events of one stream by version.")
    streams.add_argument("stream", help="the stream's whole name")
    _page(streams)
    tags = _add(
        commands, "tags", "List by which kinds of tags every event is found; skip one that is not."
    )
    add_tags_options(tags)
    _store(tags)
    _pooled(tags)
    _output(tags)
    spec = _add(commands, "spec", "Write a test from what is stored: given, when, then.")
    spec.add_argument("event", metavar="STREAM@VERSION", help="the event that the test is about")
    spec.add_argument("domain", nargs="?", metavar="module:domain", help="default: CHEKOV_DOMAIN")
    _service(spec)
    _store(spec)
    _pooled(spec)
    _subscriptions(commands)
    _projections(commands)
    _processes(commands)
    _scheduled(commands)


def _subscriptions(commands: "_Commands[argparse.ArgumentParser]") -> None:
    command = _add(
        commands,
        "subscriptions",
        "List, pause, resume, rewind or remove subscriptions; list, retry or discard their parked "
        "events.",
    )
    command.add_argument(
        "action",
        nargs="?",
        choices=(
            "list", "pause", "resume", "rewind", "parked", "groups", "retry", "discard",
            "discarded", "abandoned", "remove",
        ),
        default="list",
        help="what to do (default: list); groups lists parked events by fingerprint, abandoned "
        "lists what no process has any more",
    )  # fmt: skip
    command.add_argument(
        "name", nargs="?", metavar="NAME", help="a subscription: all its versions and partitions"
    )
    _domain(command)
    command.add_argument(
        "--version",
        type=int,
        help="remove this version, with its read models; or rewind it (default: the highest)",
    )
    command.add_argument(
        "--from",
        dest="start",
        metavar="START",
        help="rewind an event handler to origin, a position or a time: it handles the events from "
        "there on again",
    )
    command.add_argument("--key", help="only parked events of this key, mostly a stream")
    command.add_argument("--fingerprint", help="only failures with this fingerprint")
    command.add_argument("--position", type=int, help="only this event; `parked` shows all of it")
    command.add_argument("--all", action="store_true", help="retry or discard every failed event")
    command.add_argument("--reason", help="why events are discarded, which is kept")
    command.add_argument("--after", type=int, default=0, help="list from after this position")
    command.add_argument("--limit", type=int, default=100, help="list at most this many")
    _service(command, management=True)
    _store(command)
    _pooled(command)
    _output(command)


def _processes(commands: "_Commands[argparse.ArgumentParser]") -> None:
    command = _add(
        commands,
        "processes",
        "List open instances of process managers; release or discard what failed.",
    )
    command.add_argument(
        "action", nargs="?", choices=("list", "release", "discard", "discarded"), default="list",
        help="what to do (default: list)",
    )  # fmt: skip
    command.add_argument("name", nargs="?", metavar="NAME", help="a process manager")
    command.add_argument("--instance", help="release or discard only what this one set aside")
    command.add_argument("--all", action="store_true", help="discard what any instance set aside")
    command.add_argument("--reason", help="why it is discarded, which is kept")
    command.add_argument(
        "--after", default="", metavar="INSTANCE",
        help="start after the instance of this name; discarded: after this number",
    )  # fmt: skip
    command.add_argument("--limit", type=int, default=100, help="show at most this many")
    _domain(command)
    _store(command)
    _pooled(command)
    _output(command)


def _scheduled(commands: "_Commands[argparse.ArgumentParser]") -> None:
    command = _add(
        commands, "scheduled", "List commands that are to be executed later, or cancel one."
    )
    command.add_argument(
        "action", nargs="?", choices=("list", "cancel"), default="list",
        help="what to do (default: list)",
    )  # fmt: skip
    command.add_argument("id", nargs="?", metavar="ID", help="which one to cancel")
    command.add_argument(
        "--after", default="", metavar="CURSOR",
        help="start after the one with this cursor, which the list has as JSON",
    )  # fmt: skip
    command.add_argument("--limit", type=int, default=100, help="show at most this many")
    _service(command, management=True)
    _domain(command)
    _store(command)
    _pooled(command)
    _output(command)


def _projections(commands: "_Commands[argparse.ArgumentParser]") -> None:
    projections = _add(
        commands, "projections", "List, rebuild, cancel or drop generations of read models."
    )
    projections.add_argument(
        "action", nargs="?", choices=("list", "rebuild", "cancel", "drop"), default="list",
        help="what to do (default: list)",
    )  # fmt: skip
    projections.add_argument("name", nargs="?", metavar="NAME", help="a projection")
    projections.add_argument(
        "--version", type=int, help="of the projection (default: the highest; drop needs it)"
    )
    projections.add_argument(
        "--generation", type=int, default=1, help="which one to drop (default: 1)"
    )
    projections.add_argument(
        "--in-place",
        action="store_true",
        help="rebuild: take what serves away at once, and refuse queries until it is built",
    )
    _domain(projections)
    _store(projections)
    _pooled(projections)
    _output(projections)


def _domain(command: argparse.ArgumentParser) -> None:
    command.add_argument("--domain", help="the domain's name (default: that of CHEKOV_DOMAIN)")


def _forgetting(commands: "_Commands[argparse.ArgumentParser]") -> None:
    forget = _add(commands, "forget", "Make personal data unreadable. This cannot be undone.")
    forget.add_argument(
        "subjects", nargs="+", metavar="SUBJECT", help="a subject, as events name it"
    )
    _store(forget)
    _output(forget)


def _operating(commands: "_Commands[argparse.ArgumentParser]") -> None:
    migrate = _add(commands, "migrate", "Migrate the event store's schema.")
    migrate.add_argument("--to", type=int, help="stop at this version (default: the newest)")
    migrate.add_argument("--dry-run", action="store_true", help="only list the pending steps")
    _store(migrate)
    _output(migrate)
    roles = _add(commands, "roles", "Print SQL for three database roles with least privilege.")
    roles.add_argument("--owner", required=True, help="the role that migrates and erases")
    roles.add_argument("--writer", required=True, help="the role that domains run as")
    roles.add_argument("--reader", required=True, help="the role that only reads")
    roles.add_argument("--schema", help="the store's schema (default: CHEKOV_SCHEMA)")
    _transfer(_add(commands, "export", "Export all events as lines of JSON, as of now."))
    _transfer(_add(commands, "import", "Import exported events; an interrupted import continues."))
    commands.choices["export"].add_argument(
        "--after", type=int, default=0, help="only events above this position"
    )
    _importing(commands.choices["import"])
    verify = _add(
        commands, "verify", "Check a store's promises again: no gaps, conditions that held."
    )
    verify.add_argument("--quiet", "-q", action="store_true", help="no progress")
    _store(verify)
    _output(verify)


def _importing(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--from",
        dest="origin",
        choices=("chekov", "eventstore"),
        help="FILE is the DSN of a store made by Chekov in Rust, or by Commanded's EventStore",
    )
    command.add_argument(
        "--source-schema", default="public", help="with --from: its schema (default: public)"
    )
    command.add_argument(
        "--domain",
        metavar="module:domain",
        help="with --from: name each stream as the aggregate does that applies its events",
    )
    _output(command)


def _transfer(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "file", nargs="?", default="-", help="compressed if its name ends with .gz (default: -)"
    )
    command.add_argument(
        "--keys", action="store_true", help="include the keys of personal data: keep the file safe"
    )
    command.add_argument(
        "--work",
        action="store_true",
        help="include checkpoints of handlers, process managers and scheduled commands",
    )
    command.add_argument("--quiet", "-q", action="store_true", help="no progress, no summary")
    _store(command)


def _page(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--after", type=int, default=0, help="start after this position or version"
    )
    command.add_argument("--limit", type=int, default=100, help="show at most this many")
    order = command.add_mutually_exclusive_group()
    order.add_argument("--backward", action="store_true", help="show the newest first")
    order.add_argument("--follow", "-f", action="store_true", help="continue with new events")
    _service(command)
    _store(command)
    _pooled(command)
    _output(command)
