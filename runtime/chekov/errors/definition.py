"""What is wrong with a domain, or with the code that it is loaded from."""

from collections.abc import Mapping, Sequence
from typing import Any

from chekov.errors.base import ChekovError


class DefinitionError(ChekovError, TypeError):
    """The domain is wrong as written; every fault is listed, not only the first.

    Attributes:
        subject: the domain or class at fault.
        faults: one sentence for each, naming the class or method and the remedy.
    """

    def __init__(self, subject: str, faults: Sequence[str]) -> None:
        self.subject = subject
        self.faults = tuple(faults)
        lines = "".join(f"\n  - {fault}" for fault in self.faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__(f"{subject} has {count}:{lines}")


class StateChanged(ChekovError, AssertionError):
    """An executor changed the state of its aggregate; nothing was stored.

    `Spec` notices it, and a runtime with `debug=True`. What an executor changes is lost when the
    aggregate is read from its events again, and stays when the command is refused.

    Attributes:
        executor: the class and the method.
        fields: the names of the fields that it changed.
    """

    def __init__(self, executor: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        self.executor = executor
        names = {**before, **after}
        changed = {
            name: (before.get(name), after.get(name))
            for name in names
            if before.get(name, ...) != after.get(name, ...)
        }
        self.fields = tuple(changed)
        shown = ", ".join(f"{name} from {old} to {new}" for name, (old, new) in changed.items())
        super().__init__(
            f"{executor} changed the state, {shown}: only @apply may; yield an event instead"
        )


class BundleError(ChekovError):
    """The domain cannot be loaded from its code.

    Attributes:
        reason: one word for machines: the name of the class.
        faults: one sentence for each thing to change; may be empty.
    """

    def __init__(self, message: str, faults: Sequence[str] = ()) -> None:
        self.reason = type(self).__name__
        self.faults = tuple(faults)
        super().__init__(message)


class EntrypointNotFound(BundleError):
    """The entrypoint's module does not exist, or has no such object."""


class ImportFailed(BundleError):
    """The entrypoint's module exists, but importing it raises."""


class NotADomain(BundleError):
    """The entrypoint names an object that is not a `Domain`."""


class InvalidDomain(BundleError):
    """The domain is wrong as written; every fault is listed."""


class InvalidBundleFile(BundleError):
    """The file holds no bundle that can run on this machine."""


class LifespanFailed(ChekovError):
    """The services of a domain could not be opened, or a handler could not be made with them."""
