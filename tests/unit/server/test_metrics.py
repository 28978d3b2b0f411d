"""What happens is counted under names that dashboards rely on."""

from dataclasses import replace

from chekov.server.metrics import Metrics
from chekov.store.port import SubscriptionKey

BALANCES = SubscriptionKey("bank", "balances")


def page(metrics: Metrics) -> list[str]:
    text, content_type = metrics.exposition("text/plain")
    assert content_type.startswith("text/plain")
    return text.decode().splitlines()


def sample(name: str, outcome: str, value: float) -> str:
    """A line about the subscription."""
    labels = ['domain="bank"', outcome, 'subscription="balances"', 'version="1"']
    return f"{name}{{{','.join(filter(None, labels))}}} {value}"


def metrics() -> Metrics:
    return Metrics(["Open", "Close"], [BALANCES])


def test_series_exist_before_anything_happens() -> None:
    lines = page(metrics())
    assert 'chekov_commands_total{command="Open",outcome="accepted"} 0.0' in lines
    assert 'chekov_commands_total{command="Close",outcome="rejected"} 0.0' in lines
    assert sample("chekov_deliveries_total", 'outcome="parked"', 0.0) in lines
    assert sample("chekov_events_missing_total", "", 0.0) in lines
    assert any(line.startswith("process_cpu_seconds_total") for line in lines)


def test_a_command_is_counted_timed_and_in_flight_until_it_ends() -> None:
    measured = metrics()
    command = measured.command("Open", "account-1")
    assert "chekov_commands_in_flight 1.0" in page(measured)
    command.finish("accepted", events=1, retries=2)
    lines = page(measured)
    assert "chekov_commands_in_flight 0.0" in lines
    assert 'chekov_commands_total{command="Open",outcome="accepted"} 1.0' in lines
    assert 'chekov_command_retries_total{command="Open"} 2.0' in lines
    assert 'chekov_command_seconds_count{command="Open"} 1.0' in lines


def test_a_batch_of_appends_is_counted() -> None:
    measured = metrics()
    measured.appended(3, 5, 0.01)
    lines = page(measured)
    assert "chekov_appends_total 3.0" in lines
    assert "chekov_events_appended_total 5.0" in lines
    assert "chekov_append_batch_events_sum 5.0" in lines
    assert "chekov_append_batch_seconds_count 1.0" in lines


def test_deliveries_are_counted_timed_and_aged() -> None:
    measured = metrics()
    measured.delivered(BALANCES, "handled", 4, 0.002, 0.003)
    measured.delivered(BALANCES, "parked", 1, 0.002, -0.1)
    measured.missing(BALANCES, 2)
    lines = page(measured)
    assert sample("chekov_deliveries_total", 'outcome="handled"', 4.0) in lines
    assert sample("chekov_deliveries_total", 'outcome="parked"', 1.0) in lines
    assert sample("chekov_delivery_age_seconds_count", "", 2.0) in lines
    assert sample("chekov_events_missing_total", "", 2.0) in lines


def test_versions_of_a_subscription_have_their_own_series_and_partitions_add_up() -> None:
    measured = metrics()
    measured.delivered(BALANCES, "handled", 1, 0.002, 0.003)
    measured.delivered(replace(BALANCES, partition=1), "handled", 2, 0.002, 0.003)
    measured.delivered(replace(BALANCES, version=2), "handled", 4, 0.002, 0.003)
    lines = page(measured)
    for version, count in ((1, 3), (2, 4)):
        labels = f'domain="bank",outcome="handled",subscription="balances",version="{version}"'
        assert f"chekov_deliveries_total{{{labels}}} {count}.0" in lines


def test_snapshots_are_counted() -> None:
    measured = metrics()
    measured.snapshot("account", "kept")
    assert 'chekov_snapshots_total{aggregate="account",outcome="kept"} 1.0' in page(measured)


def test_loads_are_counted() -> None:
    measured = metrics()
    measured.loaded("account", 12, 0.001)
    assert 'chekov_aggregate_load_events_total{aggregate="account"} 12.0' in page(measured)


def test_requests_are_counted_by_route_and_status() -> None:
    measured = metrics()
    route = measured.http("POST", "/commands/Open")
    started = route.start()
    assert measured.requests_in_flight == 1
    route.finish(started, 200)
    route.finish(route.start(), 422)
    lines = page(measured)
    assert measured.requests_in_flight == 0
    for status in ("200", "422"):
        labels = f'method="POST",route="/commands/Open",status="{status}"'
        assert f"chekov_http_requests_total{{{labels}}} 1.0" in lines


def test_the_build_is_described() -> None:
    measured = metrics()
    measured.describe(version="1", bundle="bank")
    assert 'chekov_build_info{bundle="bank",version="1"} 1.0' in page(measured)


def test_every_metric_has_a_help_text() -> None:
    lines = page(metrics())
    described = {
        line.split()[2] for line in lines if line.startswith("# HELP ") and line.split()[3:]
    }
    kinds = {line.split()[2] for line in lines if line.startswith("# TYPE ")}
    assert kinds == described


def test_two_processes_in_one_program_do_not_share_anything() -> None:
    one, other = metrics(), metrics()
    one.appended(1, 1, 0.1)
    assert "chekov_appends_total 0.0" in page(other)


def test_open_metrics_is_spoken_when_asked_for() -> None:
    text, content_type = metrics().exposition("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


def test_the_certificate_is_asked_at_each_scrape() -> None:
    measured = metrics()
    assert not any("certificate" in line for line in page(measured))
    state = [1_800_000_000.0, 1.0]
    measured.watch_certificate(lambda: state[0], lambda: bool(state[1]))
    assert "chekov_tls_certificate_expiry_timestamp_seconds 1.8e+09" in page(measured)
    assert "chekov_tls_certificate_last_reload_successful 1.0" in page(measured)
    state[:] = [1_900_000_000.0, 0.0]
    assert "chekov_tls_certificate_expiry_timestamp_seconds 1.9e+09" in page(measured)
    assert "chekov_tls_certificate_last_reload_successful 0.0" in page(measured)
