"""Writes bundle-inline.yaml: the bundle of bundle.yaml with the source of bank.py in it.

Run it after a change of either: `python examples/bank/make_inline.py`.
"""

import re
from pathlib import Path
from textwrap import indent

HERE = Path(__file__).parent
COMMENT = """\
# The bank with its code in the bundle itself: for tutorials and tests.
# Written by make_inline.py from bundle.yaml and bank.py.
"""


def text() -> str:
    """What bundle-inline.yaml holds."""
    documents = re.sub(r"\A(#.*\n)+", COMMENT, (HERE / "bundle.yaml").read_text())
    source = indent((HERE / "bank.py").read_text(), " " * 10)
    return re.sub(
        r"^    image: .*\n",
        lambda _: f"    inline:\n      modules:\n        bank.py: |\n{source}",
        documents,
        flags=re.MULTILINE,
    )


if __name__ == "__main__":
    (HERE / "bundle-inline.yaml").write_text(text())
