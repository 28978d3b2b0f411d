"""The root of the tree of exceptions."""


class ChekovError(Exception):
    """Any error that Chekov raises on purpose."""
