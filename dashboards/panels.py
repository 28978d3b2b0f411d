"""The parts that dashboards are made of: graphs, figures, tables, rows and variables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

_TAG = "chekov"
_SOURCE = DataSourceRef(type_val="prometheus", uid="$datasource")
_WIDTH = 24


@dataclass(frozen=True, slots=True)
class Graph:
    """Values over time.

    Attributes:
        title: The heading.
        queries: The expressions by the legend of their series.
        unit: Grafana's name of the unit.
        description: What a reader may have to know.
    """

    title: str
    queries: Mapping[str, str]
    unit: str = "short"
    description: str = ""

    def panel(self) -> timeseries.Panel:
        legend = common.VizLegendOptions()
        legend.display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
        legend.show_legend(True).calcs([])
        panel = timeseries.Panel().title(self.title).description(self.description)
        panel.unit(self.unit).min(0).fill_opacity(8).legend(legend).datasource(_SOURCE).height(8)
        for number, (text, expression) in enumerate(self.queries.items()):
            query = prometheus.Dataquery().expr(expression).legend_format(text).range()
            panel.with_target(query.ref_id(chr(ord("A") + number)))
        return panel


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    Attributes:
        title: The heading.
        query: The expression.
        unit: Grafana's name of the unit.
    """

    title: str
    query: str
    unit: str = "short"

    def panel(self) -> stat.Panel:
        query = prometheus.Dataquery().expr(self.query).instant().ref_id("A")
        panel = stat.Panel().title(self.title).unit(self.unit).with_target(query)
        return panel.datasource(_SOURCE).height(4)


@dataclass(frozen=True, slots=True)
class Table:
    """The labels of series, one row for each.

    Attributes:
        title: The heading.
        query: The expression.
        columns: The labels to show, in this order.
    """

    title: str
    query: str
    columns: Sequence[str]

    def panel(self) -> table.Panel:
        query = prometheus.Dataquery().expr(self.query).instant().ref_id("A")
        panel = table.Panel().title(self.title).datasource(_SOURCE).height(8)
        panel.with_target(query.format(PromQueryFormat.TABLE))
        shown = {name: number for number, name in enumerate(self.columns)}
        options = {"includeByName": dict.fromkeys(self.columns, True), "indexByName": shown}
        return panel.with_transformation(DataTransformerConfig("organize", options=options))


@dataclass(frozen=True, slots=True)
class Row:
    """Panels beside each other, under a heading."""

    title: str
    panels: Sequence[Graph | Figure | Table]
    in_line: int = 3

    def add_to(self, made: dashboard.Dashboard) -> None:
        """Append this row."""
        made.with_row(dashboard.Row(self.title))
        for each in self.panels:
            made.with_panel(each.panel().span(_WIDTH // self.in_line))


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of a dashboard.

    Attributes:
        name: As queries use it.
        query: As `label_values` takes it: the values are those of a label.
        multiple: Whether several values, and all of them, may be chosen.
    """

    name: str
    query: str
    multiple: bool = True

    def built(self) -> dashboard.QueryVariable:
        made = dashboard.QueryVariable(self.name).label(self.name.capitalize()).datasource(_SOURCE)
        made.query(self.query).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        made.sort(VariableSort.ALPHABETICAL_ASC)
        if self.multiple:
            made.multi(True).include_all(True).all_value(".*")
            made.current(VariableOption(text="All", value="$__all"))
        return made


def made(
    name: str, title: str, description: str, variables: Sequence[Variable], rows: Sequence[Row]
) -> dashboard.Dashboard:
    """A dashboard with a choice of the data source, and links to all others."""
    link = dashboard.DashboardLink("Chekov").type(DashboardLinkType.DASHBOARDS).tags([_TAG])
    found = dashboard.Dashboard(f"Chekov / {title}").uid(f"chekov-{name}").tags([_TAG])
    found.description(description).refresh("30s").time("now-1h", "now").timezone("browser")
    found.tooltip(DashboardCursorSync.CROSSHAIR).readonly()
    found.link(link.as_dropdown(True).include_vars(True).keep_time(True))
    found.with_variable(
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    )
    for variable in variables:
        found.with_variable(variable.built())
    for row in rows:
        row.add_to(found)
    return found


def quantile(quantile: float, histogram: str, labels: str, by: str = "") -> str:
    """A quantile of a histogram over the interval of a graph, for each value of labels."""
    grouped = f"le, {by}" if by else "le"
    buckets = f"rate({histogram}_bucket{{{labels}}}[$__rate_interval])"
    return f"histogram_quantile({quantile}, sum by ({grouped}) ({buckets}))"


def per_second(counter: str, labels: str, by: str = "") -> str:
    """The rate of a counter over the interval of a graph, for each value of labels."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({counter}{{{labels}}}[$__rate_interval]))"
