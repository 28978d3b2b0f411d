"""A DomainBundle's YAML runs on a laptop as it does on a cluster."""

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from chekov import HandlerSettings
from chekov.errors import InvalidBundleFile
from chekov.server.bundle_file import read_bundle
from chekov.server.settings import Settings

BANK = Path(__file__).parents[3] / "examples" / "bank"

STORE = "apiVersion: chekov.dev/v1alpha1\nkind: EventStore\nmetadata: {name: main}\nspec: {}\n---\n"
BUNDLE = """\
apiVersion: chekov.dev/v1alpha1
kind: DomainBundle
metadata: {name: shop}
spec:
  eventStoreRef: {name: main}
  entrypoint: shop:domain
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "bundle.yaml"
    path.write_text(text)
    return path


def test_the_code_of_an_image_is_taken_from_the_files_own_folder(tmp_path: Path) -> None:
    bundle = read_bundle(write(tmp_path, STORE + BUNDLE + "  code: {image: shop:1}\n"))
    assert (bundle.name, bundle.entrypoint) == ("shop", "shop:domain")
    with bundle.code() as folder:
        assert folder == tmp_path


def test_inline_modules_are_written_down_for_as_long_as_they_run(tmp_path: Path) -> None:
    code = "  code:\n    inline:\n      modules:\n        shop.py: |\n          x = 1\n"
    bundle = read_bundle(write(tmp_path, BUNDLE + code))
    with bundle.code() as folder:
        assert (folder / "shop.py").read_text() == "x = 1\n"
    assert not folder.exists()


def test_modules_come_from_a_config_map_in_the_same_file(tmp_path: Path) -> None:
    config_map = "---\nkind: ConfigMap\nmetadata: {name: code}\ndata: {shop.py: 'x = 2'}\n"
    code = "  code: {configMapRef: {name: code}}\n"
    bundle = read_bundle(write(tmp_path, BUNDLE + code + config_map))
    assert bundle.modules == {"shop.py": "x = 2"}


def test_plain_environment_variables_are_taken_along(tmp_path: Path) -> None:
    more = "  code: {image: shop:1}\n  env: [{name: MODE, value: fast}, {name: S, valueFrom: {}}]\n"
    assert read_bundle(write(tmp_path, BUNDLE + more)).environment == {"MODE": "fast"}


def test_settings_of_handlers_are_taken_along(tmp_path: Path) -> None:
    more = (
        "  code: {image: shop:1}\n  subscriptions:\n"
        "    - {name: mailer, partitions: 4, startFrom: 2026-01-31T08:00:00Z}\n"
    )
    read = read_bundle(write(tmp_path, BUNDLE + more)).environment
    start = datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert Settings.read(read).subscriptions == {
        "mailer": HandlerSettings(partitions=4, start_from=start)
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STORE, "must contain one DomainBundle, but contains 0"),
        (f"{BUNDLE}---\n{BUNDLE}", "but contains 2"),
        ("a: [", "is not valid YAML"),
        ("a: " + "[" * 5_000, "is nested too deeply"),
        (BUNDLE.replace("chekov.dev/v1alpha1", "apps/v1"), "apiVersion must be"),
        (BUNDLE.replace("shop:domain", "shop"), "spec.entrypoint must be module:object"),
        (BUNDLE, "needs 'code'"),
        (BUNDLE + "  code: {}\n", "exactly one of"),
        (BUNDLE + "  code: {image: x, configMapRef: {name: y}}\n", "exactly one of"),
        (BUNDLE + "  code: {configMapRef: {name: y}}\n", "must also contain the ConfigMap 'y'"),
        (BUNDLE + "  code: {inline: {modules: {../x.py: y}}}\n", "cannot be the file name"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidBundleFile, match=message):
        read_bundle(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundleFile, match=r"none.yaml cannot be read: No such file"):
        read_bundle(tmp_path / "none.yaml")


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
