"""A folder of Python modules as a DomainBundle. Pure, but for reading the folder."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from chekov_operator.api.domain_bundle import MOST_CODE_BYTES, parse_bundle
from chekov_operator.kube.kinds import BUNDLE, CONFIG_MAP
from chekov_operator.kube.objects import Object
from chekov_operator.plugin.failure import PluginError

ANNOTATED_BYTES: Final = 200 * 1024
"""From here on, plain `kubectl apply` fails, which keeps a copy in an annotation."""

_MOST_MODULES: Final = 64
_MODULE: Final = re.compile("[A-Za-z_][A-Za-z0-9_]*[.]py")
_NAME: Final = re.compile("[a-z]([-a-z0-9]{0,45}[a-z0-9])?")


def modules_in(folder: Path) -> Mapping[str, str]:
    """The source of each module of a folder, by its file name.

    Raises:
        PluginError: there are none, or the API would not accept them.
    """
    if not folder.is_dir():
        raise PluginError(f"{folder} is no folder")
    modules = {path.name: _source(path) for path in sorted(folder.glob("*.py"))}
    if not modules:
        raise PluginError(f"the folder {folder} has no *.py files")
    bad = [name for name in modules if _MODULE.fullmatch(name) is None]
    if bad:
        raise PluginError(f"Python cannot import {', '.join(bad)}: use letters, digits and '_'")
    if len(modules) > _MOST_MODULES:
        raise PluginError(f"{len(modules)} modules; a bundle takes {_MOST_MODULES} at most")
    size = size_of(modules)
    if size > MOST_CODE_BYTES:
        raise PluginError(
            f"the modules have {size:,} bytes; a bundle takes {MOST_CODE_BYTES:,} at most: "
            "put the code into an image"
        )
    return modules


def folder_name(folder: Path) -> str:
    """Its own name, also of `.`."""
    return folder.resolve().name


def packages_in(folder: Path) -> list[str]:
    """The packages of a folder, which a bundle cannot take."""
    return sorted(path.parent.name for path in folder.glob("*/__init__.py"))


def size_of(modules: Mapping[str, str]) -> int:
    """Bytes of all modules."""
    return sum(len(source.encode()) for source in modules.values())


def entrypoint_of(modules: Mapping[str, str]) -> str:
    """The only domain that the modules make at their top level.

    Raises:
        PluginError: there is none, or more than one.
    """
    found = [
        f"{file.removesuffix('.py')}:{name}"
        for file, source in modules.items()
        for name in _domains(file, source)
    ]
    if len(found) != 1:
        listed = ", ".join(found) or "none"
        raise PluginError(f"name the domain by --entrypoint; found in the folder: {listed}")
    return found[0]


def packed(
    modules: Mapping[str, str],
    *,
    name: str,
    store: str,
    entrypoint: str,
    replicas: int | None = None,
    config_map: bool = False,
) -> list[Object]:
    """The manifests, the DomainBundle last.

    Raises:
        PluginError: the name cannot be that of a bundle.
        InvalidSpec: the operator would not accept the bundle.
    """
    if _NAME.fullmatch(name) is None:
        raise PluginError(
            f"{name!r} cannot be the name of a bundle: lower-case letters, digits and '-', 47 at "
            "most; give one by --name"
        )
    module = entrypoint.partition(":")[0]
    if f"{module}.py" not in modules:
        raise PluginError(f"the folder has no {module}.py, which the entrypoint {entrypoint} names")
    code: Object = {"inline": {"modules": dict(modules)}}
    before: list[Object] = []
    if config_map:
        code = {"configMapRef": {"name": f"{name}-code"}}
        before = [_object(CONFIG_MAP.api, CONFIG_MAP.name, f"{name}-code", data=dict(modules))]
    spec: Object = {"eventStoreRef": {"name": store}, "code": code, "entrypoint": entrypoint}
    if replicas is not None:
        spec["replicas"] = replicas
    bundle = _object(BUNDLE.api, BUNDLE.name, name, spec=spec)
    parse_bundle({**bundle, "metadata": {"name": name, "namespace": "default", "uid": ""}})
    return [*before, bundle]


def _object(api: str, kind: str, name: str, **content: Any) -> Object:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **content}


def _source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PluginError(f"{path} cannot be read as UTF-8: {error}") from error


def _domains(file: str, source: str) -> Iterator[str]:
    """The names that are a `Domain(…)` at the top level of a module."""
    try:
        tree = ast.parse(source, file)
    except (SyntaxError, ValueError) as error:
        raise PluginError(f"{file} is not Python: {error}") from error
    for statement in tree.body:
        if isinstance(statement, ast.AnnAssign):
            targets, value = [statement.target], statement.value
        elif isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        else:
            continue
        if isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == "Domain":
            yield from (target.id for target in targets if isinstance(target, ast.Name))
