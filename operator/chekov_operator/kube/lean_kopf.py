"""kopf, imported without the `kubernetes` package.

kopf loads that package where it is installed, in case that somebody gives it objects of its
classes. The operator gives it none, and the package takes 19 MiB.
"""

import sys
from typing import Final, cast

__all__ = ["kopf"]

_PACKAGE: Final = "kubernetes"
_modules = cast("dict[str, object]", sys.modules)

if _PACKAGE in _modules:
    import kopf
else:
    # Python raises ImportError for a module that is None here, as for one that is not installed.
    _modules[_PACKAGE] = None
    try:
        import kopf
    finally:
        del _modules[_PACKAGE]
