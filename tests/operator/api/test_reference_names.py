"""Which names may refer to other objects, and where a spec has them."""

import pytest

from chekov_operator.api.reference_names import (
    DATA_KEY,
    LABEL,
    SUBDOMAIN,
    Rule,
    name_fault,
    names_of_pod,
)
from tests.operator.named_fields import BAD_NAMES


@pytest.mark.parametrize("rule", [SUBDOMAIN, LABEL, DATA_KEY])
@pytest.mark.parametrize("name", [*BAD_NAMES, None, 7, ["a"]])
def test_a_name_that_could_lead_elsewhere_is_refused(rule: Rule, name: object) -> None:
    assert not rule.accepts(name)
    assert name_fault(name, rule) is not None


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (
            SUBDOMAIN,
            ["a", "shop-2", "shop.v1.example", "0", "a" * 253],
            ["Shop", "-a", "a-", "a..b"],
        ),
        (LABEL, ["a", "shop-2", "a" * 63], ["shop.v1", "a" * 64, "Shop", "a_b"]),
        (DATA_KEY, ["dsn", "A_b-c.d", ".hidden", "a..b", "_"], ["..a", "a:b"]),
    ],
)
def test_names_that_kubernetes_gives_are_taken(rule: Rule, good: list[str], bad: list[str]) -> None:
    assert [name for name in good if not rule.accepts(name)] == []
    assert [name for name in bad if rule.accepts(name)] == []


def test_a_refusal_says_what_was_expected_what_came_and_what_to_do() -> None:
    assert name_fault("../x", SUBDOMAIN) == (
        "expected a name made of lower-case letters, digits, '-' and '.', at most 253 characters, "
        "got '../x'; give the name alone, not a path"
    )


def test_a_long_name_is_shown_in_part() -> None:
    said = name_fault("/" * 5000, SUBDOMAIN)
    assert said is not None
    assert len(said) < 300


def test_what_people_choose_freely_is_no_name_of_an_object() -> None:
    spec = {
        "nodeSelector": {"nodeName": "A/b"},
        "containers": [
            {
                "name": "runtime",
                "env": [
                    {"name": "HERE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                ],
            }
        ],
        "volumes": [
            {"name": "v", "csi": {"driver": "d", "volumeAttributes": {"secretName": "A/b"}}}
        ],
    }
    assert list(names_of_pod(spec, "spec")) == []


def test_the_secret_of_a_volume_driver_is_a_name_too() -> None:
    volume = {"csi": {"driver": "d", "nodePublishSecretRef": {"name": "../x"}}}
    [found] = names_of_pod({"volumes": [volume]}, "spec")
    assert (found.path, found.name) == ("spec.volumes[0].csi.nodePublishSecretRef.name", "../x")
