"""What a dashboard asks Prometheus, with its variables replaced as Grafana does."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LABEL_VALUES = re.compile(r"label_values\((?P<series>.+), (?P<label>\w+)\)")


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel.

    Attributes:
        panel: The panel's title.
        expression: With the variables of the dashboard.
        legend: Of its series, such as `{{bundle}}`.
        unit: Of its values.
        instant: Whether it asks for the present, not for a time.
    """

    panel: str
    expression: str
    legend: str
    unit: str
    instant: bool

    def with_values(self, values: Mapping[str, str]) -> str:
        """The expression with variables replaced."""
        return _replaced(self.expression, values)


def queries(dashboard: Mapping[str, Any]) -> Iterator[Query]:
    """Every query of every panel."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield Query(
                panel=panel["title"],
                expression=target["expr"],
                legend=target.get("legendFormat", ""),
                unit=panel.get("fieldConfig", {}).get("defaults", {}).get("unit", ""),
                instant=target.get("instant", False),
            )


def chosen_values(
    dashboard: Mapping[str, Any],
    label_values: Callable[[str, str], Sequence[str]],
    wanted: Mapping[str, str],
    *,
    rate_interval: str,
) -> dict[str, str]:
    """The value of each variable of a dashboard.

    Args:
        dashboard: As Grafana reads it.
        label_values: Returns the values of a label among series.
        wanted: Values to choose by the name of the variable, where they are among its values.
        rate_interval: The value of `$__rate_interval`.

    Raises:
        LookupError: A variable has no value.
    """
    values = {"__rate_interval": rate_interval}
    for variable in dashboard["templating"]["list"]:
        name = variable["name"]
        if variable["type"] != "query":
            continue
        found = LABEL_VALUES.fullmatch(variable["query"])
        if found is None:
            raise LookupError(f"${name} is not made by label_values: {variable['query']}")
        choice = label_values(_replaced(found["series"], values), found["label"])
        if not choice:
            raise LookupError(f"${name} has no value: {variable['query']} with {values}")
        default = variable.get("allValue") or choice[0]
        values[name] = wanted[name] if wanted.get(name) in choice else default
    return values


def _replaced(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda found: values[found[1]], text)
