from pathlib import Path

import pytest

from chekov.server.memory_limit import memory_limit


@pytest.mark.parametrize(
    ("file", "content", "found"),
    [
        ("memory.max", "536870912\n", 2**29),
        ("memory.max", "max\n", None),
        ("memory/memory.limit_in_bytes", "536870912\n", 2**29),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", None),
    ],
)
def test_it_is_read_from_either_version(
    tmp_path: Path, file: str, content: str, found: int | None
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(content)
    assert memory_limit(tmp_path) == found


def test_without_control_groups_there_is_none(tmp_path: Path) -> None:
    assert memory_limit(tmp_path) is None
