"""Messages that tests of the domain share."""

from chekov import Command, Event, Identifier


class Left(Event):
    text: str


class Right(Event, name="right-turn"):
    number: int


class Either(Command[Left | Right]):
    key: Identifier[str]
