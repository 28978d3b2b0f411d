"""What is sealed can be opened with its key, in its place, unchanged: and not otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chekov.store.sealing.cipher import NONCE_BYTES, Cipher, Tampered, new_secret


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_it_comes_back(plain: bytes, bound_to: bytes) -> None:
    cipher = Cipher(new_secret())
    sealed = cipher.seal(plain, bound_to)
    assert cipher.open(sealed, bound_to) == plain
    assert len(plain) < 8 or plain not in sealed


@given(st.binary(max_size=50), st.data())
def test_any_changed_bit_is_detected(plain: bytes, data: st.DataObject) -> None:
    cipher = Cipher(new_secret())
    sealed = bytearray(cipher.seal(plain, b"here"))
    at = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[at // 8] ^= 1 << at % 8
    with pytest.raises(Tampered):
        cipher.open(bytes(sealed), b"here")


def test_another_key_place_or_length_opens_nothing() -> None:
    cipher = Cipher(new_secret())
    sealed = cipher.seal(b"Ada", b"here")
    for other, text, place in (
        (Cipher(new_secret()), sealed, b"here"),
        (cipher, sealed, b"there"),
        (cipher, sealed[:-1], b"here"),
        (cipher, b"", b"here"),
    ):
        with pytest.raises(Tampered):
            other.open(text, place)


def test_equal_values_do_not_look_equal() -> None:
    cipher = Cipher(new_secret())
    nonces = {cipher.seal(b"Ada", b"here")[:NONCE_BYTES] for _ in range(100)}
    assert len(nonces) == 100


def test_a_key_has_256_bits() -> None:
    for size in (0, 16, 31, 33):
        with pytest.raises(Tampered):
            Cipher(b"x" * size)
