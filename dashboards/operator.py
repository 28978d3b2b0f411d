"""The operator itself."""

from dashboards.panels import Figure, Graph, Row, Table, Variable, made, per_second, quantile

# Its own series have the namespace of its pods; those about objects have the objects' namespace.
_HERE = 'namespace="$namespace"'
_OF_PODS = f'{_HERE}, job=~".*operator"'

DASHBOARD = made(
    "operator",
    "Operator",
    "Whether the operator leads, keeps up with changes, and gets on with the API server.",
    [Variable("namespace", "label_values(chekov_operator_leader, namespace)", multiple=False)],
    [
        Row(
            "Now",
            [
                Figure("Leaders", f"sum(chekov_operator_leader{{{_HERE}}})"),
                Figure("Replicas", f"count(chekov_operator_leader{{{_HERE}}})"),
                Figure("Objects", 'count(chekov_operator_condition{type="Ready"})'),
                Figure("Waiting", f"sum(chekov_operator_queue_depth{{{_HERE}}})"),
            ],
            in_line=4,
        ),
        Row(
            "Reconciliations",
            [
                Graph(
                    "Reconciliations",
                    {
                        "{{kind}} {{outcome}}": per_second(
                            "chekov_operator_reconciles_total", _HERE, "kind, outcome"
                        )
                    },
                    "ops",
                ),
                Graph(
                    "Time of a reconciliation, 99 of 100",
                    {
                        "{{kind}}": quantile(
                            0.99, "chekov_operator_reconcile_seconds", _HERE, "kind"
                        )
                    },
                    "s",
                ),
                Graph(
                    "Wait for a reconciliation",
                    {
                        "99 of 100": quantile(0.99, "chekov_operator_queue_wait_seconds", _HERE),
                        "longest now": f"max(chekov_operator_queue_oldest_seconds{{{_HERE}}})",
                    },
                    "s",
                ),
            ],
        ),
        Row(
            "API server",
            [
                Graph(
                    "Requests",
                    {
                        "{{method}} {{code}}": per_second(
                            "chekov_operator_api_calls_total", _HERE, "method, code"
                        )
                    },
                    "reqps",
                    "Code 0 means that there was no answer.",
                ),
                Graph(
                    "Changes seen by watches",
                    {"{{kind}}": per_second("chekov_operator_watch_events_total", _HERE, "kind")},
                    "ops",
                ),
                Graph(
                    "Leader",
                    {"{{pod}}": f"chekov_operator_leader{{{_HERE}}}"},
                    description="1 leads.",
                ),
            ],
        ),
        Row(
            "Pods",
            [
                Graph(
                    "CPU",
                    {"{{pod}}": f"rate(process_cpu_seconds_total{{{_OF_PODS}}}[$__rate_interval])"},
                    description="Cores in use.",
                ),
                Graph(
                    "Memory", {"{{pod}}": f"process_resident_memory_bytes{{{_OF_PODS}}}"}, "bytes"
                ),
                Table(
                    "Conditions",
                    'chekov_operator_condition{status="True", type!="Ready"}',
                    ["kind", "namespace", "name", "type", "reason"],
                ),
            ],
        ),
    ],
)
