"""The bundles that we show are whole, and say the same."""

import importlib.util
from pathlib import Path

import yaml

from chekov.server.bundle_file import read_bundle

BANK = Path(__file__).parents[3] / "examples" / "bank"


def test_the_inline_bundle_holds_the_bank_as_it_is() -> None:
    spec = importlib.util.spec_from_file_location("make_inline", BANK / "make_inline.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (BANK / "bundle-inline.yaml").read_text() == module.text()
    bundle = read_bundle(BANK / "bundle-inline.yaml")
    assert bundle.modules == {"bank.py": (BANK / "bank.py").read_text()}


def test_both_bundles_differ_in_their_code_only() -> None:
    image, inline = (
        list(yaml.safe_load_all((BANK / name).read_text()))
        for name in ("bundle.yaml", "bundle-inline.yaml")
    )
    for documents in (image, inline):
        del documents[1]["spec"]["code"]
    assert image == inline
