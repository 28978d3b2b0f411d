"""Loads the user's domain: imports `module:object`, or explains exactly why it cannot.

Code from an image, a mounted volume or an inline bundle is always a folder on the import path here.
"""

import importlib
import sys
import traceback
from pathlib import Path
from typing import Final

from chekov.domain.domain import Domain
from chekov.errors import (
    DefinitionError,
    EntrypointNotFound,
    ImportFailed,
    InvalidDomain,
    NotADomain,
)
from chekov.serialization.validation import validate
from chekov.server.settings import Settings

_OWN_CODE: Final = str(Path(__file__).parents[1])


def load_domain(entrypoint: str, folder: Path | None = None) -> Domain:
    """Import the domain that `entrypoint` names as `module:object`.

    `folder` becomes the first entry of the import path and stays: handlers may import later.

    Raises:
        BundleError: one of its four kinds.
    """
    module_name, _, attribute = entrypoint.partition(":")
    if folder is not None:
        if not folder.is_dir():
            raise EntrypointNotFound(f"there is no folder {folder} to import {module_name} from")
        first = str(folder.resolve())
        sys.path[:] = [first, *(entry for entry in sys.path if entry != first)]
        importlib.invalidate_caches()
    found = _attribute(_module(module_name), entrypoint, attribute)
    if not isinstance(found, Domain):
        raise NotADomain(
            f"{entrypoint} is {_kind(found)}, but the entrypoint must name a Domain(…)"
        )
    try:
        validate(found)
    except DefinitionError as error:
        raise _invalid(error) from error
    return found


def configured_domain(settings: Settings) -> Domain:
    """Import the domain that the settings name.

    Raises:
        SettingsError: they name none.
        BundleError: one of its four kinds.
    """
    settings.require("domain")
    return load_domain(settings.domain, Path(settings.path or "."))


def _module(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise EntrypointNotFound(
                f"there is no module {error.name!r} on the import path: "
                f"{', '.join(entry for entry in sys.path if entry)}"
            ) from error
        raise ImportFailed(_failure(name, error)) from error
    except DefinitionError as error:
        raise _invalid(error) from error
    except (Exception, SystemExit) as error:
        raise ImportFailed(_failure(name, error)) from error


def _invalid(error: DefinitionError) -> InvalidDomain:
    place = _place(error)
    where = f" ({place})" if place else ""
    return InvalidDomain(f"{error.subject}{where} cannot be used as written", error.faults)


def _attribute(module: object, entrypoint: str, path: str) -> object:
    found = module
    for part in path.split("."):
        if not hasattr(found, part):
            raise EntrypointNotFound(
                f"{entrypoint}: {_kind(found)} has no attribute {part!r}{_hint(module)}"
            )
        found = getattr(found, part)
    return found


def _hint(module: object) -> str:
    domains = [name for name, value in vars(module).items() if isinstance(value, Domain)]
    return f"; it has the domain {' and '.join(domains)}" if domains else ""


def _kind(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__qualname__}"
    name = getattr(value, "__name__", None)
    what = type(value).__name__
    return f"the {what} {name}" if name else f"of type {what}"


def _failure(module: str, error: BaseException) -> str:
    place = _place(error)
    text = f"{error.msg}" if isinstance(error, SyntaxError) else str(error)
    cause = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"importing {module} failed{f' at {place}' if place else ''}: {cause}"


def _place(error: BaseException) -> str:
    """File and line in the user's code where the error arose, or an empty string."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if not frame.filename.startswith(("<", _OWN_CODE)) and "importlib" not in frame.filename:
            return f"{frame.filename}:{frame.lineno}"
    return ""
