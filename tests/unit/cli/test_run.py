"""`chekov run` shows a first request that works."""

import json

from chekov.cli.run import first_requests
from chekov.serialization.codec import convert
from tests.unit.server.library import LIBRARY, Lend


def test_the_first_requests_name_the_stream_of_their_command() -> None:
    post, get = first_requests(LIBRARY, "http://localhost:1")
    body = json.loads(post.partition("--json ")[2].strip("'"))
    assert isinstance(convert(body, Lend), Lend)
    assert get == f"curl -s http://localhost:1/streams/copy-{body['copy']}"
