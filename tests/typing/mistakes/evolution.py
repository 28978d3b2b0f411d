from collections.abc import Iterable
from typing import Any

from chekov import Domain, Event, Origin, upcast


class Opened(Event, name="opened", aliases=("begun",), revision=2):
    owner: str


class Listed(Event, aliases="opened"):  # mistake: aliases are a tuple
    pass


class Numbered(Event, revision="2"):  # mistake: a revision is a number
    pass


@upcast("opened", to=Opened)
def sound(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    origin.stream = "elsewhere"  # mistake: facts cannot be changed
    return data


@upcast("opened", to=Opened)  # mistake: with one target it answers the content
def pairs(data: dict[str, Any], origin: Origin) -> Iterable[tuple[str, dict[str, Any]]]:
    yield "opened@2", data


@upcast("opened", to=(Opened,))  # mistake: with several it answers pairs
def content(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return data


@upcast("opened", to=Opened)  # mistake: it is given the facts too
def alone(data: dict[str, Any]) -> dict[str, Any]:
    return data


@upcast("opened", to=Opened)  # mistake: it is pure
async def later(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return data


@upcast("opened")  # mistake: it leads somewhere
def nowhere(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return data


def undecorated(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return data


class Mute:
    name = "mute"


Domain("bank", upcasters=[undecorated])  # mistake: no upcaster
Domain("bank", serializer=Mute())  # mistake: no serializer
