"""`kubectl chekov`: what people do to bundles on a cluster, with their own rights.

It talks to the API server as kubectl does and needs nothing in the cluster but the charts.
"""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line, by default the process's own.

    Returns:
        0 on success, 1 on failure, 2 on wrong usage; `diff` has codes of its own.
    """
    # Whoever asks for help waits for the parser only, not for what talks to the cluster.
    from chekov_operator.plugin.parser import parser  # noqa: PLC0415

    parsed = parser().parse_args(arguments)

    from chekov_operator.plugin.commands import run  # noqa: PLC0415

    return run(parsed)


if __name__ == "__main__":
    sys.exit(main())
