"""Which method of a projection answers a query, and whether it takes the arguments."""

from collections.abc import Iterable, Mapping

from chekov.domain.definitions import definition_of
from chekov.domain.handler import Projection
from chekov.domain.methods import Method
from chekov.errors import InvalidArgument, UnknownQuery


def find_query(
    projections: Iterable[Projection], projection: str, query: str
) -> tuple[Projection, Method]:
    """The projection and its method for a query.

    Raises:
        UnknownQuery: there is no such projection, or it has no such query.
    """
    known: list[str] = []
    for item in projections:
        definition = definition_of(item)
        method = definition.queries.get(query)
        if definition.name == projection and method is not None:
            return item, method
        known += [f"{definition.name}/{name}" for name in definition.queries]
    raise UnknownQuery(f"{projection}/{query}", sorted(known))


def check_arguments(query: str, method: Method, arguments: Mapping[str, object]) -> None:
    """Accept arguments that have the names of the query's parameters; nothing required is missing.

    Raises:
        InvalidArgument: names those that are unknown or missing.
    """
    names = {item.name: item.required for item in method.parameters[1:]}
    faults = [f"it has no parameter {name!r}" for name in arguments if name not in names]
    faults += [
        f"{name!r} is missing"
        for name, required in names.items()
        if required and name not in arguments
    ]
    if faults:
        raise InvalidArgument(f"the query {query} cannot be asked: {'; '.join(faults)}")
