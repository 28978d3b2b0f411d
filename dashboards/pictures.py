"""Draws the dashboards as they look over a real Prometheus: `python -m dashboards.pictures URL`.

`make cluster` prints how to reach one. Grafana draws them differently; the values are the same.
"""

import argparse
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dashboards.generated import TARGET
from dashboards.prometheus import Prometheus
from dashboards.queries import Query, chosen_values, queries

IMAGES = Path(__file__).parents[1] / "docs" / "images"

_COLUMNS = 3
_POINTS = 60
_FACTORS = {"bytes": (2**20, "MiB"), "percentunit": (0.01, "%")}
_UNITS = {"s": "s", "ops": "per second", "reqps": "per second"}


def draw(prometheus: Prometheus, name: str, wanted: Mapping[str, str], seconds: float) -> Figure:
    """The graphs of one dashboard over the last seconds."""
    dashboard = json.loads((TARGET / f"{name}.json").read_text())
    found = [query for query in queries(dashboard) if not query.instant]
    values = chosen_values(dashboard, prometheus.label_values, wanted, rate_interval="30s")
    results = prometheus.results(
        [query.with_values(values) for query in found],
        [False] * len(found),
        seconds=seconds,
        step=seconds / _POINTS,
    )
    panels: dict[str, list[tuple[Query, list[dict[str, Any]]]]] = {}
    for query, result in zip(found, results, strict=True):
        panels.setdefault(query.panel, []).append((query, result))
    rows = math.ceil(len(panels) / _COLUMNS)
    figure = Figure(figsize=(4 * _COLUMNS, 2.2 * rows), layout="constrained")
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).flat
    for each in axes:
        each.set_axis_off()
    for each, (title, drawn) in zip(axes, panels.items(), strict=False):
        _draw_panel(each, title, drawn)
    return figure


def _draw_panel(
    axes: Axes, title: str, drawn: Sequence[tuple[Query, list[dict[str, Any]]]]
) -> None:
    axes.set_axis_on()
    unit = drawn[0][0].unit
    divisor, shown = _FACTORS.get(unit, (1, _UNITS.get(unit, "")))
    axes.set_title(f"{title}, {shown}" if shown else title, loc="left", fontsize=9)
    for query, result in drawn:
        for series in result:
            pairs = [(float(time), float(value)) for time, value in series["values"]]
            label = _legend(query.legend, series["metric"])
            minutes = [(time - pairs[-1][0]) / 60 for time, _ in pairs]
            axes.plot(minutes, [value / divisor for _, value in pairs], label=label, lw=1)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=6, loc="best", framealpha=0.5)


def _legend(text: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), text)


def _json_at(url: str) -> Any:
    with urlopen(url) as answer:  # noqa: S310
        return json.load(answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of Prometheus")
    parser.add_argument("--namespace", default="bank")
    parser.add_argument("--bundle", default="bank")
    parser.add_argument("--store", default="main")
    parser.add_argument("--seconds", type=float, default=300)
    given = parser.parse_args()

    def fetch_all(paths: Sequence[str]) -> list[Any]:
        return [_json_at(given.url + path) for path in paths]

    wanted = {"namespace": given.namespace, "bundle": given.bundle, "store": given.store}
    IMAGES.mkdir(exist_ok=True)
    # Text stays text, and what is the same is written the same.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "chekov"})
    for path in sorted(TARGET.iterdir()):
        figure = draw(Prometheus(fetch_all), path.stem, wanted, given.seconds)
        figure.savefig(IMAGES / f"{path.stem}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
