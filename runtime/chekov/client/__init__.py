"""A typed client of the HTTP API; needs `chekov[client]`."""

from chekov.client.client import Client
from chekov.client.commands import Dispatch
from chekov.client.errors import Problem, ProblemError, Unauthorized, UnexpectedAnswer, Unreachable
from chekov.client.management import ManagementClient
from chekov.client.transport import Token
from chekov.client.values import CommandResult, Outcome, PlainCommand, ReceivedEvent
from chekov.serialization.command_lines import Return

__all__ = [
    "Client",
    "CommandResult",
    "Dispatch",
    "ManagementClient",
    "Outcome",
    "PlainCommand",
    "Problem",
    "ProblemError",
    "ReceivedEvent",
    "Return",
    "Token",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unreachable",
]
