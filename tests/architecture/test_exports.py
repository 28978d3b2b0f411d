"""The public names are frozen: adding one is a decision, not an accident."""

import subprocess
import sys

import chekov
import chekov.client
import chekov.errors
import chekov.testing

NAMES = """
ANONYMOUS AbandonedSubscription Action Again Aggregate AnotherStore Authorize Boundary CacheLimits
CheckpointAhead ChekovError Command CommandContext CommandEnvelope CommandHandler CommandHooks
CommandIdReused CommandLog CommandObservation CommandTimeout ConditionAhead ConditionFailed
Connection Consistency ConsistencyTimeout Context DefinitionError Delivered DiscardedEvent
DiscardedInput Dispatched Domain Draining DuplicateCommand DuplicateEvent Event EventFilter
EventHandler EventNotFound Expected FORGOTTEN Forbidden ForgetSubject Forgotten Generation
GenerationRefused HandlerFailed HandlerSettings HistoryTruncated Identifier IdentityTaken
InexactEvent InvalidAppend InvalidArgument InvalidCommand InvalidConsistency InvalidPartitionKey
Json KeyUnusable Lifespan LifespanFailed Loaded MemoryStore MessagePack Middleware Missed NewEvent
NewerRevision NoneSince Observer Origin Overloaded Park ParkedEvent ParkedGroup Personal
PostgresStore Principal ProcessManager ProcessStatus Projection ProjectionBuilding QueriesOverloaded
QueryTimeout RateLimit RateLimited ReadEvents ReadState RecordedEvent Recurrence Rejected Retry
RewindRefused RunQuery Runtime Schedule ScheduledStatus SchemaMismatch Scope Serializer Skip
SnapshotPolicy StateChanged Stop Store StoreClosed StoreError StoreUnavailable StreamAppend
StreamDeleted StreamExists StreamInfo StreamNotFound SubscriptionInUse SubscriptionKey
SubscriptionStatus Tag TagIndexIncomplete Timer TooManyConflicts TooManyRecurring Transaction
TransactionEnded Undecodable UnexpectedInput UnexpectedResult UnknownCommand UnknownQuery
UnknownSubscription UnusableState Upcaster WrongExpectedVersion apply definition_of execute expired
finish handle identifier partition proceed query rejected scope start steps stream_of upcast
"""


def test_authors_of_domains_and_programs_import_these_names() -> None:
    assert sorted(chekov.__all__) == sorted(NAMES.split())
    assert all(hasattr(chekov, name) for name in chekov.__all__)


OF_CLIENT = """
Client CommandResult Dispatch ManagementClient Outcome PlainCommand Problem ProblemError
ReceivedEvent Return Token Unauthorized UnexpectedAnswer Unreachable
"""


def test_programs_that_call_a_service_import_these_names() -> None:
    assert sorted(chekov.client.__all__) == sorted(OF_CLIENT.split())
    assert all(hasattr(chekov.client, name) for name in chekov.client.__all__)


def test_every_error_of_a_call_can_be_caught_by_its_name() -> None:
    of_tools = {
        "BundleError", "EntrypointNotFound", "ImportFailed", "InvalidBundleFile", "InvalidDomain",
        "NotADomain",  # of `chekov run` and `check`
        "MalformedExport", "StoreDiverged",  # of `chekov import`
        "Fenced",  # never leaves the engine
    }  # fmt: skip
    assert set(chekov.errors.__all__) - set(chekov.__all__) == of_tools


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(chekov, "NoSuchName")


def test_tests_of_domains_import_the_spec() -> None:
    assert "Spec" in chekov.testing.__all__


def test_importing_chekov_loads_no_library_of_the_server() -> None:
    code = "import sys, chekov; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "chekov" in loaded
    assert {"aiohttp", "opentelemetry", "prometheus_client", "yaml"}.isdisjoint(loaded)


def test_all_names_are_imported_where_the_driver_of_postgres_is_missing() -> None:
    code = """import sys
sys.modules["asyncpg"] = None
from chekov import *
Domain, MemoryStore, Runtime
sys.exit("PostgresStore" in globals())
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
