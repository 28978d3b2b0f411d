"""All bundles and stores at a glance."""

from dashboards.panels import Figure, Graph, Row, Table, Variable, made, per_second, quantile

_HERE = 'namespace=~"$namespace"'
_BUNDLES = f'chekov_operator_condition{{kind="DomainBundle", type="Ready", {_HERE}'
_STORES = f'chekov_operator_condition{{kind="EventStore", type="Ready", {_HERE}'
_BUNDLE = "{{namespace}}/{{bundle}}"

DASHBOARD = made(
    "overview",
    "Overview",
    "Which bundles run, whether they serve, and how much they do.",
    [Variable("namespace", "label_values(chekov_operator_condition, namespace)")],
    [
        Row(
            "Now",
            [
                Figure("Bundles", f"count({_BUNDLES}}})"),
                Figure("Bundles not ready", f'count({_BUNDLES}, status!="True"}}) or vector(0)'),
                Figure("Stores not ready", f'count({_STORES}, status!="True"}}) or vector(0)'),
                Figure(
                    "Stopped subscriptions",
                    "count(max by (namespace, bundle, subscription, version, partition) "
                    f'(chekov_subscription_state{{state="stopped", {_HERE}}}) > 0) or vector(0)',
                ),
                Figure(
                    "Parked events",
                    "sum(max by (namespace, bundle, subscription, version, partition) "
                    f"(chekov_parked_events{{{_HERE}}}))",
                ),
                Figure(
                    "Alerts",
                    'count(ALERTS{alertname=~"Chekov.+", alertstate="firing"}) or vector(0)',
                ),
            ],
            in_line=6,
        ),
        Row(
            "Commands",
            [
                Graph(
                    "Commands",
                    {_BUNDLE: per_second("chekov_commands_total", _HERE, "namespace, bundle")},
                    "ops",
                ),
                Graph(
                    "Failed commands",
                    {
                        _BUNDLE: per_second(
                            "chekov_commands_total",
                            f'outcome=~"failed|timeout", {_HERE}',
                            "namespace, bundle",
                        )
                    },
                    "ops",
                    "What the domain rejects does not count.",
                ),
                Graph(
                    "Time of a command, 99 of 100",
                    {_BUNDLE: quantile(0.99, "chekov_command_seconds", _HERE, "namespace, bundle")},
                    "s",
                ),
            ],
        ),
        Row(
            "Subscriptions",
            [
                Graph(
                    "Oldest unhandled event",
                    {
                        _BUNDLE: "max by (namespace, bundle) "
                        f"(chekov_subscription_lag_seconds{{{_HERE}}})"
                    },
                    "s",
                ),
                Graph(
                    "Handled events",
                    {
                        _BUNDLE: per_second(
                            "chekov_deliveries_total",
                            f'outcome="handled", {_HERE}',
                            "namespace, bundle",
                        )
                    },
                    "ops",
                ),
                Graph(
                    "CPU",
                    {
                        _BUNDLE: per_second(
                            "process_cpu_seconds_total",
                            f'bundle!="", {_HERE}',
                            "namespace, bundle",
                        )
                    },
                    "short",
                    "Cores in use. A pod uses one at most.",
                ),
            ],
        ),
        Row(
            "Objects",
            [
                Table(
                    "Conditions",
                    f'chekov_operator_condition{{type="Ready", {_HERE}}}',
                    ["kind", "namespace", "name", "status", "reason"],
                )
            ],
            in_line=1,
        ),
    ],
)
