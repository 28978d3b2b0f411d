"""What user code may raise to end more than itself, without being asked to."""

import asyncio
from typing import Final

EXITS: Final = (
    asyncio.CancelledError("of a shared request"),
    SystemExit(2),
    GeneratorExit(),
    BaseException("unusual"),
    BaseExceptionGroup("several", [asyncio.CancelledError(), asyncio.CancelledError()]),
)
