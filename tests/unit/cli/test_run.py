"""`chekov run` shows a first request that works."""

import json
from argparse import Namespace
from pathlib import Path
from typing import cast

import pytest

import chekov.cli.run as cli_run
from chekov.cli.run import first_requests, run_here
from chekov.embedded_postgres import EmbeddedPostgres
from chekov.errors import InvalidBundleFile, StoreUnavailable
from chekov.serialization.codec import convert
from chekov.server.lifecycle import Lifecycle
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


class Unstartable:
    """A Postgres that ended and cannot be started again."""

    async def ended(self) -> str:
        return "Postgres was killed"

    async def start(self) -> None:
        raise StoreUnavailable("its disk is full")


async def test_a_postgres_that_cannot_be_started_again_ends_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_run, "_RESTART_SECONDS", 0)
    lifecycle = Lifecycle()
    server = cast("EmbeddedPostgres", Unstartable())
    with pytest.raises(StoreUnavailable, match="its disk is full"):
        async with cli_run._kept_running(server, lifecycle):
            await lifecycle.stopped()
    assert "Postgres was killed; it is started again" in capsys.readouterr().err
