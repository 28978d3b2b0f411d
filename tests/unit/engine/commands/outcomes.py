"""An observer of how commands end."""

from chekov.engine.observer import CommandObservation, Observer, Outcome


class Outcomes(Observer):
    """Remembers how commands ended, and with how many events."""

    def __init__(self) -> None:
        self.all: list[tuple[Outcome, int]] = []

    def command(self, command: str, stream: str) -> CommandObservation:
        del command, stream
        return self

    def finish(self, outcome: Outcome, *, events: int, retries: int) -> None:
        del retries
        self.all.append((outcome, events))
