"""A result on one marked line of a process's output, so that whoever reads the log finds it.

Code that is imported may print anything before the result or after it, and a log may be cut.
"""

from typing import Final

from chekov.errors import ChekovError

MARK: Final = "chekov-result"
LONGEST_RESULT: Final = 128 * 1024
"""Of a result, in bytes: as much as fits into an annotation of a Kubernetes object."""


class UnreadableFrame(ChekovError):
    """An output holds no whole result."""


def framed(document: bytes) -> str:
    """The line with a result: the mark, the number of bytes, and the result."""
    return f"{MARK} {len(document)} {document.decode()}"


def last_frame(output: str) -> str:
    """The last result in an output.

    Raises:
        UnreadableFrame: there is none, or a part of it is missing.
    """
    # Not `splitlines`: a result may hold characters that it takes for ends of lines.
    for line in reversed(output.split("\n")):
        mark, _, rest = line.partition(" ")
        if mark != MARK:
            continue
        size, _, document = rest.partition(" ")
        found = len(document.encode())
        if size != str(found):
            raise UnreadableFrame(f"the result in it is cut: {found} of {size[:20]} bytes are left")
        return document
    raise UnreadableFrame("it has no result")
