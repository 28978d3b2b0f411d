"""The command line of `kubectl chekov`: its commands and options."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Final, cast

_Commands = argparse._SubParsersAction  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

PROGRAM: Final = "kubectl chekov"


def parser() -> argparse.ArgumentParser:
    """The parser of the whole program."""
    top = argparse.ArgumentParser(
        prog=PROGRAM, description="Look at event-sourced bundles on a cluster, and steer them."
    )
    top.add_argument("--version", action=_Version, help="print the version and exit")
    add_target(top, None)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _looking(commands)
    _rolling_out(commands)
    _subscriptions(commands)
    _deploying(commands)
    _supporting(commands)
    return top


def commands_of(top: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The commands of the program, by their names."""
    found = next(item for item in options_of(top) if item.dest == "command")
    return cast("Mapping[str, argparse.ArgumentParser]", found.choices)


def options_of(command: argparse.ArgumentParser) -> Sequence[argparse.Action]:
    """What a command takes: its options, and what has no option before it."""
    return command._actions  # noqa: SLF001 -- argparse offers no other way


class _Version(argparse.Action):
    """Reads the version only when it is asked for."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:  # noqa: A002
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415 -- it takes a while

        parser.exit(message=f"kubectl-chekov {version('chekov')}\n")


def add_target(command: argparse.ArgumentParser, default: object = argparse.SUPPRESS) -> None:
    """Add the options of all commands, which may stand before and after the command's name."""
    command.add_argument(
        "--namespace", "-n", default=default, help="of the bundles (default: the context's)"
    )
    command.add_argument(
        "--context", default=default, help="of the kubeconfig (default: its current one)"
    )
    command.add_argument(
        "--kubeconfig", default=default, help="the file (default: KUBECONFIG, or ~/.kube/config)"
    )


def _add(
    commands: "_Commands[argparse.ArgumentParser]", name: str, meaning: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=meaning, description=meaning)
    add_target(command)
    return command


def _output(command: argparse.ArgumentParser, default: str, *forms: str) -> None:
    command.add_argument(
        "--output",
        "-o",
        choices=(default, *forms),
        default=default,
        help=f"for people or for programs (default: {default})",
    )


def _bundle(command: argparse.ArgumentParser, *, optional: bool = False) -> None:
    command.add_argument(
        "bundle",
        metavar="BUNDLE",
        nargs="?" if optional else None,
        help="its name" + (" (default: all of the namespace)" if optional else ""),
    )


def _handler(command: argparse.ArgumentParser, *, optional: bool, otherwise: str = "") -> None:
    command.add_argument(
        "handler",
        metavar="SUBSCRIPTION",
        nargs="?" if optional else None,
        help="the handler, projection or process manager, as the domain names it"
        + (f" (default: {otherwise})" if otherwise else ""),
    )


def _looking(commands: "_Commands[argparse.ArgumentParser]") -> None:
    status = _add(
        commands,
        "status",
        "Show bundles as a tree: conditions, rollout, revisions with their checks and pods, "
        "subscriptions.",
    )
    _bundle(status, optional=True)
    status.add_argument("--watch", "-w", action="store_true", help="show it anew at each change")
    _output(status, "tree", "json", "yaml")
    events = _add(
        commands, "events", "List the events of a bundle's store, through one of its pods."
    )
    _bundle(events)
    events.add_argument("--follow", "-f", action="store_true", help="go on with new ones")
    events.add_argument("--after", type=int, help="begin after this position")
    events.add_argument(
        "--limit", type=int, default=20, help="how many; without --after, the newest (default: 20)"
    )
    events.add_argument("--type", action="append", help="only of this type; repeatable")
    events.add_argument("--category", help="only of streams named CATEGORY-…")
    events.add_argument("--stream", help="only of this stream, by version")
    events.add_argument(
        "--token-file", help="file with a token of the bundle's API (default: CHEKOV_TOKEN)"
    )
    _output(events, "table", "json")


def _rolling_out(commands: "_Commands[argparse.ArgumentParser]") -> None:
    undo = _add(commands, "undo", "Go back from the revision that serves to the last good one.")
    _bundle(undo)
    promote = _add(
        commands,
        "promote",
        "Give the revision that is being rolled out all pods now, or try one that went back again.",
    )
    _bundle(promote)
    abort = _add(commands, "abort", "End the rollout under way, and go back.")
    _bundle(abort)
    restart = _add(
        commands, "restart", "Replace all pods of a bundle, as a new revision of the same code."
    )
    _bundle(restart)


