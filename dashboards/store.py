"""One event store: its size, its server, and how its bundles write and read."""

from dashboards.panels import Figure, Graph, Row, Variable, made, per_second, quantile

_STORE = 'namespace="$namespace", name="$store"'
_HERE = 'namespace="$namespace"'
_OF_ALL = "Of all bundles of the namespace."

DASHBOARD = made(
    "store",
    "Store",
    "The size and the server of an event store, and how the bundles of its namespace use it.",
    [
        Variable(
            "namespace", "label_values(chekov_operator_store_position, namespace)", multiple=False
        ),
        Variable(
            "store",
            'label_values(chekov_operator_store_position{namespace="$namespace"}, name)',
            multiple=False,
        ),
    ],
    [
        Row(
            "Size",
            [
                Figure("Events", f"chekov_operator_store_position{{{_STORE}}}"),
                Figure("Streams", f"chekov_operator_store_streams{{{_STORE}}}"),
                Figure("Size", f"chekov_operator_store_bytes{{{_STORE}}}", "bytes"),
                Figure(
                    "Connections in use",
                    f"chekov_operator_store_connections{{{_STORE}}}"
                    f" / chekov_operator_store_connection_limit{{{_STORE}}}",
                    "percentunit",
                ),
            ],
            in_line=4,
        ),
        Row(
            "Growth",
            [
                Graph("Events", {"events": f"chekov_operator_store_position{{{_STORE}}}"}),
                Graph("Size", {"bytes": f"chekov_operator_store_bytes{{{_STORE}}}"}, "bytes"),
                Graph(
                    "Connections",
                    {
                        "in use": f"chekov_operator_store_connections{{{_STORE}}}",
                        "limit": f"chekov_operator_store_connection_limit{{{_STORE}}}",
                    },
                ),
            ],
        ),
        Row(
            "Writing",
            [
                Graph(
                    "Appended events",
                    {"{{bundle}}": per_second("chekov_events_appended_total", _HERE, "bundle")},
                    "ops",
                    _OF_ALL,
                ),
                Graph(
                    "Time of a commit",
                    {
                        "half": quantile(0.5, "chekov_append_batch_seconds", _HERE),
                        "99 of 100": quantile(0.99, "chekov_append_batch_seconds", _HERE),
                    },
                    "s",
                    _OF_ALL,
                ),
                Graph(
                    "Events in a commit",
                    {
                        "on average": per_second("chekov_append_batch_events_sum", _HERE)
                        + " / "
                        + per_second("chekov_append_batch_events_count", _HERE)
                    },
                    description=_OF_ALL,
                ),
            ],
        ),
        Row(
            "Reading",
            [
                Graph(
                    "Time to read an aggregate, 99 of 100",
                    {
                        "{{aggregate}}": quantile(
                            0.99, "chekov_aggregate_load_seconds", _HERE, "aggregate"
                        )
                    },
                    "s",
                    _OF_ALL,
                ),
                Graph(
                    "Events read for aggregates",
                    {
                        "{{aggregate}}": per_second(
                            "chekov_aggregate_load_events_total", _HERE, "aggregate"
                        )
                    },
                    "ops",
                    _OF_ALL,
                ),
                Graph(
                    "Missing events and broken conditions",
                    {
                        "missing events": f"sum(chekov_events_missing_total{{{_HERE}}})",
                        "broken conditions": f"sum(chekov_condition_violations_total{{{_HERE}}})",
                    },
                    description="Anything above 0 is a fault of the database or of the store.",
                ),
            ],
        ),
    ],
)
