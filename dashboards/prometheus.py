"""A client of the HTTP API of Prometheus."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode


class Prometheus:
    """Asks a Prometheus.

    Args:
        fetch_all: Returns the JSON at each of several paths.
    """

    def __init__(self, fetch_all: Callable[[Sequence[str]], Sequence[Any]]) -> None:
        self._fetch_all = fetch_all

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression, as they are now."""
        [found] = self.answers([("query", {"query": expression})])
        return found["result"]

    def number(self, expression: str) -> float | None:
        """The only value of an expression; `None` if it has none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def label_values(self, series: str, label: str) -> Sequence[str]:
        """The values of a label among series, in order."""
        [found] = self.answers([("series", {"match[]": series})])
        return sorted({each[label] for each in found if label in each})

    def alerts(self, *states: str) -> list[dict[str, str]]:
        """The labels of the alerts in these states: pending or firing."""
        [found] = self.answers([("alerts", {})])
        return [each["labels"] for each in found["alerts"] if each["state"] in states]

    def results(
        self, expressions: Sequence[str], instant: Sequence[bool], *, seconds: float, step: float
    ) -> list[list[dict[str, Any]]]:
        """The series of several expressions: as they are now, or over the last seconds."""
        now = self.number("vector(time())") or 0.0
        period = {"start": f"{now - seconds}", "end": f"{now}", "step": f"{step}"}
        requests = [
            ("query", {"query": text}) if single else ("query_range", {"query": text, **period})
            for text, single in zip(expressions, instant, strict=True)
        ]
        return [answer["result"] for answer in self.answers(requests)]

    def answers(self, requests: Sequence[tuple[str, Mapping[str, str]]]) -> list[Any]:
        """The data of each request, given as a path of the API and its parameters.

        Raises:
            LookupError: Prometheus refuses one.
        """
        paths = [f"/api/v1/{path}?{urlencode(parameters)}" for path, parameters in requests]
        found = self._fetch_all(paths)
        for path, each in zip(paths, found, strict=True):
            if each["status"] != "success":
                raise LookupError(f"{path}: {each}")
        return [each["data"] for each in found]