def _subscriptions(commands: "_Commands[argparse.ArgumentParser]") -> None:
    suspend = _add(
        commands, "suspend", "Stop a bundle, whose pods are removed, or one of its subscriptions."
    )
    _bundle(suspend)
    _handler(suspend, optional=True, otherwise="the whole bundle")
    resume = _add(commands, "resume", "Let a bundle or a subscription run again.")
    _bundle(resume)
    _handler(resume, optional=True, otherwise="the whole bundle")
    replay = _add(commands, "replay", "Have a subscription handle stored events again.")
    _bundle(replay)
    _handler(replay, optional=False)
    replay.add_argument(
        "--from",
        dest="start",
        default="origin",
        help="origin, a position, or a time with a zone, as 2026-01-31T08:00:00Z (default: origin)",
    )
    replay.add_argument(
        "--in-place",
        action="store_true",
        help="with the tables that serve, instead of others beside them; handlers have no tables",
    )
    _waiting(replay)
    parked = _add(
        commands,
        "parked",
        "List the events that handlers kept failing on, and have them retried or given up.",
    )
    _bundle(parked)
    _handler(parked, optional=True, otherwise="all of the bundle")
    action = parked.add_mutually_exclusive_group()
    action.add_argument(
        "--groups", action="store_true", help="list the causes, by fingerprint, instead of events"
    )
    action.add_argument("--retry", action="store_true", help="have the chosen ones handled again")
    action.add_argument("--discard", action="store_true", help="give the chosen ones up")
    parked.add_argument("--key", action="append", help="choose those of this key; repeatable")
    parked.add_argument("--fingerprint", help="choose those of this cause")
    parked.add_argument("--all", action="store_true", help="choose all")
    parked.add_argument("--reason", help="why they are given up, which is kept")
    parked.add_argument(
        "--token-file",
        help="file with the management token (default: CHEKOV_MANAGEMENT_TOKEN, or the Secret)",
    )
    _waiting(parked)
    _output(parked, "table", "json", "yaml")


def _waiting(command: argparse.ArgumentParser) -> None:
    command.add_argument("--wait", action="store_true", help="until it is complete or has failed")
    command.add_argument(
        "--timeout", type=float, default=600.0, help="seconds to wait at most (default: 600)"
    )


def _deploying(commands: "_Commands[argparse.ArgumentParser]") -> None:
    bundle = _add(
        commands,
        "bundle",
        "Pack a folder of Python modules into a DomainBundle, written to standard output.",
    )
    bundle.add_argument("folder", metavar="FOLDER", help="its *.py files become the modules")
    bundle.add_argument("--name", help="of the bundle (default: the folder's name)")
    bundle.add_argument("--store", required=True, help="the EventStore of its events")
    bundle.add_argument(
        "--entrypoint", help="module:object (default: the only Domain(…) in the folder)"
    )
    bundle.add_argument("--replicas", type=int, help="number of pods")
    bundle.add_argument(
        "--config-map",
        action="store_true",
        help="put the code into a ConfigMap beside the DomainBundle instead of into it",
    )
    bundle.add_argument(
        "--no-check", action="store_true", help="do not load the code on this machine first"
    )
    _output(bundle, "yaml", "json")
    diff = _add(
        commands,
        "diff",
        "Show what applying a file would change, and whether the cluster, the check and the gate "
        "accept it.",
    )
    diff.add_argument("--filename", "-f", required=True, help="manifests in YAML; - for stdin")
    diff.add_argument(
        "--dsn",
        help="the event store, for the gate on stored events (default: CHEKOV_STORE; "
        "without one, the operator runs the gate after the file is applied)",
    )
    diff.add_argument("--no-check", action="store_true", help="do not load the code here")
    diff.add_argument(
        "--field-manager",
        default="kubectl",
        help="who applied the objects server-side (default: kubectl); what plain apply made is "
        "compared as that does it",
    )
    _output(diff, "table", "json", "yaml")


def _supporting(commands: "_Commands[argparse.ArgumentParser]") -> None:
    report = _add(
        commands,
        "report",
        "Write a zip for support: resources, Kubernetes Events, logs and metrics, without secrets, "
        "code and values of variables.",
    )
    _bundle(report, optional=True)
    report.add_argument("--file", help="the zip (default: chekov-report-NAMESPACE-TIME.zip)")
    report.add_argument(
        "--operator-namespace",
        default="chekov-system",
        help="where the operator runs, for its logs and metrics (default: chekov-system)",
    )
    report.add_argument(
        "--lines", type=int, default=5000, help="of each log, at most (default: 5000)"
    )
