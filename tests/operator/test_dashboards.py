"""The dashboards in the chart: generated, complete, and made of metrics that exist."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from dashboards.generated import TARGET, texts
from dashboards.queries import queries
from tests.operator.rendering import CHARTS, of_kind, rendered

DOCS = CHARTS.parent / "docs"
OBSERVE = DOCS / "how-to" / "observe.md"
SVG = "{http://www.w3.org/2000/svg}"
METRIC = re.compile(r"\b(?:chekov|process)_\w+")
OF_PYTHON = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
OF_HISTOGRAMS = re.compile(r"_(?:bucket|sum|count)$")


def documented() -> set[str]:
    page = (CHARTS.parent / "docs" / "reference" / "metrics.md").read_text()
    return set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))


def test_they_are_up_to_date() -> None:
    found = {path.name: path.read_text() for path in TARGET.iterdir()}
    assert found == texts(), "run `python -m dashboards`"
    assert found.keys() == {
        f"{name}.json" for name in ("overview", "bundle", "subscriptions", "store", "operator")
    }


@pytest.mark.parametrize("path", sorted(TARGET.iterdir()), ids=lambda path: path.stem)
def test_they_query_metrics_that_exist(path: Path) -> None:
    found = list(queries(json.loads(path.read_text())))
    assert len(found) > 5
    used = {name for query in found for name in METRIC.findall(query.expression)}
    assert used
    known = documented() | OF_PYTHON
    assert {name for name in used if OF_HISTOGRAMS.sub("", name) not in known} == set()


@pytest.mark.parametrize("path", sorted(TARGET.iterdir()), ids=lambda path: path.stem)
def test_the_docs_show_a_small_picture_of_each_of_its_graphs(path: Path) -> None:
    picture = DOCS / "images" / f"{path.stem}.svg"
    assert re.findall(rf"!\[.+\]\(\.\./{picture.relative_to(DOCS)}\)", OBSERVE.read_text())
    assert picture.stat().st_size < 100_000
    texts = [element.text or "" for element in ET.parse(picture).iter(f"{SVG}text")]
    panels = json.loads(path.read_text())["panels"]
    graphs = [panel["title"] for panel in panels if panel["type"] == "timeseries"]
    assert len(graphs) > 5
    missing = [title for title in graphs if not any(text.startswith(title) for text in texts)]
    assert missing == [], "draw the pictures anew, as docs/how-to/observe.md says"


def test_no_picture_is_of_a_dashboard_that_is_gone() -> None:
    pictures = {path.stem for path in (DOCS / "images").iterdir()}
    assert pictures == {path.stem for path in TARGET.iterdir()}


@pytest.mark.usefixtures("helm_built")
def test_each_is_a_config_map_that_grafana_finds() -> None:
    assert of_kind(rendered("chekov"), "ConfigMap") == []
    found = of_kind(
        rendered(
            "chekov",
            "dashboards.enabled=true",
            values={"dashboards.annotations": {"grafana_folder": "Chekov"}},
        ),
        "ConfigMap",
    )
    assert len(found) == 5
    for each in found:
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert each["metadata"]["annotations"] == {"grafana_folder": "Chekov"}
        [(name, text)] = each["data"].items()
        assert json.loads(text) == json.loads((TARGET / name.removeprefix("chekov-")).read_text())


def test_each_has_an_address_and_titles_of_its_own() -> None:
    made = [json.loads(text) for text in texts().values()]
    assert len({each["uid"] for each in made}) == len(made)
    for each in made:
        titles = [panel["title"] for panel in each["panels"] if panel["type"] != "row"]
        assert len(titles) > 5
        assert all(titles)
