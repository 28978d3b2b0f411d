"""A report as documents for machines: JSON, and SARIF 2.1.0 for code scanning in pipelines."""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from chekov.gate.report import RULES, Finding, Report

_SARIF_SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def as_json(report: Report) -> dict[str, Any]:
    """The report for pipelines and for the operator."""
    return {
        "compatibility": report.compatibility,
        "reason": report.reason,
        "message": report.message,
        "sampled": dict(report.sampled),
        "unread": list(report.unread),
        "findings": [_as_json(finding) for finding in report.findings],
    }


def as_sarif(report: Report, code: Path) -> dict[str, Any]:
    """The report for code scanning.

    Args:
        report: the report.
        code: the file that findings are shown in which name no line of the user's.
    """
    rules = list(RULES)
    return {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "chekov gate",
                        "version": version("chekov"),
                        "rules": [_rule(name) for name in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "invocations": [_invocation(report)],
                "results": [_result(item, rules, code) for item in report.findings],
            }
        ],
    }


def _as_json(finding: Finding) -> Mapping[str, Any]:
    document: dict[str, Any] = {
        "rule": finding.rule,
        "level": finding.level,
        "message": finding.message,
        "count": finding.count,
    }
    if finding.type:
        document["type"] = finding.type
    if finding.stream:
        document["stream"] = finding.stream
    if finding.position:
        document |= {"version": finding.version, "position": finding.position}
    if finding.place is not None:
        document |= {"file": _shown(Path(finding.place.file)), "line": finding.place.line}
    return document


def _invocation(report: Report) -> Mapping[str, Any]:
    notes = [report.message, *(f"not looked at: {item}" for item in report.unread)]
    level = "error" if report.compatibility == "Unknown" else "note"
    return {
        # Of the tool: that it finds something is no failure.
        "executionSuccessful": report.compatibility != "Unknown",
        "toolExecutionNotifications": [
            {"level": level if number == 0 else "note", "message": {"text": text}}
            for number, text in enumerate(notes)
        ],
    }


def _rule(name: str) -> Mapping[str, Any]:
    return {"id": name, "shortDescription": {"text": RULES[name]}}


def _result(finding: Finding, rules: Sequence[str], code: Path) -> Mapping[str, Any]:
    place = finding.place
    location: dict[str, Any] = {
        "artifactLocation": {"uri": _uri(code if place is None else Path(place.file))},
        "region": {"startLine": 1 if place is None else place.line},
    }
    name = finding.stream or finding.type
    logical = [{"fullyQualifiedName": name, "kind": "resource"}] if name else []
    cause = "\0".join(map(str, finding.cause))
    return {
        "ruleId": finding.rule,
        "ruleIndex": rules.index(finding.rule),
        "level": finding.level,
        "message": {"text": finding.sentence},
        "locations": [
            {"physicalLocation": location} | ({"logicalLocations": logical} if logical else {})
        ],
        "partialFingerprints": {"cause/v1": hashlib.sha256(cause.encode()).hexdigest()},
    }


def _uri(file: Path) -> str:
    """Relative to the working directory, where pipelines have the code checked out."""
    file = file.resolve()
    return _shown(file) if file.is_relative_to(Path.cwd()) else file.as_uri()


def _shown(file: Path) -> str:
    file = file.resolve()
    return file.relative_to(Path.cwd()).as_posix() if file.is_relative_to(Path.cwd()) else str(file)
