"""What is wrong with a domain, or with the code that it is loaded from."""

from collections.abc import Sequence

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
