from chekov.backoff import Backoff


def test_delays_grow_up_to_the_bound() -> None:
    backoff = Backoff(0.1, 0.5, spread=(1, 1))
    assert [round(backoff.next(), 3) for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_delays_start_again_after_a_reset() -> None:
    backoff = Backoff(0.1, spread=(1, 1))
    backoff.next()
    backoff.reset()
    assert backoff.next() == 0.1


def test_delays_are_spread() -> None:
    delays = {Backoff(1, 1, spread=(0.5, 1)).next() for _ in range(50)}
    assert len(delays) > 1
    assert all(0.5 <= delay <= 1 for delay in delays)
