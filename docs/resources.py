"""Writes docs/reference/resources.md from the definitions in crds/: `python docs/resources.py`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
TARGET = HERE / "reference" / "resources.md"
TEXT = HERE / "resources.txt"
CRDS = HERE.parent / "crds"

# Conditions are the same in every resource, so the text describes them once.
DESCRIBED_ONCE = ".status.conditions[]"
# A field that takes whatever Kubernetes takes there; only names are restricted within it.
OPEN = "x-kubernetes-preserve-unknown-fields"


def page() -> str:
    text = TEXT.read_text()
    for source in sorted(CRDS.glob("*.yaml")):
        definition = yaml.safe_load(source.read_text())["spec"]
        version = definition["versions"][0]
        schema = version["schema"]["openAPIV3Schema"]["properties"]
        name = definition["names"]["kind"]
        columns = version["additionalPrinterColumns"]
        text = text.replace(f"@{name} spec@\n", _table(schema["spec"], "spec"))
        text = text.replace(f"@{name} status@\n", _table(schema["status"], "status"))
        text = text.replace(f"@{name} columns@\n", _columns(columns))
    return text


def _table(node: dict[str, Any], name: str) -> str:
    head = "| field | type | meaning |\n|---|---|---|\n"
    return head + "".join(_rows(node, name, required=False))


def _rows(node: dict[str, Any], path: str, *, required: bool) -> Iterable[str]:
    if f".{path}".startswith(DESCRIBED_ONCE):
        return
    meaning = " ".join(node.get("description", "").split())
    yield f"| `{path}` | {_type(node, required=required)} | {meaning} |\n"
    if node.get(OPEN):
        return
    for name, child in node.get("properties", {}).items():
        yield from _rows(child, f"{path}.{name}", required=name in node.get("required", ()))
    items = node.get("items", {})
    if items.get("properties"):
        for name, child in items["properties"].items():
            needed = name in items.get("required", ())
            yield from _rows(child, f"{path}[].{name}", required=needed)


def _type(node: dict[str, Any], *, required: bool) -> str:
    shown = node.get("type", "quantity")
    if shown == "array":
        shown = f"list of {node['items'].get('type', 'object')}s"
    if "additionalProperties" in node:
        shown = f"map of {node['additionalProperties'].get('type', 'quantitie')}s"
    if "enum" in node:
        shown = " or ".join(f"`{choice}`" for choice in node["enum"])
    if "minimum" in node and "maximum" in node:
        shown += f", {node['minimum']} to {node['maximum']}"
    if node.get("default") not in (None, {}, []):
        shown += f", default `{str(node['default']).lower() if node['default'] is True else node['default']}`"
    return shown + (", **required**" if required else "")


def _columns(columns: list[dict[str, Any]]) -> str:
    usual = [column["name"] for column in columns if not column.get("priority")]
    wide = [column["name"] for column in columns if column.get("priority")]
    return f"`kubectl get` shows {_listed(usual)}; `-o wide` adds {_listed(wide)}.\n"


def _listed(names: list[str]) -> str:
    return ", ".join(f"*{name}*" for name in names)


if __name__ == "__main__":
    TARGET.write_text(page())
