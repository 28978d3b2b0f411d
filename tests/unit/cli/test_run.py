"""`chekov run` shows a first request that works."""

import json
from argparse import Namespace
from pathlib import Path

import pytest

from chekov.cli.run import first_requests, run_here
from chekov.errors import InvalidBundleFile
from chekov.serialization.codec import convert
from tests.unit.server.library import LIBRARY, Lend


def test_the_first_requests_name_the_stream_of_their_command() -> None:
    post, get = first_requests(LIBRARY, "http://localhost:1")
    body = json.loads(post.partition("--json ")[2].strip("'"))
    assert isinstance(convert(body, Lend), Lend)
    assert get == f"curl -s http://localhost:1/streams/copy-{body['copy']}"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("app.py", "app:domain"),
        ("src/app.py", "src.app:domain"),
        ("/srv/app.py", "srv.app:domain"),
        ("app.py:bank", "app:bank"),
        ("app", "app:domain"),
        ("app:", "app:domain"),
        (".", "module:domain"),
    ],
)
def test_what_can_be_run_is_said_when_something_else_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text("domain: object = None")
    with pytest.raises(InvalidBundleFile, match=rf"module:name, such as {expected}\Z"):
        run_here(Namespace(bundle=given))
