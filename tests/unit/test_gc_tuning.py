"""The garbage collector leaves the objects of the start alone, and runs less often."""

import gc
from collections.abc import Iterator

import pytest

from chekov import gc_tuning


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.set_threshold(700, 10, 10)  # another test may have tuned it
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_existing_objects_are_frozen_and_thresholds_raised() -> None:
    before = gc.get_threshold()
    gc_tuning.tune()
    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold() > before
