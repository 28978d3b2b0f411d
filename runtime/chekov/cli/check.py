"""`chekov check`: validates a domain, for people, pipelines and the operator."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

from chekov.cli.output import complain, show, show_json
from chekov.engine.subscriptions.definitions import handler_definitions
from chekov.errors import BundleError, DefinitionError, UnknownSubscription
from chekov.serialization.frame import LONGEST_RESULT, framed
from chekov.serialization.json import to_json
from chekov.server.domain_loader import configured_domain
from chekov.server.manifest import manifest
from chekov.server.settings import Settings

_MESSAGE_BYTES: Final = 4096
"""The limit of a container's termination message in Kubernetes."""
_LONGEST_TEXT: Final = 1000


def check(arguments: Namespace) -> int:
    """Load the domain; 0 if it can run."""
    settings = Settings.read(overrides={"CHEKOV_DOMAIN": arguments.domain})
    settings.require("domain")
    result = _result(settings)
    if arguments.termination_log is not None:
        cast("Path", arguments.termination_log).write_bytes(shortened(result))
    if arguments.output == "frame":
        # The code may have printed a line without its end.
        show(f"\n{framed(shortened(result, LONGEST_RESULT))}")
    elif arguments.output == "json":
        show_json(result)
    elif result["ok"]:
        show(_summary(result))
    else:
        complain(_complaint(result["message"], result["faults"]))
    return 0 if result["ok"] else 1


def _result(settings: Settings) -> dict[str, Any]:
    try:
        domain = configured_domain(settings)
    except BundleError as error:
        return {
            "ok": False,
            "reason": error.reason,
            "message": str(error),
            "faults": list(error.faults),
        }
    try:
        handler_definitions(domain, settings.subscriptions or {})
    except (DefinitionError, UnknownSubscription) as error:
        message = f"the settings of handlers do not fit the domain: {error}"
        return {"ok": False, "reason": "InvalidSubscriptions", "message": message, "faults": []}
    return {"ok": True, **manifest(domain)}


def shortened(result: dict[str, Any], most_bytes: int = _MESSAGE_BYTES) -> bytes:
    """The result as JSON within a limit; `left_off` counts the entries left out per list."""
    kept = dict(result)
    left_off: dict[str, int] = {}
    if "message" in kept:
        kept["message"] = str(kept["message"])[:_LONGEST_TEXT]
        kept["faults"] = [fault[:_LONGEST_TEXT] for fault in kept["faults"]]
    while len(document := to_json(kept)) > most_bytes:
        name = max(
            (name for name, value in kept.items() if isinstance(value, list)),
            key=lambda name: len(to_json(kept[name])),
        )
        # One by one only near the limit: each round writes everything as JSON again.
        count = len(kept[name]) // 2 if len(document) > 2 * most_bytes else 1
        kept[name] = kept[name][:-count]
        left_off[name] = left_off.get(name, 0) + count
        kept["left_off"] = left_off
    return document


def _summary(result: dict[str, Any]) -> str:
    named = {name: result[name] for name in ("aggregates", "commands", "events")}
    described = [f"{item['name']} ({item['kind']})" for item in result["subscriptions"]]
    named["subscriptions"] = described
    lines = [f"  {name:<14}{', '.join(names) or 'none'}" for name, names in named.items()]
    return "\n".join([f"domain {result['domain']} is fine", *lines])


def _complaint(message: str, faults: Sequence[str]) -> str:
    return "\n".join([message, *(f"  - {fault}" for fault in faults)])
