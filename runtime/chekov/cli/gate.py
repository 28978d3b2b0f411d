"""`chekov gate`: whether a domain can work with what a store holds, without writing to it."""

import asyncio
import inspect
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from chekov.cli.output import complain, show, show_json
from chekov.cli.store import opened
from chekov.errors import BundleError, SchemaMismatch, StoreError
from chekov.gate.documents import as_json, as_sarif
from chekov.gate.gate import SampleSize, run_gate
from chekov.gate.report import Compatibility, Finding, Report
from chekov.serialization.frame import LONGEST_RESULT, framed, shortened
from chekov.serialization.json import from_json
from chekov.server.domain_loader import configured_domain
from chekov.server.manifest import manifest
from chekov.server.settings import Settings, SettingsError

_EXIT_CODES: Final[Mapping[Compatibility, int]] = {"Compatible": 0, "Incompatible": 1, "Unknown": 3}


def gate(arguments: Namespace) -> int:
    """Judge the domain; 0 if it can work with the store, 1 if not, 3 if that is not known."""
    settings = _settings(arguments)
    running = _running(arguments.running)
    report = asyncio.run(_report(settings, running, _size(arguments)))
    match arguments.output:
        case "frame":
            # The code may have printed a line without its end.
            show(f"\n{framed(shortened(as_json(report), LONGEST_RESULT))}")
        case "json":
            show_json(as_json(report))
        case "sarif":
            show_json(as_sarif(report, _module_file(settings.domain)))
        case _:
            _show(report)
    return _EXIT_CODES[report.compatibility]


def _settings(arguments: Namespace) -> Settings:
    settings = Settings.read(
        overrides={
            "CHEKOV_DOMAIN": arguments.domain,
            "CHEKOV_STORE": arguments.dsn,
            "CHEKOV_SCHEMA": arguments.schema,
            "CHEKOV_STORE_POOLED": arguments.pooled,
        }
    )
    settings.require("domain", "store")
    return settings


def _size(arguments: Namespace) -> SampleSize:
    return SampleSize(arguments.events, arguments.instances, arguments.items, arguments.seconds)


def _running(source: str | None) -> Mapping[str, Any]:
    """The manifest of the running code.

    Raises:
        SettingsError: there is none at `source`.
    """
    if source is None:
        return {}
    try:
        if source.startswith("{"):
            found, source = from_json(source), "{…}"
        else:
            text = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
            found = from_json(text)
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError([f"--running {source}: cannot be read as JSON: {error}"]) from error
    if not isinstance(found, dict) or "commands" not in found:
        raise SettingsError([f"--running {source}: expected what `chekov check -o json` prints"])
    return cast("dict[str, Any]", found)


async def _report(settings: Settings, running: Mapping[str, Any], size: SampleSize) -> Report:
    try:
        domain = configured_domain(settings)
        async with opened(settings, read_only=True) as store:
            return await run_gate(domain, store, manifest(domain), running=running, size=size)
    except BundleError as error:
        return Report("Unknown", error.reason, "; ".join([str(error), *error.faults]))
    except SchemaMismatch as error:
        return _of_schema(error)
    except StoreError as error:
        return Report("Unknown", type(error).__name__, str(error))


def _of_schema(error: SchemaMismatch) -> Report:
    if not error.found:
        return Report("Compatible", "NothingStored", "the schema holds no event store yet")
    if error.changed is None and error.found < error.needed:
        # What is stored cannot be read before somebody has migrated it.
        return Report("Unknown", "StoreSchema", str(error))
    finding = Finding("StoreSchema", "error", str(error))
    return Report("Incompatible", finding.rule, finding.sentence, [finding])


def _module_file(entrypoint: str) -> Path:
    module = sys.modules.get(entrypoint.partition(":")[0])
    file = None if module is None else inspect.getsourcefile(module)
    return Path(file or entrypoint.partition(":")[0].replace(".", "/") + ".py")


def _show(report: Report) -> None:
    lines = [f"{report.compatibility.lower()}: {report.message}"]
    lines += [f"  {item.level:<8} {item.rule}: {item.sentence}" for item in report.findings]
    lines += [f"  not looked at: {item}" for item in report.unread]
    (show if report.compatibility == "Compatible" else complain)("\n".join(lines))
