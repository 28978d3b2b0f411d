"""The ScaledObject of the docs asks what the operator serves, where its chart serves it."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from chekov_operator.bundle_lag import BundleLag
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import BUNDLE
from chekov_operator.management import Health, serving
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.rendering import CHARTS, of_kind, rendered
from tests.operator.samples import bundle_body
from tests.operator.test_management import Site

PAGE = CHARTS.parent / "docs" / "how-to" / "scale-a-bundle.md"


@pytest.fixture(scope="module")
def scaled() -> dict[str, Any]:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    [found] = [block for block in map(yaml.safe_load, blocks) if block.get("kind")]
    return found


@pytest.fixture
def trigger(scaled: dict[str, Any]) -> dict[str, str]:
    [found] = scaled["spec"]["triggers"]
    assert found["type"] == "metrics-api"
    return found["metadata"]


def test_it_scales_the_bundle_that_it_asks_about(
    scaled: dict[str, Any], trigger: dict[str, str]
) -> None:
    assert (scaled["apiVersion"], scaled["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    target = scaled["spec"]["scaleTargetRef"]
    assert (target["apiVersion"], target["kind"]) == (BUNDLE.api, BUNDLE.name)
    path = f"/bundles/{scaled['metadata']['namespace']}/{target['name']}"
    assert urlsplit(trigger["url"]).path == path
    # KEDA takes text alone there.
    assert all(isinstance(value, str) for value in trigger.values())
    assert scaled["spec"]["fallback"].keys() == {"failureThreshold", "replicas"}


@pytest.mark.usefixtures("helm_built")
def test_its_address_is_that_of_the_service_of_the_chart(trigger: dict[str, str]) -> None:
    [service] = of_kind(rendered("chekov"), "Service")
    metadata, [port] = service["metadata"], service["spec"]["ports"]
    address = f"{metadata['name']}.{metadata['namespace']}.svc:{port['port']}"
    assert urlsplit(trigger["url"]).netloc == address


async def test_the_operator_answers_with_a_number_where_it_looks(
    trigger: dict[str, str], client: Client, metrics: Metrics, api: FakeApi, unused_tcp_port: int
) -> None:
    lag = BundleLag()
    lag.client = client
    _, _, namespace, name = urlsplit(trigger["url"]).path.split("/")
    api.put(BUNDLE.path(namespace, name), {**bundle_body(), "status": {"lag": 2500}})
    async with serving(Health(), metrics, lag, unused_tcp_port):
        status, text = await Site(unused_tcp_port).get(urlsplit(trigger["url"]).path)
    assert (status, json.loads(text)[trigger["valueLocation"]]) == (200, 2500)
