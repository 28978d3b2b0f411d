"""The operator waits for its resources, and says which are missing."""

import pytest

from chekov_operator.kube.client import Client
from chekov_operator.kube.definitions import check_installed, wait_until_installed
from chekov_operator.kube.kinds import DEFINED
from chekov_operator.management import Health
from tests.operator.fake_api import FakeApi

VERSION = "/apis/chekov.dev/v1alpha1"
NAMES = [kind.plural for kind in DEFINED]
ALL = [*NAMES, *(f"{name}/status" for name in NAMES)]


@pytest.fixture
def health() -> Health:
    return Health()


async def test_what_is_installed_is_not_missing(
    api: FakeApi, client: Client, health: Health
) -> None:
    api.served[VERSION] = ALL
    assert await check_installed(client, health)
    assert health.missing == []


@pytest.mark.parametrize(
    ("served", "missing"),
    [
        (None, [f"{name}.chekov.dev" for name in NAMES]),
        ([name for name in NAMES if name != "replays"], ["replays.chekov.dev"]),
    ],
)
async def test_what_is_missing_is_named(
    api: FakeApi, client: Client, health: Health, served: list[str] | None, missing: list[str]
) -> None:
    if served is not None:
        api.served[VERSION] = served
    assert not await check_installed(client, health)
    assert health.missing == missing


async def test_a_server_that_does_not_answer_takes_nothing_away(
    api: FakeApi, client: Client, health: Health
) -> None:
    api.fail("GET", VERSION, 500, "InternalError")
    assert not await check_installed(client, health)
    assert health.missing == []


async def test_the_wait_ends_when_all_are_there(
    api: FakeApi, client: Client, health: Health
) -> None:
    api.served[VERSION] = ALL
    await wait_until_installed(client, health)
    assert health.missing == []
