"""Reads a `DomainBundle` from its YAML file, to run it locally as a cluster would."""

import json
import re
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import yaml

from chekov.errors import InvalidBundleFile

_GROUP: Final = "chekov.dev/"
_MODULE: Final = re.compile(r"(?:[A-Za-z_][\w-]*/)*[A-Za-z_][\w-]*\.[A-Za-z]+\Z")


@dataclass(frozen=True, slots=True)
class BundleFile:
    """The parts of a bundle that a local run needs."""

    name: str
    entrypoint: str
    folder: Path
    """Where the code is, unless the file contains it."""
    modules: Mapping[str, str] = field(default_factory=dict[str, str])
    """File name → source, for code in the file itself."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @contextmanager
    def code(self) -> Generator[Path]:
        """The folder to import from; code in the file is written to a temporary one."""
        if not self.modules:
            yield self.folder
            return
        with tempfile.TemporaryDirectory(prefix=f"chekov-{self.name}-") as name:
            folder = Path(name)
            for module, source in self.modules.items():
                source_file = folder / module
                source_file.parent.mkdir(parents=True, exist_ok=True)
                source_file.write_text(source, encoding="utf-8")
            yield folder


def read_bundle(path: Path) -> BundleFile:
    """The one `DomainBundle` among the documents of a YAML file.

    Raises:
        InvalidBundleFile: names the field that is missing or wrong.
    """
    documents = _documents(path)
    bundles = [item for item in documents if item.get("kind") == "DomainBundle"]
    if len(bundles) != 1:
        raise InvalidBundleFile(
            f"{path} must contain one DomainBundle, but contains {len(bundles)}"
        )
    bundle = bundles[0]
    if not str(bundle.get("apiVersion")).startswith(_GROUP):
        raise InvalidBundleFile(f"{path}: apiVersion must be chekov.dev/v1alpha1")
    spec = _mapping(bundle, "spec", path)
    entrypoint = spec.get("entrypoint")
    if not isinstance(entrypoint, str) or ":" not in entrypoint:
        raise InvalidBundleFile(f"{path}: spec.entrypoint must be module:object")
    return BundleFile(
        name=str(_mapping(bundle, "metadata", path).get("name", "bundle")),
        entrypoint=entrypoint,
        folder=path.resolve().parent,
        modules=_modules(_mapping(spec, "code", path), documents, path),
        environment=_environment(spec),
    )


def _documents(path: Path) -> list[dict[str, Any]]:
    try:
        loaded = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InvalidBundleFile(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidBundleFile(f"{path} is not valid YAML: {error}") from error
    except RecursionError as error:
        raise InvalidBundleFile(f"{path} is nested too deeply to be a bundle") from error
    return [cast("dict[str, Any]", item) for item in loaded if isinstance(item, dict)]


def _mapping(owner: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    value = owner.get(name)
    if not isinstance(value, dict):
        raise InvalidBundleFile(f"{path}: the DomainBundle needs {name!r}, a mapping")
    return cast("Mapping[str, Any]", value)


def _modules(
    code: Mapping[str, Any], documents: list[dict[str, Any]], path: Path
) -> Mapping[str, str]:
    forms = [name for name in ("image", "artifact", "inline", "configMapRef") if code.get(name)]
    if len(forms) != 1:
        raise InvalidBundleFile(
            f"{path}: spec.code takes exactly one of image, artifact, inline and configMapRef"
        )
    if forms == ["inline"]:
        return _sources(_mapping(code["inline"], "modules", path), path)
    if forms == ["configMapRef"]:
        wanted = _mapping(code, "configMapRef", path).get("name")
        for item in documents:
            if item.get("kind") == "ConfigMap" and item.get("metadata", {}).get("name") == wanted:
                return _sources(_mapping(item, "data", path), path)
        raise InvalidBundleFile(
            f"{path}: to run here, it must also contain the ConfigMap {wanted!r} of spec.code"
        )
    return {}


def _sources(modules: Mapping[str, Any], path: Path) -> Mapping[str, str]:
    for name in modules:
        if not _MODULE.match(name):
            raise InvalidBundleFile(f"{path}: {name!r} cannot be the file name of a module")
    return {name: str(source) for name, source in modules.items()}


def _environment(spec: Mapping[str, Any]) -> Mapping[str, str]:
    items = cast("list[Mapping[str, Any]]", spec.get("env") or [])
    found = {str(item["name"]): str(item["value"]) for item in items if "value" in item}
    if subscriptions := spec.get("subscriptions"):
        found["CHEKOV_SUBSCRIPTIONS"] = json.dumps(subscriptions, default=str)
    return found
