"""Content is decompressed within limits, and cut into lines."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncGenerator, Iterable

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Application, HTTPRequestEntityTooLarge, Request

from chekov.server.content import (
    CONTENT_LIMITS,
    LARGEST_BATCH,
    MOST_BLANK_LINES,
    ContentLimits,
    body,
    chunks,
    lines,
)
from chekov.server.gate import Gate
from chekov.server.problems import RequestError

LIMIT = 300_000
TEXT = bytes(range(256)) * 1000


def request(content: bytes, encoding: str | None, *, pieces: int = 1) -> Request:
    """A request whose content arrived in as many pieces of one size."""
    reader = StreamReader(BaseProtocol(asyncio.get_running_loop()), 2**30)
    size = max(1, -(-len(content) // pieces))
    for start in range(0, len(content), size):
        reader.feed_data(content[start : start + size])
    reader.feed_eof()
    app = Application(client_max_size=LIMIT)
    app[CONTENT_LIMITS] = ContentLimits(LIMIT, Gate(2**30, 60, "bytes"), 60)
    headers = {} if encoding is None else {"Content-Encoding": encoding}
    return make_mocked_request(
        "POST", "/", headers=headers, payload=reader, app=app, client_max_size=LIMIT
    )


async def batch(request: Request) -> bytes:
    return b"".join([chunk async for chunk in chunks(request)])


def raw_deflate(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(content) + compressor.flush()


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT, None),
        (TEXT, "identity"),
        (gzip.compress(TEXT), "gzip"),
        (gzip.compress(TEXT), " X-GZIP"),
        (gzip.compress(TEXT[:5000]) + gzip.compress(TEXT[5000:]), "gzip"),
        (zlib.compress(TEXT), "deflate"),
        (raw_deflate(TEXT), "deflate"),
    ],
)
async def test_content_is_decompressed(content: bytes, encoding: str | None, pieces: int) -> None:
    assert await body(request(content, encoding, pieces=pieces)) == TEXT
    assert await batch(request(content, encoding, pieces=pieces)) == TEXT


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress", "nonsense"])
async def test_other_encodings_are_not_supported(encoding: str) -> None:
    with pytest.raises(RequestError, match="expected gzip, deflate") as caught:
        await body(request(b"", encoding))
    assert caught.value.problem.kind.status == 415
    assert caught.value.problem.headers == {"Accept-Encoding": "gzip, deflate"}
    with pytest.raises(RequestError):
        chunks(request(b"", encoding))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nonsense", "is not valid gzip"),
        (gzip.compress(TEXT) + b"nonsense", "is not valid gzip"),
        (gzip.compress(TEXT)[:-1], "ended early"),
    ],
)
async def test_content_that_cannot_be_decompressed_is_malformed(
    content: bytes, message: str
) -> None:
    for read in (body, batch):
        with pytest.raises(RequestError, match=message) as caught:
            await read(request(content, "gzip"))
        assert caught.value.problem.kind.status == 400


async def test_a_body_has_a_limit() -> None:
    exact = TEXT.ljust(LIMIT)
    for encoding, compress in ((None, bytes), ("gzip", gzip.compress)):
        assert await body(request(compress(exact), encoding)) == exact
        with pytest.raises((RequestError, HTTPRequestEntityTooLarge)):
            await body(request(compress(exact + b" "), encoding))


async def test_a_batch_has_a_limit_once_it_is_decompressed() -> None:
    whole = LARGEST_BATCH * LIMIT // len(TEXT) * TEXT
    compressed = b"".join(gzip.compress(TEXT[:5000]) for _ in range(len(whole) // 5000))
    assert len(await batch(request(compressed, "gzip"))) == len(whole) // 5000 * 5000
    with pytest.raises(RequestError, match=f"limit is {LARGEST_BATCH * LIMIT} bytes") as caught:
        await batch(request(compressed + gzip.compress(TEXT) * 1000, "gzip"))
    assert caught.value.problem.kind.status == 413


async def test_a_batch_is_not_compressed_beyond_a_ratio() -> None:
    assert len(await batch(request(gzip.compress(b"x" * LIMIT), "gzip"))) == LIMIT
    with pytest.raises(RequestError, match="less than 1/100") as caught:
        await batch(request(gzip.compress(b"x" * 10 * LIMIT), "gzip"))
    assert caught.value.problem.kind.status == 413


@pytest.mark.parametrize("encoding", [None, "gzip"])
async def test_the_loop_goes_on_between_chunks(encoding: str | None) -> None:
    content = TEXT if encoding is None else gzip.compress(TEXT)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(turn())
    received = chunks(request(content, encoding))
    seen = [turns async for _ in received]
    task.cancel()
    assert seen
    assert turns > seen[-1] >= len(seen) - 1


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a", b"a\n", b"b"], [b"aa", b"b"]),
        ([b"a", b"", b"a", b"\n", b"b", b"\nc"], [b"aa", b"b", b"c"]),
        ([b"\n \n\r\na\n"], [b"a"]),
        ([b"12345\n", b"a\n"], [None, b"a"]),
        ([b"123", b"45", b"67890\na\n"], [None, b"a"]),
        ([b"12345"], [None]),
        ([b"123", b"45"], [None]),
        ([], []),
    ],
)
async def test_a_stream_is_cut_into_lines(
    chunks: Iterable[bytes], expected: list[bytes | None]
) -> None:
    assert [item async for item in lines(stream(chunks), 4)] == expected


async def test_only_so_many_blank_lines_follow_each_other() -> None:
    most = b"\n" * MOST_BLANK_LINES
    assert [item async for item in lines(stream([most, b"a\n", most, b"b"]), 4)] == [b"a", b"b"]
    with pytest.raises(RequestError, match="10,000 blank lines") as caught:
        _ = [item async for item in lines(stream([most, b" \n"]), 4)]
    assert caught.value.problem.kind.status == 400


async def stream(chunks: Iterable[bytes]) -> AsyncGenerator[bytes]:
    for chunk in chunks:
        yield chunk
