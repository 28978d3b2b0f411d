"""The dashboards of Grafana, from which `python -m dashboards` generates the JSON in the chart."""
