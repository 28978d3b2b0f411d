"""What a writer remembers, in a file that outlives it: a line before each call, one after it."""

import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from chekov.store.port import StreamAppend
from chekov.testing.history import Attempt, Ending, Memory, Part


class Ledger:
    """The file of one process; an answer is on disk before the caller continues."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._number = 0

    def sends(self, appends: Sequence[StreamAppend], command_id: UUID | None = None) -> int:
        """An append goes out; the number to answer it by."""
        parts = [[name, [str(e.id) for e in events], wish] for name, events, wish in appends]
        return self._sends(
            {"parts": parts, "once": None if command_id is None else str(command_id)}
        )

    def ends(self, stream: str, *, erase: bool) -> int:
        """A stream is being deleted, or truncated."""
        return self._sends({"ending": stream, "erase": erase})

    def answers(self, number: int, outcome: str, places: Sequence[Sequence[int]] = ()) -> None:
        """What became of it: `stored` at versions and positions, `refused` or `unknown`."""
        line = {"answers": number, "outcome": outcome, "places": places, "at": time.monotonic_ns()}
        self._write(line)
        os.fsync(self._file)

    def _sends(self, line: dict[str, Any]) -> int:
        self._number += 1
        self._write({**line, "number": self._number, "at": time.monotonic_ns()})
        return self._number

    def _write(self, line: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")


@dataclass(slots=True)
class _Reading:
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    endings: list[Ending] = field(default_factory=list[Ending])
    erased: set[str] = field(default_factory=set[str])

    def add(self, sent: dict[str, Any], answer: dict[str, Any]) -> None:
        places = answer["places"] or ()
        if "ending" in sent:
            if sent["erase"]:
                self.erased.add(sent["ending"])
            if places:
                self.endings.append(Ending(sent["ending"], places[0][1]))
            return
        parts = [
            Part(name, tuple(map(UUID, ids)), expected, *(places[n] if places else ()))
            for n, (name, ids, expected) in enumerate(sent["parts"])
        ]
        command_id = sent["once"] and UUID(sent["once"])
        self.attempts.append(
            Attempt(tuple(parts), answer["outcome"], command_id, sent["at"], answer["at"])
        )


def remembered(paths: Iterable[Path], firsts: dict[str, int]) -> Memory:
    """All that the writers of these files remember."""
    reading = _Reading()
    for path in paths:
        sent: dict[int, dict[str, Any]] = {}
        # The last line of a writer that was killed may be torn.
        for text in path.read_bytes().split(b"\n")[:-1]:
            line = json.loads(text)
            if "answers" in line:
                reading.add(sent.pop(line["answers"]), line)
            else:
                sent[line["number"]] = line
        for line in sent.values():
            reading.add(line, {"outcome": "unknown", "places": (), "at": 0})
    return Memory(reading.attempts, reading.endings, reading.erased, firsts)


def stored(paths: Iterable[Path]) -> int:
    """How many calls were acknowledged so far."""
    return sum(path.read_bytes().count(b'"stored"') for path in paths)
