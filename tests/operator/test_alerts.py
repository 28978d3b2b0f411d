"""The alerts of the chart, as Prometheus's own tool evaluates them."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.operator.rendering import CHARTS, Manifest, of_kind, rendered
from tests.packages import provide

CASES = Path(__file__).parent / "alerts"
RUNBOOKS = CHARTS.parent / "docs" / "runbooks"
SLUGS = sorted(path.stem for path in CASES.glob("*.yaml"))

pytestmark = pytest.mark.usefixtures("helm_built")


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the chart's rules as Prometheus reads them."""
    provide({"promtool": "prometheus"}, otherwise="Elsewhere, install Prometheus.")
    [rule] = of_kind(rendered("chekov", "prometheusRule.enabled=true"), "PrometheusRule")
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rules.yaml").write_text(yaml.safe_dump(rule["spec"]))
    return folder


def alerts(folder: Path) -> list[Manifest]:
    groups = yaml.safe_load((folder / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def promtool(folder: Path, *words: str) -> None:
    done = subprocess.run(
        ["promtool", *words], cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def slug_of(alert: str) -> str:
    """bundle-not-ready for ChekovBundleNotReady."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alert.removeprefix("Chekov")).lower()


def test_prometheus_accepts_the_rules(rules: Path) -> None:
    promtool(rules, "check", "rules", "rules.yaml")


def test_each_alert_has_a_case_and_a_runbook(rules: Path) -> None:
    slugs = sorted(slug_of(alert["alert"]) for alert in alerts(rules))
    assert len(slugs) > 10
    assert slugs == SLUGS
    assert slugs == sorted(page.stem for page in RUNBOOKS.glob("*.md") if page.stem != "README")


def test_each_alert_is_made_to_fire_on_the_cluster(rules: Path) -> None:
    page = (CHARTS.parent / "tests" / "cluster" / "test_alerts.py").read_text()
    names = [alert["alert"].removeprefix("Chekov") for alert in alerts(rules)]
    assert [name for name in names if name not in page] == []


def test_each_alert_says_how_bad_it_is_and_what_to_do(rules: Path) -> None:
    for alert in alerts(rules):
        assert alert["labels"]["severity"] in {"critical", "warning"}
        about = alert["annotations"]
        assert about.keys() == {"summary", "description", "runbook_url"}
        assert all(about.values())
        page = Path(about["runbook_url"])
        assert page == Path("docs/runbooks") / f"{slug_of(alert['alert'])}.md"
        assert alert["alert"] in (CHARTS.parent / page).read_text()


@pytest.mark.parametrize("slug", SLUGS)
def test_it_fires_for_its_symptom_and_not_before(rules: Path, slug: str) -> None:
    text = (CASES / f"{slug}.yaml").read_text()
    case = yaml.safe_load(text)["tests"][0]
    expected = [bool(each["exp_alerts"]) for each in case["alert_rule_test"]]
    assert expected == [False, True]
    (rules / f"{slug}.yaml").write_text(text)
    promtool(rules, "test", "rules", f"{slug}.yaml")


def test_thresholds_and_the_place_of_runbooks_are_values() -> None:
    [rule] = of_kind(
        rendered(
            "chekov",
            "prometheusRule.enabled=true",
            "prometheusRule.thresholds.lagSeconds=7",
            "prometheusRule.runbookUrl=https://wiki.example/chekov/",
            "prometheusRule.labels.release=monitoring",
        ),
        "PrometheusRule",
    )
    assert rule["metadata"]["labels"]["release"] == "monitoring"
    found = [alert for group in rule["spec"]["groups"] for alert in group["rules"]]
    [lagging] = [alert for alert in found if alert["alert"] == "ChekovSubscriptionLagging"]
    assert lagging["expr"].strip().endswith("> 7")
    assert lagging["annotations"]["runbook_url"] == (
        "https://wiki.example/chekov/subscription-lagging.md"
    )


def test_there_are_no_rules_unless_wanted() -> None:
    assert of_kind(rendered("chekov"), "PrometheusRule") == []
