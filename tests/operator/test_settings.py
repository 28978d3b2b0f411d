"""The operator's settings: read once, all faults reported at once."""

import pytest

from chekov_operator.settings import Settings, SettingsError, read


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = read({})
    assert settings == Settings(name=settings.name)
    assert settings.name


def test_every_setting_has_its_variable() -> None:
    assert read(
        {
            "CHEKOV_OPERATOR_NAMESPACE": "chekov-system",
            "CHEKOV_OPERATOR_NAME": "operator-1",
            "CHEKOV_OPERATOR_RUNTIME_IMAGE": "registry.example/chekov:1",
            "CHEKOV_OPERATOR_RUNTIME_PULL_POLICY": "Always",
            "CHEKOV_OPERATOR_WATCH_NAMESPACES": "shops, banks,,shops",
            "CHEKOV_OPERATOR_ALLOW_INLINE": "false",
            "CHEKOV_OPERATOR_LOG_LEVEL": "debug",
            "CHEKOV_OPERATOR_MANAGEMENT_PORT": "8081",
            "CHEKOV_OPERATOR_WORKERS": "4",
            "CHEKOV_OPERATOR_LEASE_SECONDS": "10",
            "CHEKOV_OPERATOR_REFRESH_SECONDS": "2.5",
        }
    ) == Settings(
        namespace="chekov-system",
        name="operator-1",
        runtime_image="registry.example/chekov:1",
        runtime_pull_policy="Always",
        watch_namespaces=("shops", "banks"),
        allow_inline=False,
        log_level="debug",
        management_port=8081,
        workers=4,
        lease_seconds=10,
        refresh_seconds=2.5,
    )


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("RUNTIME_PULL_POLICY", "Sometimes", "one of Always, IfNotPresent, Never"),
        ("ALLOW_INLINE", "perhaps", "one of true, false"),
        ("LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("MANAGEMENT_PORT", "70000", "from 1 to 65535"),
        ("MANAGEMENT_PORT", "0", "from 1 to 65535"),
        ("WORKERS", "0", "a whole number from 1"),
        ("WORKERS", "2.5", "a whole number from 1"),
        ("LEASE_SECONDS", "soon", "a number of seconds from 1"),
        ("LEASE_SECONDS", "nan", "a number of seconds from 1"),
        ("REFRESH_SECONDS", "-1", "a number of seconds from 1"),
        ("NAMESPACE", "../kube-system", "lower-case letters, digits and '-'"),
        ("WATCH_NAMESPACES", "kube-system/secrets", "namespaces made of lower-case letters"),
        ("LEASE_NAME", "chekov?", "lower-case letters, digits, '-' and '.'"),
    ],
)
def test_an_invalid_value_is_reported_with_its_variable(
    variable: str, value: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read({f"CHEKOV_OPERATOR_{variable}": value})
    (fault,) = caught.value.faults
    assert fault.startswith(f"CHEKOV_OPERATOR_{variable}: expected ")
    assert expected in fault
    assert repr(value) in fault


@pytest.mark.parametrize(
    ("environment", "traced"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_sent_when_the_standard_variables_say_where(
    environment: dict[str, str],
    traced: bool,  # noqa: FBT001
) -> None:
    assert read(environment).tracing is traced


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read({"CHEKOV_OPERATOR_WORKERS": "many", "CHEKOV_OPERATOR_LOG_LEVEL": "loud"})
    assert len(caught.value.faults) == 2
    assert str(caught.value).count("\n") == 1


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("10.0.0.1", "443", "https://10.0.0.1:443"),
        ("fd00::1", "443", "https://[fd00::1]:443"),
        ("10.0.0.1", "", ""),
        ("", "443", ""),
    ],
)
def test_a_pod_knows_where_the_api_server_is(host: str, port: str, expected: str) -> None:
    variables = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    assert read(variables).api_server == expected
