"""Code of a bundle on this machine: checked and held against stored events by another process.

The same program does it as in the cluster, so the code is run here: pack and compare only code that
you would run.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from chekov.serialization.frame import UnreadableFrame, last_frame
from chekov.serialization.json import from_json
from chekov_operator.kube.objects import Object
from chekov_operator.kube.text import printable
from chekov_operator.plugin import environment
from chekov_operator.plugin.failure import PluginError

_SECONDS: Final = 120.0
_SHOWN_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class LocalCode:
    """Modules in a folder, and the domain among them."""

    folder: Path
    entrypoint: str
    variables: Mapping[str, str]

    async def check(self) -> Object:
        """The result of `chekov check`: `ok`, and what the domain has, or why it cannot run."""
        return await self._result({}, "check", self.entrypoint)

    async def gate(self, dsn: str, schema: str) -> Object:
        """The result of `chekov gate` on a store, which it only reads."""
        # Not among the arguments, which other users of the machine can see.
        return await self._result(
            {"CHEKOV_STORE": dsn}, "gate", self.entrypoint, "--schema", schema
        )

    async def _result(self, variables: Mapping[str, str], *words: str) -> Object:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chekov.cli", *words, "--output", "frame"),
            cwd=self.folder,
            env=environment.with_variables(
                {**self.variables, **variables, "PYTHONPATH": str(self.folder)}
            ),
            stdout=PIPE,
            stderr=PIPE,
        )
        try:
            async with asyncio.timeout(_SECONDS):
                output, errors = await process.communicate()
        except TimeoutError as error:
            raise PluginError(f"`chekov {words[0]}` did not end within {_SECONDS:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        try:
            result: Object = from_json(last_frame(output.decode(errors="replace")))
        except (UnreadableFrame, ValueError) as error:
            lines = printable(errors.decode(errors="replace")).strip().splitlines()
            raise PluginError(
                "\n".join([f"`chekov {words[0]}` gave no result:", *lines[-_SHOWN_LINES:]])
            ) from error
        return result


@asynccontextmanager
async def unpacked(
    modules: Mapping[str, str], entrypoint: str, variables: Mapping[str, str] | None = None
) -> AsyncGenerator[LocalCode]:
    """The modules in a folder, for as long as the block lasts."""
    with TemporaryDirectory(prefix="chekov-") as name:
        folder = Path(name)
        for file, source in modules.items():
            if Path(file).name != file:
                raise PluginError(f"{file!r} cannot be the name of a module")
            (folder / file).write_text(source, encoding="utf-8")
        yield LocalCode(folder, entrypoint, variables or {})


def complaint(result: Object) -> str:
    """Why a check refuses the code."""
    faults = [f"  - {fault}" for fault in result.get("faults") or ()]
    return "\n".join([f"{result.get('reason')}: {result.get('message')}", *faults])
