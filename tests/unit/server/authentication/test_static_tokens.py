"""Tokens in files: whose they are, their rotation, and what is no token."""

from pathlib import Path

import pytest

from chekov.server.authentication.static_tokens import StaticTokens, UnusableTokens

ADA, NEW, BOB = "ada-0123456789abcdef", "new-0123456789abcdef", "bob-0123456789abcdef"


def subject(tokens: StaticTokens, token: str) -> str | None:
    found = tokens.principal(token)
    return found and found.subject


def test_a_file_is_named_as_the_subject_of_its_tokens(tmp_path: Path) -> None:
    (tmp_path / "ada").write_text(f"{ADA}\n\n  {NEW}  \n")
    (tmp_path / "bob").write_text(BOB)
    tokens = StaticTokens(tmp_path)
    assert [subject(tokens, item) for item in (ADA, NEW, BOB)] == ["ada", "ada", "bob"]
    for wrong in ("", "ada", ADA[:-1], ADA + "0", ADA.upper(), ADA.replace("a", "\udcff")):
        assert tokens.principal(wrong) is None


def test_a_single_file_does_as_well(tmp_path: Path) -> None:
    (tmp_path / "ada").write_text(ADA)
    assert subject(StaticTokens(tmp_path / "ada"), ADA) == "ada"


def test_the_tokens_of_a_mounted_secret_are_rotated(tmp_path: Path) -> None:
    for version, token in (("..1", ADA), ("..2", NEW)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "ada").write_text(token)
    link = tmp_path / "..data"
    link.symlink_to("..1")
    (tmp_path / "ada").symlink_to("..data/ada")
    tokens = StaticTokens(tmp_path)
    assert subject(tokens, ADA) == "ada"
    assert tokens.principal(NEW) is None
    turned = tmp_path / "..turned"
    turned.symlink_to("..2")
    turned.rename(link)
    tokens.reload()
    assert tokens.principal(ADA) is None
    assert subject(tokens, NEW) == "ada"


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({}, "there is no token"),
        ({"ada": "\n"}, "there is no token"),
        ({"ada": "short"}, "ada: line 1 is not a token: expected 16 or more"),
        ({"ada": f"{ADA}\nwith a space 0123456789"}, "ada: line 2 is not a token"),
        ({"ada": "é" * 20}, "not a token"),
        ({"ada": ADA, "bob": ADA}, "bob: line 1 is also a token of 'ada'"),
    ],
    ids=str,
)
def test_unusable_files_keep_the_process_from_starting(
    files: dict[str, str], fault: str, tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(UnusableTokens, match=fault) as raised:
        StaticTokens(tmp_path)
    assert ADA not in str(raised.value)


def test_a_path_without_anything_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(UnusableTokens, match="there is no token"):
        StaticTokens(tmp_path / "missing")
    (tmp_path / "binary").write_bytes(b"\xff" * 20)
    with pytest.raises(UnusableTokens, match="line 1 is not a token"):
        StaticTokens(tmp_path / "binary")


def test_a_revoked_token_is_refused_even_if_another_one_is_unusable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "ada"
    file.write_text(ADA)
    tokens = StaticTokens(tmp_path)
    file.write_text(f"short\n{NEW}")
    tokens.reload()
    assert tokens.principal(ADA) is None
    assert subject(tokens, NEW) == "ada"
    assert "line 1 is not a token" in caplog.text
    file.write_bytes(b"\xff" * 20)
    tokens.reload()
    assert tokens.principal(NEW) is None
    file.write_text(NEW)
    tokens.reload()
    assert subject(tokens, NEW) == "ada"
    file.unlink()
    tokens.reload()
    assert tokens.principal(NEW) is None
