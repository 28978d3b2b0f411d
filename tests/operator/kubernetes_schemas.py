"""The schemas of Kubernetes's own resources, in the files that kubeconform looks for."""

import json
from pathlib import Path
from typing import Any, cast

LOCATION = "{{ .ResourceKind }}{{ .KindSuffix }}.json"
_DEFINITIONS = "definitions.json"


def write(swagger: Path, folder: Path) -> None:
    """Write one schema for each resource of a description of the API.

    Fields that a resource does not have are refused.
    """
    definitions = json.loads(swagger.read_text())["definitions"]
    text = json.dumps({"definitions": {name: _strict(one) for name, one in definitions.items()}})
    text = text.replace('"#/definitions/', f'"{_DEFINITIONS}#/definitions/')
    (folder / _DEFINITIONS).write_text(text)
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", ()):
            group = kind["group"].partition(".")[0]
            words = [kind["kind"].lower(), *([group] if group else []), kind["version"]]
            schema = {"$ref": f"{_DEFINITIONS}#/definitions/{name}"}
            (folder / f"{'-'.join(words)}.json").write_text(json.dumps(schema))


def _strict(definition: dict[str, Any]) -> dict[str, Any]:
    if definition.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    if "properties" not in definition:
        return definition
    properties = cast("dict[str, dict[str, Any]]", definition["properties"])
    strict = {name: _strict(one) for name, one in properties.items()}
    return {**definition, "properties": strict, "additionalProperties": False}
