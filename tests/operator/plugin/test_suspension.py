"""`suspend` and `resume`, of a bundle and of one subscription."""

from tests.operator.fake_api import FakeApi
from tests.operator.plugin.conftest import Kubectl
from tests.operator.plugin.objects import BUNDLE, GROUP, put_bundle, put_subscription

BALANCES = f"{GROUP}/subscriptions/bank-balances"


async def test_a_bundle_is_suspended_and_resumed(api: FakeApi, kubectl: Kubectl) -> None:
    put_bundle(api)
    answer = await kubectl("suspend", "bank")
    assert (answer.code, answer.output) == (
        0,
        "bundle bank is suspended: its pods are removed\n",
    )
    assert api.objects[BUNDLE]["spec"]["suspend"] is True
    assert api.objects[BUNDLE]["spec"]["replicas"] == 2
    assert (await kubectl("resume", "bank")).code == 0
    assert api.objects[BUNDLE]["spec"]["suspend"] is False


async def test_definitions_without_the_field_are_named(api: FakeApi, kubectl: Kubectl) -> None:
    """The API server drops fields that it does not know, without an error."""
    put_bundle(api)
    api.rewrite[BUNDLE] = lambda body: {
        **body,
        "spec": {name: value for name, value in body["spec"].items() if name != "suspend"},
    }
    answer = await kubectl("suspend", "bank")
    assert answer.code == 1
    assert "upgrade the chart chekov-crds" in answer.errors


async def test_a_subscription_is_suspended_and_resumed(api: FakeApi, kubectl: Kubectl) -> None:
    put_bundle(api)
    put_subscription(api, "balances", state="live")
    assert (await kubectl("suspend", "bank", "balances")).code == 0
    assert api.objects[BALANCES]["spec"]["suspend"] is True
    nonces = set[str]()
    for _ in range(2):
        assert (await kubectl("resume", "bank", "balances")).code == 0
        nonces.add(api.objects[BALANCES]["spec"]["resumeNonce"])
    assert api.objects[BALANCES]["spec"]["suspend"] is False
    assert len(nonces) == 2
    assert "suspend" not in api.objects[BUNDLE]["spec"]


async def test_a_subscription_that_does_not_exist_is_named_with_those_that_do(
    api: FakeApi, kubectl: Kubectl
) -> None:
    put_bundle(api)
    put_subscription(api, "balances")
    put_subscription(api, "mails")
    answer = await kubectl("suspend", "bank", "letters")
    assert answer.code == 1
    assert "bank has no subscription letters; it has: balances, mails" in answer.errors
