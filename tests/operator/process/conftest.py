"""A fake cluster for whole operators."""

import pytest

from tests.operator.fake_api import FakeApi
from tests.operator.process.running import Cluster


@pytest.fixture
def cluster(api: FakeApi) -> Cluster:
    return Cluster(api)
