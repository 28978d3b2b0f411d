"""A fake cluster for whole operators."""

from pathlib import Path

import pytest

from tests.operator.fake_api import FakeApi
from tests.operator.process.running import Cluster


@pytest.fixture
def cluster(api: FakeApi, tmp_path: Path) -> Cluster:
    return Cluster(api, tmp_path)
