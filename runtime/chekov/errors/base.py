"""The roots of the tree of exceptions."""


class ChekovError(Exception):
    """Any error that Chekov raises on purpose."""


class InvalidArgument(ChekovError, TypeError, ValueError):
    """A call was given an argument that it cannot use; nothing was done."""
