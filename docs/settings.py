"""Writes docs/reference/settings.md from the settings themselves: `python docs/settings.py`."""

from pathlib import Path

from chekov.server.settings import variables

TARGET = Path(__file__).parent / "reference" / "settings.md"

HEAD = """# Settings of a runtime process

`chekov serve` reads them from the environment; `chekov run` sets them by its options. In a cluster the operator sets
what a DomainBundle says. This page is written by `python docs/settings.py`; `chekov settings` prints the same.

| variable | default | meaning |
|---|---|---|
"""

TAIL = """
The standard `OTEL_*` variables are honoured: `OTEL_EXPORTER_OTLP_ENDPOINT` turns tracing on (OTLP over HTTP),
`OTEL_TRACES_EXPORTER=console` prints a line a span instead, `none` turns tracing off,
`OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` choose what is sampled, `OTEL_SERVICE_NAME` and
`OTEL_RESOURCE_ATTRIBUTES` name the service.
"""


def page() -> str:
    rows = (
        f"| `{item.name}` | {f'`{item.default}`' if item.default else ''} | {item.meaning} |\n"
        for item in variables()
    )
    return HEAD + "".join(rows) + TAIL


if __name__ == "__main__":
    TARGET.write_text(page())
