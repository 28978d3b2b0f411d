"""The definitions of a domain's handlers, with the settings of an installation."""

from collections.abc import Mapping

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.handler_definition import (
    HandlerDefinition,
    HandlerSettings,
    keyword_faults,
)
from chekov.errors import DefinitionError, UnknownSubscription


def handler_definitions(
    domain: Domain, settings: Mapping[str, HandlerSettings]
) -> Mapping[str, HandlerDefinition]:
    """The definition of each handler by its name, with the settings for this name.

    Raises:
        UnknownSubscription: the domain has no handler of a name in `settings`.
        DefinitionError: a handler cannot have a value that is set.
    """
    kinds = {definition_of(item).name: type(item) for item in domain.handlers}
    for name in settings:
        if name not in kinds:
            raise UnknownSubscription(name, sorted(kinds))
    found = {name: definition_of(kind) for name, kind in kinds.items()}
    faults: list[str] = []
    for name, given in settings.items():
        found[name] = given.over(found[name])
        most = kinds[name].__most_partitions__
        faults += keyword_faults(f"settings of {name}", found[name], most_partitions=most)
    if faults:
        raise DefinitionError(f"domain {domain.name!r}", faults)
    return found
