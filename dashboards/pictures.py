"""Draws the dashboards as they look over a real Prometheus: `python -m dashboards.pictures URL`.

`make cluster` prints how to reach one. Grafana draws them differently; the values are the same.
"""

import argparse
import io
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

_COLUMNS = 24
_INCHES = 0.5, 0.26
"""Of a cell of Grafana's grid: a panel is 8 of them wide, and 8 high."""
_POINTS = 30
_MOST_LINES = 5
_MANY = 100
"""From here on, a figure has no decimals."""
_MOST_ROWS = 8
_FACTORS = {"bytes": (2**20, "MiB"), "percentunit": (0.01, "%")}
_STYLE = re.compile(r' style="([^"]*)"')
_STEP = re.compile(r"\n(?=[LM] |z\n|\")")
"""Of a path: each would have a line of its own."""
_UNTURNED = re.compile(r' transform="rotate\(-0 [^"]*"')
_UNITS = {"s": "s", "ops": "per second", "reqps": "per second"}

Drawn = Sequence[tuple[Query, list[dict[str, Any]]]]
"""The queries of a panel with their series."""


def draw(prometheus: Prometheus, name: str, wanted: Mapping[str, str], seconds: float) -> Figure:
    """One dashboard over the last seconds, its panels where Grafana shows them."""
    dashboard = json.loads((TARGET / f"{name}.json").read_text())
    values = chosen_values(dashboard, prometheus.label_values, wanted, rate_interval="30s")
    asked = [(panel, list(queries({"panels": [panel]}))) for panel in dashboard["panels"]]
    every = [query for _, found in asked for query in found]
    results = iter(
        prometheus.results(
            [query.with_values(values) for query in every],
            [query.instant for query in every],
            seconds=seconds,
            step=seconds / _POINTS,
        )
    )
    lines = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel, _ in asked)
    figure = Figure(figsize=(_COLUMNS * _INCHES[0], lines * _INCHES[1]))
    for panel, found in asked:
        axes = figure.add_axes(_place(panel["gridPos"], lines))
        _DRAWINGS[panel["type"]](axes, panel, [(query, next(results)) for query in found])
    return figure


def _place(cells: Mapping[str, int], lines: int) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of a panel's axes, within the titles and ticks around them."""
    width, height = _INCHES
    left, bottom = cells["x"] * width + 0.5, (lines - cells["y"] - cells["h"]) * height + 0.3
    across, up = cells["w"] * width - 0.65, max(cells["h"] * height - 0.6, 0.01)
    whole = _COLUMNS * width, lines * height
    return left / whole[0], bottom / whole[1], across / whole[0], up / whole[1]


def _draw_heading(axes: Axes, panel: Mapping[str, Any], _: Drawn) -> None:
    axes.set_axis_off()
    axes.text(-0.015, -20, panel["title"], fontsize=11, weight="bold")


def _draw_figure(axes: Axes, panel: Mapping[str, Any], drawn: Drawn) -> None:
    axes.set_axis_off()
    axes.set_title(panel["title"], loc="left", fontsize=9)
    [(query, [series])] = drawn
    divisor, shown = _FACTORS.get(query.unit, (1, ""))
    value = float(series["value"][1]) / divisor
    text = f"{value:,.0f} {shown}" if value >= _MANY else f"{value:.3g} {shown}"
    axes.text(0, 0.4, text.strip(), fontsize=18, color="C0", va="center")


def _draw_table(axes: Axes, panel: Mapping[str, Any], drawn: Drawn) -> None:
    axes.set_axis_off()
    axes.set_title(panel["title"], loc="left", fontsize=9)
    [transformation] = panel["transformations"]
    names = list(transformation["options"]["includeByName"])
    rows = [
        [each["metric"].get(name, "") for name in names] for _, found in drawn for each in found
    ]
    shown = [names, *sorted(rows)[:_MOST_ROWS]]
    widths = [max(len(row[column]) for row in shown) + 3 for column in range(len(names))]
    for number, row in enumerate(shown):
        for column, text in enumerate(row):
            place = sum(widths[:column]) / sum(widths), 0.95 - number / (_MOST_ROWS + 1)
            axes.text(*place, text, fontsize=7, weight="normal" if number else "bold", va="top")


def _draw_graph(axes: Axes, panel: Mapping[str, Any], drawn: Drawn) -> None:
    unit = drawn[0][0].unit
    divisor, shown = _FACTORS.get(unit, (1, _UNITS.get(unit, "")))
    title = panel["title"]
    axes.set_title(f"{title}, {shown}" if shown else title, loc="left", fontsize=9)
    lines = [
        (_legend(query.legend, series["metric"]), _points(series))
        for query, result in drawn
        for series in result
    ]
    # The rest would only fill the legend.
    highest = sorted(lines, key=lambda line: max(value for _, value in line[1]), reverse=True)
    for label, points in highest[:_MOST_LINES]:
        minutes = [(time - points[-1][0]) / 60 for time, _ in points]
        axes.plot(minutes, [value / divisor for _, value in points], label=label, lw=1)
    top = max((value for _, line in highest for _, value in line), default=0) / divisor
    axes.set_ylim(0, top * 1.05 or 1)
    axes.locator_params(nbins=5)
    axes.tick_params(labelsize=7, length=0)
    axes.grid(alpha=0.3)
    if any(label for label, _ in lines):
        axes.legend(fontsize=6, loc="best", framealpha=0.7)


_DRAWINGS = {
    "row": _draw_heading,
    "stat": _draw_figure,
    "table": _draw_table,
    "timeseries": _draw_graph,
}


def _points(series: Mapping[str, Any]) -> list[tuple[float, float]]:
    pairs = [(float(time), float(value)) for time, value in series["values"]]
    known = [(time, value) for time, value in pairs if not math.isnan(value)]
    return known or [(pairs[-1][0], 0.0)]


def _legend(text: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), text)


def smaller(svg: str) -> str:
    """The same picture, with numbers to a tenth of a point, and each style once."""
    text = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d)\d+", r"\1", tag[0]), text)
    text = _UNTURNED.sub("", text)
    styles = {style: f"s{n}" for n, style in enumerate(dict.fromkeys(_STYLE.findall(text)))}
    text = _STYLE.sub(lambda found: f' class="{styles[found[1]]}"', text)
    rules = "".join(f".{name}{{{style}}}" for style, name in styles.items())
    text = text.replace("<defs>", f"<defs><style>{rules}</style>", 1)
    lines = "\n".join(line.strip() for line in text.splitlines() if line.strip())
    return _STEP.sub(" ", lines) + "\n"


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
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
        (IMAGES / f"{path.stem}.svg").write_text(smaller(drawn.getvalue()))


if __name__ == "__main__":
    main()
