"""Services: what handlers work with besides events, opened and closed by the domain's lifespan.

A handler is given to the domain as an object, or as a class: then each runtime makes an object of
it, and its `__init__` is given the services.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import (
    Any,
    Final,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    cast,
    get_args,
    get_type_hints,
)

H = TypeVar("H")

Lifespan: TypeAlias = Callable[[], AbstractAsyncContextManager[Any]]
"""Called without arguments when a runtime is entered; what it yields are the services."""

_SERVICES: Final = "services"
_VARIABLE: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def objects_of(
    items: Iterable[H | type[H]], base: type[H], made: list[H], faults: list[str]
) -> tuple[H, ...]:
    """The handlers as objects; those of classes are added to `made`, not initialized yet."""
    return tuple(_objects(items, base, made, faults))


def _objects(
    items: Iterable[H | type[H]], base: type[H], made: list[H], faults: list[str]
) -> Iterator[H]:
    for item in items:
        if not isinstance(item, type) or not issubclass(item, base):
            yield cast("H", item)
        elif item.__new__ is not object.__new__ or inspect.isabstract(item):
            faults.append(
                f"{item.__qualname__} is abstract or has a `__new__` of its own: give the domain "
                "an object of it instead of the class"
            )
        else:
            made.append(uninitialized(item))
            yield made[-1]


def uninitialized(kind: type[H]) -> H:
    """An object whose `__init__` is yet to be called, by `initialize`."""
    return cast("Any", kind).__new__(kind)


def initialize(handler: object, *services: object) -> None:
    """Call the `__init__` of an object, with the services if there are any and it takes them.

    Raises:
        BaseException: what it raises.
    """
    kind = type(handler)
    parameter = _services_parameter(kind)
    init: Callable[..., None] = kind.__init__
    if not services or parameter is None:
        init(handler)
    elif parameter.kind is parameter.POSITIONAL_ONLY:
        init(handler, *services)
    else:
        init(handler, **{parameter.name: services[0]})


def check_lifespan(lifespan: object, made: Iterable[object], faults: list[str]) -> None:
    """Refuse a lifespan of another form, and handler classes that it does not suit."""
    if lifespan is not None and (fault := _lifespan_fault(lifespan)):
        faults.append(f"lifespan: {fault}")
        return
    yielded = None if lifespan is None else _yielded(lifespan)
    for kind in map(type, made):
        faults += [f"{kind.__qualname__}.__init__ {fault}" for fault in _unsuited(kind, yielded)]
        if lifespan is None and len(_required(kind)) == 1:
            faults.append(
                f"{kind.__qualname__}.__init__ takes services, and the domain has none: give it "
                "lifespan=, or an object instead of the class"
            )


def _lifespan_fault(lifespan: object) -> str:
    expected = (
        "expected a function without parameters that returns an async context manager, such as an "
        "async generator function marked @asynccontextmanager"
    )
    if inspect.isasyncgenfunction(lifespan):
        return f"{lifespan.__qualname__} is not marked @asynccontextmanager: {expected}"
    if inspect.iscoroutinefunction(lifespan) or not callable(lifespan):
        return f"{lifespan!r:.80}: {expected}"
    if required := _required(lifespan):
        return f"{lifespan!r:.80} takes {', '.join(item.name for item in required)}: {expected}"
    return ""


def _unsuited(kind: type, yielded: type | None) -> Iterator[str]:
    required = _required(kind)
    if len(required) > 1:
        names = ", ".join(item.name for item in required)
        yield (
            f"takes {names}: a handler that is given as a class takes the services alone; give the "
            "domain an object instead"
        )
        return
    parameter = _services_parameter(kind)
    wanted = None if parameter is None else _class(_hints(kind.__init__).get(parameter.name))
    if yielded is not None and wanted is not None and not issubclass(yielded, wanted):
        yield f"takes {wanted.__qualname__}, but the lifespan yields {yielded.__qualname__}"


def _required(item: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that must be given."""
    return [
        parameter
        for parameter in inspect.signature(item).parameters.values()
        if parameter.default is parameter.empty and parameter.kind not in _VARIABLE
    ]


def _services_parameter(kind: type) -> inspect.Parameter | None:
    """The parameter of `__init__` for the services: the one that is required, or so called."""
    required = _required(kind)
    return required[0] if required else inspect.signature(kind).parameters.get(_SERVICES)


def _yielded(lifespan: object) -> type | None:
    """The type of the services, if annotations say it."""
    if isinstance(lifespan, type):
        found = _hints(getattr(lifespan, "__aenter__", None)).get("return")
        found = lifespan if found is Self else found
    else:
        found = next(iter(get_args(_hints(lifespan).get("return"))), None)
    return _class(found)


def _class(annotation: object) -> type | None:
    """The class that an annotation is, if an object of another class does not suit it."""
    if not isinstance(annotation, type) or annotation is Any or Protocol in annotation.__bases__:
        return None
    return annotation


def _hints(item: object) -> dict[str, Any]:
    try:
        return get_type_hints(item)
    except (NameError, TypeError):
        return {}
