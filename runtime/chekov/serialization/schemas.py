"""JSON Schemas of the types of messages and states."""

from collections.abc import Iterable
from typing import Any

import msgspec


def schemas(
    types: Iterable[object], ref_template: str = "#/components/schemas/{name}"
) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """JSON Schemas of types: a reference or an inline schema for each, and the components."""
    return msgspec.json.schema_components(tuple(types), ref_template=ref_template)
