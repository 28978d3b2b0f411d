"""`chekov check`: validates a domain, for people, pipelines and the operator."""

from argparse import Namespace
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from chekov.cli.output import complain, show, show_json
from chekov.engine.subscriptions.definitions import handler_definitions
from chekov.errors import BundleError, DefinitionError, UnknownSubscription
from chekov.serialization.frame import LONGEST_RESULT, framed, shortened
from chekov.server.domain_loader import configured_domain
from chekov.server.manifest import manifest
from chekov.server.settings import Settings


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
    return {"ok": True, **manifest(domain), **_runtime()}


def _runtime() -> dict[str, Any]:
    """The version of the runtime, and of the oldest store's schema that it works with.

    Of newer schemas, the store itself says whether this one is enough for them.
    """
    try:
        from chekov.store.postgres.migrator import needed_version  # noqa: PLC0415 only if installed
    except ImportError:
        return {"runtime": version("chekov")}
    return {"runtime": version("chekov"), "store_schema": needed_version()}


def _summary(result: dict[str, Any]) -> str:
    named = {name: result[name] for name in ("aggregates", "commands", "events")}
    described = [f"{item['name']} ({item['kind']})" for item in result["subscriptions"]]
    named["subscriptions"] = described
    lines = [f"  {name:<14}{', '.join(names) or 'none'}" for name, names in named.items()]
    return "\n".join([f"domain {result['domain']} is fine", *lines])


def _complaint(message: str, faults: Sequence[str]) -> str:
    return "\n".join([message, *(f"  - {fault}" for fault in faults)])
