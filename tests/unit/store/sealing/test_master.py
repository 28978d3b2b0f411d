"""Master keys as a mounted Secret gives them."""

import base64
import os
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from chekov.errors import KeyUnusable
from chekov.store.sealing.master import MasterKeys

SECRET = bytes(range(32))


def mounted(folder: Path, **keys: bytes) -> Path:
    """A folder as the kubelet makes it: links into a folder that it can exchange at once."""
    generation = folder / f"..{uuid4()}"
    generation.mkdir(parents=True)
    for name, content in keys.items():
        (generation / name).write_bytes(content)
    fresh = folder / "..data_tmp"
    fresh.symlink_to(generation.name)
    fresh.rename(folder / "..data")
    for link in [item for item in folder.iterdir() if not item.name.startswith("..")]:
        link.unlink()
    for name in keys:
        (folder / name).symlink_to(Path("..data") / name)
    return folder


def roundtrip(wrapping: MasterKeys, unwrapping: MasterKeys) -> bytes:
    id_ = uuid4()
    return unwrapping.unwrap(id_, "ada", wrapping.wrap(id_, "ada", SECRET))


def test_without_a_master_key_keys_are_stored_unwrapped() -> None:
    assert MasterKeys().wrap(UUID(int=1), "ada", SECRET) == SECRET
    assert roundtrip(MasterKeys(), MasterKeys()) == SECRET


def test_a_wrapped_key_reveals_nothing_and_can_be_unwrapped(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(base64.b64encode(os.urandom(32)).decode() + "\n")
    master = MasterKeys(file)
    assert SECRET not in master.wrap(UUID(int=1), "ada", SECRET)
    assert roundtrip(master, MasterKeys(file)) == SECRET


def test_keys_from_before_there_was_one_can_still_be_used(tmp_path: Path) -> None:
    assert roundtrip(MasterKeys(), MasterKeys(mounted(tmp_path, a=os.urandom(32)))) == SECRET


def test_the_last_one_wraps_and_all_of_them_unwrap(tmp_path: Path) -> None:
    old, new = os.urandom(32), os.urandom(32)
    before = MasterKeys(mounted(tmp_path / "before", key1=old))
    after = MasterKeys(mounted(tmp_path / "after", key1=old, key2=new))
    assert roundtrip(before, after) == SECRET
    with pytest.raises(KeyUnusable, match="not among those"):
        roundtrip(after, before)


def test_one_that_is_mounted_later_is_found(tmp_path: Path) -> None:
    old, new = os.urandom(32), os.urandom(32)
    folder = mounted(tmp_path, key1=old)
    running = MasterKeys(folder)
    mounted(folder, key1=old, key2=new)
    assert roundtrip(MasterKeys(folder), running) == SECRET


def test_an_unknown_master_key_is_reported(tmp_path: Path) -> None:
    one = MasterKeys(mounted(tmp_path / "one", key=os.urandom(32)))
    two = MasterKeys(mounted(tmp_path / "two", key=os.urandom(32)))
    with pytest.raises(KeyUnusable, match="CHEKOV_MASTER_KEY_FILE"):
        roundtrip(one, two)
    with pytest.raises(KeyUnusable, match="CHEKOV_MASTER_KEY_FILE gives: none"):
        roundtrip(one, MasterKeys())


def test_a_wrapped_key_belongs_to_its_subject(tmp_path: Path) -> None:
    master = MasterKeys(mounted(tmp_path, key=os.urandom(32)))
    id_ = uuid4()
    kept = master.wrap(id_, "ada", SECRET)
    for other_id, subject, other in (
        (uuid4(), "ada", kept),
        (id_, "bob", kept),
        (id_, "ada", kept[:-1] + bytes([kept[-1] ^ 1])),
        (id_, "ada", kept[:-1]),
    ):
        with pytest.raises(KeyUnusable):
            master.unwrap(other_id, subject, other)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 31, b"x" * 33, b"%" * 44])
def test_an_invalid_master_key_is_refused_without_showing_it(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(KeyUnusable, match="openssl rand") as caught:
        MasterKeys(file)
    assert not content or content.decode() not in str(caught.value)


def test_a_missing_file_and_an_empty_folder_are_reported(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="cannot be read: No such file"):
        MasterKeys(tmp_path / "missing")
    with pytest.raises(KeyUnusable, match="holds no master key"):
        MasterKeys(tmp_path)
