"""Which rows are compared, and with which checkouts."""

import argparse
from pathlib import Path

import pytest

from benchmarks.compare import chosen
from benchmarks.compared_rows import RUNTIME_ROWS, STORE_ROWS, TWO_ROWS, CompareError, Side
from benchmarks.peers.workloads import ALL


def given(*, rows: str = "", two: bool = False, peers: bool = False) -> argparse.Namespace:
    return argparse.Namespace(rows=rows, two=two, peers=peers)


def test_further_rows_are_compared_on_request() -> None:
    assert chosen(given()) == ([*RUNTIME_ROWS], [])
    assert chosen(given(two=True, peers=True)) == ([*RUNTIME_ROWS, *TWO_ROWS], [*STORE_ROWS])


def test_rows_can_be_chosen_by_name() -> None:
    assert chosen(given(rows="http 64,store live")) == (["http 64"], ["store live"])


def test_each_row_of_the_store_is_a_workload() -> None:
    assert {row.removeprefix("store ") for row in STORE_ROWS} <= ALL


async def test_a_checkout_without_an_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CompareError, match="run `make dev` there"):
        async with Side("old", tmp_path).worker("benchmarks.worker", ""):
            raise AssertionError("it must not start")
