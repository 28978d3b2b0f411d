"""What the measured projections write."""

from benchmarks.projections import folded


def test_a_batch_is_folded_by_stream() -> None:
    places = [("a", 1), ("b", 7), ("a", 2), ("b", 8), ("a", 3)]
    assert folded(places) == (["a", "b"], [3, 2], [3, 8])
