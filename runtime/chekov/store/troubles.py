"""What keeps the background tasks of a store from their work now, for probes and people."""

from collections.abc import Sequence


class Troubles:
    """A reason for each part that is in trouble; a part is in one trouble at a time."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    @property
    def sentences(self) -> Sequence[str]:
        """Each part that is in trouble, with the reason."""
        return [f"{part}: {reason}" for part, reason in self._reasons.items()]

    def note(self, part: str, error: BaseException | str) -> None:
        """Note why a part cannot do its work; the text must show no secrets."""
        self._reasons[part] = str(error) or type(error).__name__

    def clear(self, part: str) -> None:
        """Note that a part does its work again."""
        self._reasons.pop(part, None)

    def of(self, part: str) -> str:
        """Why a part cannot do its work; empty if it can."""
        return self._reasons.get(part, "")
