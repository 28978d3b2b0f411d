"""One bundle: its commands, requests, revisions and pods."""

from dashboards.panels import Graph, Row, Variable, made, per_second, quantile

_HERE = 'namespace="$namespace", bundle="$bundle"'

DASHBOARD = made(
    "bundle",
    "Bundle",
    "The commands, requests, revisions and pods of one bundle.",
    [
        Variable("namespace", "label_values(chekov_commands_in_flight, namespace)", multiple=False),
        Variable(
            "bundle",
            'label_values(chekov_commands_in_flight{namespace="$namespace"}, bundle)',
            multiple=False,
        ),
    ],
    [
        Row(
            "Commands",
            [
                Graph(
                    "Commands by outcome",
                    {"{{outcome}}": per_second("chekov_commands_total", _HERE, "outcome")},
                    "ops",
                ),
                Graph(
                    "Commands by kind",
                    {"{{command}}": per_second("chekov_commands_total", _HERE, "command")},
                    "ops",
                ),
                Graph(
                    "Time of a command",
                    {
                        "half": quantile(0.5, "chekov_command_seconds", _HERE),
                        "99 of 100": quantile(0.99, "chekov_command_seconds", _HERE),
                    },
                    "s",
                ),
                Graph(
                    "Commands in flight",
                    {"{{pod}}": f"chekov_commands_in_flight{{{_HERE}}}"},
                ),
                Graph(
                    "Retries after conflicts",
                    {"{{command}}": per_second("chekov_command_retries_total", _HERE, "command")},
                    "ops",
                ),
                Graph(
                    "Appended events",
                    {"{{pod}}": per_second("chekov_events_appended_total", _HERE, "pod")},
                    "ops",
                ),
            ],
        ),
        Row(
            "Revisions",
            [
                Graph(
                    "Pods by revision",
                    {"{{revision}}": f"count by (revision) (chekov_commands_in_flight{{{_HERE}}})"},
                ),
                Graph(
                    "Failed commands by revision",
                    {
                        "{{revision}}": per_second(
                            "chekov_commands_total",
                            f'outcome=~"failed|timeout", {_HERE}',
                            "revision",
                        )
                    },
                    "ops",
                ),
                Graph(
                    "Time of a command by revision, 99 of 100",
                    {"{{revision}}": quantile(0.99, "chekov_command_seconds", _HERE, "revision")},
                    "s",
                ),
            ],
        ),
        Row(
            "HTTP",
            [
                Graph(
                    "Requests by status",
                    {"{{status}}": per_second("chekov_http_requests_total", _HERE, "status")},
                    "reqps",
                ),
                Graph(
                    "Time of a request by route, 99 of 100",
                    {"{{route}}": quantile(0.99, "chekov_http_request_seconds", _HERE, "route")},
                    "s",
                ),
                Graph(
                    "Requests in flight",
                    {"{{pod}}": f"chekov_http_requests_in_flight{{{_HERE}}}"},
                ),
            ],
        ),
        Row(
            "Pods",
            [
                Graph(
                    "CPU",
                    {"{{pod}}": per_second("process_cpu_seconds_total", _HERE, "pod")},
                    "short",
                    "Cores in use. A pod uses one at most.",
                ),
                Graph(
                    "Memory",
                    {"{{pod}}": f"process_resident_memory_bytes{{{_HERE}}}"},
                    "bytes",
                ),
                Graph("Aggregates in memory", {"{{pod}}": f"chekov_instances{{{_HERE}}}"}),
            ],
        ),
    ],
)
