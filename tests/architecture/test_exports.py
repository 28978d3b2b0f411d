"""The public names are frozen: adding one is a decision, not an accident."""

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
