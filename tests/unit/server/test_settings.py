"""The environment becomes one typed value, or a list of what is wrong with it."""

import pytest

from chekov.domain.failure import Retry
from chekov.server.serve import retry_policy
from chekov.server.settings import Settings, SettingsError, variables


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.read({})
    assert settings.http_port == 8080
    assert settings.management_port == 9090
    assert settings.schema == "chekov"
    assert settings.drain_timeout == 25.0
    assert settings.log_format == "json"
    assert settings.tracing == "off"


def test_values_get_their_types() -> None:
    settings = Settings.read(
        {
            "CHEKOV_STORE": "postgresql://user:secret@host/base",
            "CHEKOV_DOMAIN": "bank.main:domain",
            "CHEKOV_HTTP_PORT": "0",
            "CHEKOV_DRAIN_DELAY": "2.5",
            "CHEKOV_MIGRATE": "True",
            "CHEKOV_LOG_LEVEL": "DEBUG",
            "CHEKOV_LEASE": "12.5",
        }
    )
    assert settings.lease == 12.5
    assert settings.store == "postgresql://user:secret@host/base"
    assert settings.domain == "bank.main:domain"
    assert settings.http_port == 0
    assert settings.drain_delay == 2.5
    assert settings.migrate
    assert settings.log_level == "debug"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("CHEKOV_HTTP_PORT", "http", "a port from 0 to 65535"),
        ("CHEKOV_HTTP_PORT", "65536", "a port from 0 to 65535"),
        ("CHEKOV_MANAGEMENT_PORT", "-1", "a port from 0 to 65535"),
        ("CHEKOV_DOMAIN", "bank", "module:object"),
        ("CHEKOV_SCHEMA", "Chekov; drop", "lower-case letters"),
        ("CHEKOV_DRAIN_TIMEOUT", "0", "above 0"),
        ("CHEKOV_DRAIN_TIMEOUT", "nan", "above 0|0 or more"),
        ("CHEKOV_DRAIN_DELAY", "soon", "a number of seconds"),
        ("CHEKOV_POOL_SIZE", "0", "a whole number from 1"),
        ("CHEKOV_LEASE", "0", "above 0"),
        ("CHEKOV_RETRY_ATTEMPTS", "0", "a whole number from 1"),
        ("CHEKOV_RETRY_FIRST_PAUSE", "soon", "a number of seconds"),
        ("CHEKOV_LOG_FORMAT", "xml", "one of json, text"),
        ("CHEKOV_MIGRATE", "maybe", "true or false"),
    ],
)
def test_a_bad_value_names_the_variable_what_came_and_what_is_expected(
    name: str, value: str, expected: str
) -> None:
    with pytest.raises(SettingsError, match=f"{name}: expected .*({expected})") as caught:
        Settings.read({name: value})
    assert repr(value) in str(caught.value)


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.read({"CHEKOV_HTTP_PORT": "x", "CHEKOV_POOL_SIZE": "y"})
    assert len(caught.value.faults) == 2


def test_a_bad_dsn_is_not_shown_because_it_may_hold_a_password() -> None:
    with pytest.raises(SettingsError, match="CHEKOV_STORE: expected a DSN") as caught:
        Settings.read({"CHEKOV_STORE": "mysql://root:hunter2@host"})
    assert "hunter2" not in str(caught.value)


def test_the_retry_policy_can_be_set() -> None:
    assert retry_policy(Settings.read({})) == Retry()
    given = {
        "CHEKOV_RETRY_ATTEMPTS": "2",
        "CHEKOV_RETRY_FIRST_PAUSE": "0",
        "CHEKOV_RETRY_LONGEST_PAUSE": "1.5",
    }
    assert retry_policy(Settings.read(given)) == Retry(attempts=2, first=0.0, longest=1.5)


def test_an_empty_variable_counts_as_unset() -> None:
    assert Settings.read({"CHEKOV_HTTP_PORT": ""}).http_port == 8080


def test_overrides_win_over_the_environment_which_wins_over_defaults() -> None:
    settings = Settings.read(
        {"CHEKOV_HTTP_PORT": "1", "CHEKOV_SCHEMA": "mine"},
        defaults={"CHEKOV_SCHEMA": "other", "CHEKOV_BUNDLE": "bank"},
        overrides={"CHEKOV_HTTP_PORT": "2", "CHEKOV_MANAGEMENT_PORT": None},
    )
    assert (settings.http_port, settings.schema, settings.bundle) == (2, "mine", "bank")
    assert settings.management_port == 9090


def test_what_is_needed_and_missing_is_named() -> None:
    with pytest.raises(SettingsError, match="CHEKOV_STORE is not set"):
        Settings.read({"CHEKOV_DOMAIN": "bank:domain"}).require("store", "domain")


@pytest.mark.parametrize(
    ("environment", "tracing"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, "off"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, "off"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_SERVICE_NAME": "bank"}, "off"),
    ],
)
def test_the_otel_variables_say_where_traces_go(environment: dict[str, str], tracing: str) -> None:
    assert Settings.read(environment).tracing == tracing


def test_every_variable_has_a_row_with_a_meaning() -> None:
    rows = {row.name: row for row in variables()}
    assert rows["CHEKOV_HTTP_PORT"].default == "8080"
    assert rows["CHEKOV_DRAIN_TIMEOUT"].default == "25"
    assert rows["CHEKOV_MIGRATE"].default == "false"
    assert all(row.meaning.endswith(".") for row in rows.values())


def test_a_master_key_given_in_place_of_its_path_is_not_shown() -> None:
    with pytest.raises(SettingsError, match="an absolute path") as caught:
        Settings.read({"CHEKOV_MASTER_KEY_FILE": "c2VjcmV0"})
    assert "c2VjcmV0" not in str(caught.value)
    assert Settings.read({"CHEKOV_MASTER_KEY_FILE": "/keys"}).master_key == "/keys"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (
            {"CHEKOV_AUTH_JWT_ISSUER": "a", "CHEKOV_AUTH_JWT_KEYS": "/keys"},
            (
                "CHEKOV_AUTH_JWT_AUDIENCE is not set, but required with CHEKOV_AUTH_JWT_ISSUER, "
                "CHEKOV_AUTH_JWT_KEYS"
            ),
        ),
        (
            {"CHEKOV_TLS_KEY_FILE": "/tls.key"},
            "CHEKOV_TLS_CERTIFICATE_FILE is not set, but required with CHEKOV_TLS_KEY_FILE",
        ),
    ],
    ids=str,
)
def test_variables_that_belong_together_are_set_together(given: dict[str, str], fault: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.read(given)
    assert raised.value.faults == (fault,)


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        ("https://issuer.example/keys", True),
        ("/etc/keys/jwks.json", True),
        ("http://localhost:8080/keys", True),
        ("http://127.0.0.1/keys", True),
        ("http://issuer.example/keys", False),
        ("issuer.example/keys", False),
        ("https:///keys", False),
        ("https://[", False),
    ],
)
def test_keys_come_from_where_nobody_can_replace_them(value: str, *, usable: bool) -> None:
    given = {
        "CHEKOV_AUTH_JWT_ISSUER": "a",
        "CHEKOV_AUTH_JWT_AUDIENCE": "b",
        "CHEKOV_AUTH_JWT_KEYS": value,
    }
    if usable:
        assert Settings.read(given).jwt_keys == value
        return
    with pytest.raises(SettingsError, match="expected an https URL, or an absolute path"):
        Settings.read(given)
