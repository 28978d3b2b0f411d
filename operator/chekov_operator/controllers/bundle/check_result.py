"""The result of a check, as the check prints it and as an annotation stores it."""

import json
from collections.abc import Mapping
from typing import Final, cast

from chekov_operator.kube.kinds import GROUP
from chekov_operator.kube.objects import Object, annotation, with_annotation

_ANNOTATION: Final = f"{GROUP}/result"


def parse_result(output: str | None) -> Object | None:
    """The result in a check's output; `None` if the output is something else."""
    try:
        result = json.loads(output or "")
    except (ValueError, RecursionError):
        return None
    return cast("Object", result) if isinstance(result, dict) and "ok" in result else None


def with_result(body: Object, result: Mapping[str, object]) -> Object:
    """A copy of an object with the result of its revision's check."""
    return with_annotation(
        body, _ANNOTATION, json.dumps(result, sort_keys=True, separators=(",", ":"))
    )


def result_of(body: Object | None) -> Object | None:
    """The result that an object holds, if it holds one."""
    return parse_result(annotation(body, _ANNOTATION))
