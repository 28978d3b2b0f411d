"""The dashboards as Grafana reads them."""

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import bundle, operator, overview, store, subscriptions

TARGET = Path(__file__).parents[1] / "charts" / "chekov" / "dashboards"


def texts() -> dict[str, str]:
    """The JSON of each dashboard, by file name."""
    modules = (overview, bundle, subscriptions, store, operator)
    return {
        f"{module.__name__.rpartition('.')[2]}.json": _text(module.DASHBOARD.build())
        for module in modules
    }


def _text(built: object) -> str:
    return json.dumps(built, cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"
