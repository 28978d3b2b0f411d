"""The public names are frozen: adding one is a decision, not an accident."""

import subprocess
import sys

import chekov
import chekov.testing


def test_a_domain_author_imports_these_names() -> None:
    assert sorted(chekov.__all__) == sorted(
        [
            "FORGOTTEN",
            "Aggregate",
            "ChekovError",
            "Command",
            "CommandHandler",
            "CommandObservation",
            "Connection",
            "Context",
            "DefinitionError",
            "Domain",
            "Event",
            "EventHandler",
            "Forgotten",
            "Identifier",
            "Json",
            "MemoryStore",
            "MessagePack",
            "Observer",
            "Origin",
            "Personal",
            "Projection",
            "RecordedEvent",
            "Rejected",
            "Runtime",
            "Serializer",
            "Transaction",
            "Upcaster",
            "apply",
            "definition_of",
            "execute",
            "handle",
            "prepare",
            "query",
            "stream_of",
            "upcast",
        ]
    )
    assert all(hasattr(chekov, name) for name in chekov.__all__)


def test_tests_of_domains_import_the_spec() -> None:
    assert "Spec" in chekov.testing.__all__


def test_importing_chekov_loads_no_library_of_the_server() -> None:
    code = "import sys, chekov; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "chekov" in loaded
    assert {"aiohttp", "opentelemetry", "prometheus_client", "yaml"}.isdisjoint(loaded)
