"""A fake API server and a client for it."""

from collections.abc import AsyncGenerator

import pytest
from kubernetes.aio.client import Configuration

from chekov_operator.kube.client import Client, connected
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi, serving
from tests.operator.rendering import build_helm


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the building of Helm out of a test's time-out."""
    for item in items:
        if "helm_built" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(600, func_only=True))


@pytest.fixture(scope="session")
def helm_built() -> None:
    """Helm, built by whichever test needs it first."""
    build_helm()


@pytest.fixture
async def api() -> AsyncGenerator[FakeApi]:
    """An API server without any objects."""
    async with serving() as server:
        yield server


@pytest.fixture
def metrics() -> Metrics:
    """Metrics of their own."""
    return Metrics()


@pytest.fixture
async def client(api: FakeApi, metrics: Metrics) -> AsyncGenerator[Client]:
    """A client of that server."""
    async with connected(Configuration(host=api.url), metrics) as found:
        yield found
