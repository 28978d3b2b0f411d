"""What a manifest has that another one lacks: commands, events, subscriptions and their versions.

A manifest is what `chekov check --output json` prints. The running one comes from elsewhere, maybe
from another release: what it does not say is not compared.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from chekov.gate.report import Finding


class _Removal(NamedTuple):
    rule: str
    what: str


_REMOVALS: Final[Mapping[str, _Removal]] = {
    "aggregates": _Removal(
        "AggregateRemoved", "the running code has this aggregate: its streams cannot be loaded"
    ),
    "commands": _Removal(
        "CommandRemoved", "the running code executes this command: whoever sends it gets an error"
    ),
    "events": _Removal("EventRemoved", "the running code has this event, and this code has not"),
}


class RunningSubscription(NamedTuple):
    """A subscription of the running code."""

    kind: str
    version: int


class RunningManifest:
    """The manifest of the code that runs now.

    Args:
        manifest: as `chekov check` made it.

    Attributes:
        domain: its name; empty if it is not said.
        subscriptions: by name.
    """

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._manifest = manifest
        self.domain = str(manifest.get("domain") or "")
        self.subscriptions = dict(_subscriptions(manifest))

    @property
    def events(self) -> Sequence[str]:
        """The names of its events."""
        return _names(self._manifest, "events")

    @property
    def versions(self) -> Mapping[str, int]:
        """Subscription → version."""
        return {name: item.version for name, item in self.subscriptions.items()}

    def compare(
        self, manifest: Mapping[str, Any], *, reads_event: Callable[[str], bool]
    ) -> Sequence[Finding]:
        """What the running code has that the code with `manifest` lacks.

        Args:
            manifest: of the code that is checked.
            reads_event: whether that code reads events of a stored name, also by an upcaster.
        """
        findings = list(self._renamed(manifest))
        for field, (rule, message) in _REMOVALS.items():
            has = set(_names(manifest, field))
            findings += [
                Finding(rule, "warning", message, name)
                for name in _names(self._manifest, field)
                if name not in has and not (field == "events" and reads_event(name))
            ]
        return findings + list(self._changed_subscriptions(manifest))

    def _renamed(self, manifest: Mapping[str, Any]) -> Sequence[Finding]:
        name = str(manifest.get("domain") or "")
        if not self.domain or name == self.domain:
            return ()
        message = (
            f"the running domain is called {self.domain!r} and this one {name!r}: its "
            "subscriptions and process managers would begin anew"
        )
        return (Finding("DomainRenamed", "error", message),)

    def _changed_subscriptions(self, manifest: Mapping[str, Any]) -> Sequence[Finding]:
        found = dict(_subscriptions(manifest))
        findings: list[Finding] = []
        for name, running in self.subscriptions.items():
            new = found.get(name)
            if new is None:
                message = f"the running code has this {running.kind}, and this code has not"
                findings.append(Finding("SubscriptionRemoved", "warning", message, name))
            elif new.kind != running.kind:
                message = f"the running code has a {running.kind} of this name, not a {new.kind}"
                findings.append(Finding("SubscriptionChanged", "warning", message, name))
            elif new.version < running.version:
                message = f"it goes back from version {running.version} to {new.version}"
                findings.append(Finding("SubscriptionChanged", "warning", message, name))
            elif new.version > running.version:
                message = (
                    f"it goes from version {running.version} to {new.version}, which starts anew"
                )
                findings.append(Finding("SubscriptionChanged", "note", message, name))
        return findings


def _names(manifest: Mapping[str, Any], field: str) -> Sequence[str]:
    listed = manifest.get(field)
    if not isinstance(listed, list):
        return ()
    return [item for item in cast("list[object]", listed) if isinstance(item, str)]


def _subscriptions(manifest: Mapping[str, Any]) -> Sequence[tuple[str, RunningSubscription]]:
    listed = manifest.get("subscriptions")
    if not isinstance(listed, list):
        return ()
    found: list[tuple[str, RunningSubscription]] = []
    for item in cast("list[object]", listed):
        match item:
            case {"name": str(name), "kind": str(kind), "version": int(version)}:
                found.append((name, RunningSubscription(kind, version)))
            case _:
                continue
    return found
