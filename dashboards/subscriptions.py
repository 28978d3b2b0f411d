"""The event handlers, projections and process managers of bundles."""

from dashboards.panels import Graph, Row, Table, Variable, made, per_second, quantile

_HERE = 'namespace=~"$namespace", bundle=~"$bundle", subscription=~"$subscription"'
_BUNDLE = 'namespace=~"$namespace", bundle=~"$bundle"'
_BY = "subscription, partition"
_SERIES = "{{subscription}} {{partition}}"


def _max_of(gauge: str) -> str:
    return f"max by (subscription) ({gauge}{{{_HERE}}})"


DASHBOARD = made(
    "subscriptions",
    "Subscriptions",
    "How far subscriptions are, how fast they move, and what holds them up.",
    [
        Variable("namespace", "label_values(chekov_subscription_position, namespace)"),
        Variable(
            "bundle", 'label_values(chekov_subscription_position{namespace=~"$namespace"}, bundle)'
        ),
        Variable(
            "subscription",
            'label_values(chekov_subscription_position{namespace=~"$namespace", '
            'bundle=~"$bundle"}, subscription)',
        ),
    ],
    [
        Row(
            "Progress",
            [
                Graph(
                    "Oldest unhandled event",
                    {_SERIES: f"max by ({_BY}) (chekov_subscription_lag_seconds{{{_HERE}}})"},
                    "s",
                ),
                Graph(
                    "Unhandled events",
                    {_SERIES: f"max by ({_BY}) (chekov_subscription_lag_events{{{_HERE}}})"},
                ),
                Graph(
                    "Age of events when they are handled, 99 of 100",
                    {
                        "{{subscription}}": quantile(
                            0.99, "chekov_delivery_age_seconds", _HERE, "subscription"
                        )
                    },
                    "s",
                ),
                Graph(
                    "Handled events",
                    {
                        "{{subscription}}": per_second(
                            "chekov_deliveries_total", f'outcome="handled", {_HERE}', "subscription"
                        )
                    },
                    "ops",
                ),
                Graph(
                    "Time of a handler, 99 of 100",
                    {
                        "{{subscription}}": quantile(
                            0.99, "chekov_delivery_seconds", _HERE, "subscription"
                        )
                    },
                    "s",
                    "For one event, or for one batch of a projection.",
                ),
                Graph(
                    "Position",
                    {
                        _SERIES: f"max by ({_BY}) (chekov_subscription_position{{{_HERE}}})",
                        "head": f"max(chekov_subscription_head{{{_HERE}}})",
                    },
                ),
            ],
        ),
        Row(
            "Failures",
            [
                Graph(
                    "Failed attempts",
                    {
                        "{{subscription}} {{outcome}}": per_second(
                            "chekov_deliveries_total",
                            f'outcome!="handled", {_HERE}',
                            "subscription, outcome",
                        )
                    },
                    "ops",
                ),
                Graph(
                    "Parked events",
                    {_SERIES: f"max by ({_BY}) (chekov_parked_events{{{_HERE}}})"},
                ),
                Graph(
                    "Keys that wait for them",
                    {_SERIES: f"max by ({_BY}) (chekov_parked_keys{{{_HERE}}})"},
                ),
            ],
        ),
        Row(
            "Owners",
            [
                Table(
                    "Owners",
                    f"chekov_subscription_owned{{{_HERE}}} == 1",
                    ["bundle", "subscription", "version", "partition", "pod"],
                ),
                Graph(
                    "Changes of the owner",
                    {
                        "{{subscription}}": "sum by (subscription) (increase("
                        f"chekov_subscription_owner_changes_total{{{_HERE}}}[$__rate_interval]))"
                    },
                ),
                Graph(
                    "Read models that are built",
                    {
                        "{{subscription}}": "max by (subscription) "
                        f"(chekov_projection_building_ratio{{{_HERE}}}) or vector(1)"
                    },
                    "percentunit",
                    "100 % if none is.",
                ),
            ],
        ),
        Row(
            "Process managers",
            [
                Graph(
                    "Open instances",
                    {"{{subscription}}": _max_of("chekov_process_instances")},
                ),
                Graph(
                    "Commands in the outbox",
                    {"{{subscription}}": _max_of("chekov_outbox_pending")},
                ),
                Graph(
                    "Oldest command and timer",
                    {
                        "{{subscription}} command": _max_of("chekov_outbox_oldest_seconds"),
                        "{{subscription}} timer": _max_of("chekov_timers_overdue_seconds"),
                    },
                    "s",
                ),
                Graph(
                    "Refused scheduled commands",
                    {
                        "{{domain}}": f"max by (domain) (chekov_scheduled_refused{{{_BUNDLE}}})",
                    },
                ),
                Graph(
                    "Subscriptions that no process has",
                    {
                        "{{domain}}": "max by (domain) "
                        f"(chekov_subscriptions_abandoned{{{_BUNDLE}}})",
                    },
                ),
            ],
        ),
    ],
)
