"""The public names are frozen: adding one is a decision, not an accident."""

import chekov
import chekov.testing

NAMES = """
FORGOTTEN Aggregate ChekovError Command CommandEnvelope CommandHandler CommandIdReused
CommandTimeout Connection ConsistencyTimeout Context DefinitionError Dispatched Domain Draining
DuplicateCommand DuplicateEvent Event EventFilter EventHandler EventNotFound Expected Forgotten
HistoryTruncated Identifier InvalidAppend InvalidCommand Json KeyUnusable Loaded MemoryStore
MessagePack Middleware NewEvent Observer Origin Overloaded Personal PostgresStore Projection
RecordedEvent Rejected Retry Runtime SchemaMismatch Serializer StoreClosed StoreError
StoreUnavailable StreamDeleted StreamExists StreamNotFound SubscriptionStatus Transaction
Undecodable UnknownCommand Upcaster WrongExpectedVersion apply definition_of execute handle
prepare query stream_of upcast
"""


def test_authors_of_domains_and_programs_import_these_names() -> None:
    assert sorted(chekov.__all__) == sorted(NAMES.split())
    assert all(hasattr(chekov, name) for name in chekov.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(chekov, "NoSuchName")


def test_tests_of_domains_import_the_spec() -> None:
    assert "Spec" in chekov.testing.__all__
