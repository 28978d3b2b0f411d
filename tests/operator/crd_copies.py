"""Generate the chart's copies of the CRDs: `python -m tests.operator.crd_copies`."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "crds"
COPIES = ROOT / "charts" / "chekov-crds" / "templates"

_METADATA = "metadata:\n"
_KEPT = f"{_METADATA}  annotations:\n    helm.sh/resource-policy: keep\n"


def copy_of(source: Path) -> str:
    """A CRD as a template that Helm upgrades and never deletes."""
    text = source.read_text()
    if "{{" in text:
        raise ValueError(f"{source.name} contains {{{{, which Helm would evaluate")
    return f"# Generated from crds/{source.name}; edit that file.\n" + text.replace(
        _METADATA, _KEPT, 1
    )


def copies() -> dict[str, str]:
    """The text of each copy, by file name."""
    return {source.name: copy_of(source) for source in sorted(SOURCES.glob("*.yaml"))}


if __name__ == "__main__":
    for name, text in copies().items():
        (COPIES / name).write_text(text)
