"""The manifest for those who do without Helm."""

import pytest
import yaml

from tests.operator.plain_manifest import ROOT, texts
from tests.operator.rendering import Manifest, rendered

pytestmark = pytest.mark.usefixtures("helm_built")


def objects() -> list[Manifest]:
    return list(yaml.safe_load_all((ROOT / "deploy" / "operator.yaml").read_text()))


def test_it_is_up_to_date() -> None:
    for name, text in texts().items():
        assert (ROOT / name).read_text() == text, "run `python -m tests.operator.plain_manifest`"


def test_it_holds_what_the_chart_does_but_for_the_test_of_the_release() -> None:
    def names(manifests: list[Manifest]) -> set[tuple[str, str]]:
        return {(each["kind"], each["metadata"]["name"]) for each in manifests}

    assert names(rendered("chekov")) - names(objects()) == {("Pod", "chekov-test")}
    assert names(objects()) - names(rendered("chekov")) == {("Namespace", "chekov-system")}


def test_nothing_in_it_is_about_helm() -> None:
    text = (ROOT / "deploy" / "operator.yaml").read_text()
    assert "helm" not in text.lower()


def test_every_file_that_a_kustomization_names_exists() -> None:
    for name in ("deploy/kustomization.yaml", "charts/chekov-crds/kustomization.yaml"):
        resources = yaml.safe_load((ROOT / name).read_text())["resources"]
        assert resources
        assert [
            each for each in resources if not (ROOT / name).parent.joinpath(each).exists()
        ] == []
