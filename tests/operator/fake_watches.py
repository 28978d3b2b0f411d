"""Watches of the fake API server: a stream of changes to each client, which a test can cut."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

from chekov.serialization.json import to_json
from chekov_operator.kube.objects import Object

Matches = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an object.

    Attributes:
        version: the server's resource version after it.
        path: of the object.
        before: the object as it was; `None` if it is new.
        after: the object as it is; `None` if it was deleted.
    """

    version: int
    path: str
    before: Object | None
    after: Object | None

    def seen_by(self, labels: Mapping[str, str]) -> Object | None:
        """The change as a watch with a label selector delivers it; `None` if it does not."""
        before = self.before if _selected(self.before, labels) else None
        after = self.after if _selected(self.after, labels) else None
        if after is not None:
            return {"type": "MODIFIED" if before else "ADDED", "object": after}
        if before is None:
            return None
        # What was deleted has the version of its deletion, and so has what left the selection.
        metadata = {**before["metadata"], "resourceVersion": str(self.version)}
        return {"type": "DELETED", "object": {**before, "metadata": metadata}}


@dataclass(slots=True)
class Watches:
    """Every stream, and the history that a stream can begin in.

    Attributes:
        silent: whether open streams deliver nothing, though changes go on.
        opened: how many streams have been opened so far.
        bookmark_seconds: without a change, after which a stream says how far it is, if asked to; a
            real server does so about once a minute.
    """

    silent: bool = False
    opened: int = 0
    bookmark_seconds: float = 60.0
    _oldest: int = 0
    _newest: int = 0
    _history: list[Change] = field(default_factory=list[Change])
    _streams: set["_Stream"] = field(default_factory=set["_Stream"])

    def tell(self, version: int, path: str, before: Object | None, after: Object | None) -> None:
        """Pass a change on to every stream."""
        change = Change(version, path, before, after)
        self._newest = version
        self._history.append(change)
        if not self.silent:
            for stream in self._streams:
                stream.offer(change)

    def forget(self) -> None:
        """Drop the history: no stream can begin before now."""
        self._oldest = self._history[-1].version if self._history else 0
        self._history.clear()

    def all_bookmarked(self) -> bool:
        """Whether a bookmark has said on every stream how far the server is."""
        return all(stream.bookmark == self._newest for stream in self._streams)

    def cut(self) -> None:
        """End every stream, as a server does that restarts."""
        for stream in self._streams:
            stream.seen.put_nowait("end")

    async def serve(
        self, request: web.Request, matches: Matches, labels: Mapping[str, str]
    ) -> web.StreamResponse:
        """Deliver the changes of matching objects from a version on, until the client goes."""
        since = int(request.query.get("resourceVersion") or 0)
        if 0 < since < self._oldest:
            return web.json_response({"reason": "Expired"}, status=410)
        stream = _Stream(matches, labels)
        self.opened += 1
        self._streams.add(stream)
        for change in self._history:
            if change.version > since:
                stream.offer(change)
        has_bookmarks = request.query.get("allowWatchBookmarks") == "true"
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            try:
                while (seen := await self._next(stream, has_bookmarks=has_bookmarks)) != "end":
                    await response.write(to_json(seen) + b"\n")
            finally:
                self._streams.discard(stream)
        return response

    async def _next(self, stream: "_Stream", *, has_bookmarks: bool) -> Object | Literal["end"]:
        try:
            async with asyncio.timeout(self.bookmark_seconds if has_bookmarks else None):
                return await stream.seen.get()
        except TimeoutError:
            stream.bookmark = self._newest
            return {
                "type": "BOOKMARK",
                "object": {"metadata": {"resourceVersion": str(self._newest)}},
            }


@dataclass(eq=False, slots=True)
class _Stream:
    """One open stream, and what it has to deliver."""

    matches: Matches
    labels: Mapping[str, str]
    bookmark: int = 0
    seen: asyncio.Queue[Object | Literal["end"]] = field(
        default_factory=asyncio.Queue[Object | Literal["end"]]
    )

    def offer(self, change: Change) -> None:
        """Deliver a change, if it is of an object that this stream is about."""
        seen = change.seen_by(self.labels) if self.matches(change.path) else None
        if seen is not None:
            self.seen.put_nowait(seen)


def _selected(body: Object | None, labels: Mapping[str, str]) -> bool:
    return body is not None and labels.items() <= body["metadata"].get("labels", {}).items()
