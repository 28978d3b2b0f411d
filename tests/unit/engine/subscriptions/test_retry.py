from chekov.engine.subscriptions.retry import Retry


def test_delays_double_up_to_a_bound() -> None:
    backoff = Retry(first=1.0, longest=5.0).backoff()
    for delay in (1, 2, 4, 5, 5):
        assert 0.75 * delay <= backoff.next() <= 1.25 * delay
