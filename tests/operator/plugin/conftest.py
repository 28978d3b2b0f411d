"""The plugin as a person runs it, with a kubeconfig that leads to the fake API server."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from chekov_operator.plugin import main
from tests.operator.fake_api import FakeApi


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command line did."""

    code: int
    output: str
    errors: str


Kubectl = Callable[..., Coroutine[Any, Any, Answer]]


def kubeconfig(server: str, **user: object) -> dict[str, Any]:
    """A kubeconfig with one context, in the namespace of the shops."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "local", "cluster": {"server": server}}],
        "users": [{"name": "me", "user": user or {"token": "of-me"}}],
        "contexts": [
            {"name": "here", "context": {"cluster": "local", "user": "me", "namespace": "shops"}},
            {"name": "other", "context": {"cluster": "local", "user": "me"}},
        ],
    }


@pytest.fixture
def config(api: FakeApi, tmp_path: Path) -> Path:
    """The file of that kubeconfig."""
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(kubeconfig(api.url)))
    return file


@pytest.fixture
def kubectl(config: Path, capsys: pytest.CaptureFixture[str]) -> Kubectl:
    """Runs `kubectl chekov` with some words."""

    async def run(*words: str | Path) -> Answer:
        arguments = [*map(str, words), f"--kubeconfig={config}"]
        # It runs an event loop of its own; the server is in this thread's.
        code = await asyncio.to_thread(main, arguments)
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return run
