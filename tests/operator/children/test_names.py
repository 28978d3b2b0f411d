"""Names of children fit, and stay distinct."""

import pytest

from chekov_operator.children import names

LONG = "a-bundle-with-a-name-of-forty-seven-characters1"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (names.revision("bank", "0123456789"), "bank-0123456789"),
        (names.check("bank", "0123456789"), "bank-check-0123456789"),
        (names.management("bank"), "bank-management"),
        (names.migration("main", 3), "main-migrate-3"),
    ],
)
def test_a_short_name_is_what_one_expects(name: str, expected: str) -> None:
    assert name == expected


def test_the_longest_bundle_has_names_that_fit_into_a_label() -> None:
    for name in (
        names.revision(LONG, "0123456789"),
        names.check(LONG, "0123456789"),
        names.management(LONG),
    ):
        assert len(name) <= 63
        assert name.startswith("a-bundle-with-a-name")


def test_the_longest_store_has_a_migration_with_its_full_name() -> None:
    store = "s" * 52
    assert names.migration(store, 99) == f"{store}-migrate-99"
    assert len(names.migration(store, 99)) == 63


def test_shortened_names_stay_distinct() -> None:
    one, other = (names.check(f"{'x' * 60}{end}", "0123456789") for end in "ab")
    assert one != other
    assert len(one) <= 63
    assert one.endswith("-check-0123456789")


def test_a_name_is_never_cut_to_end_in_punctuation() -> None:
    name = names.check("a" * 36 + "-." + "b" * 20, "0123456789")
    assert "-." not in name
    assert "--" not in name
