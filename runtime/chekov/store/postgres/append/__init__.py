"""Appending events: group commit, the ways to write an event, and what each of them gains.

`Committer` queues appends and sends them in batches. `BatchSender` repeats, resolves and splits
batches that fail. `AppendConnection` holds the statements.

There are six write paths. The factors say what an append costs without each of them, relative to
with it: processor time of client and Postgres together, as the median of many short pairs
(`python -m benchmarks.write_paths`, two cores).

`insert_next`
    INSERT at the position and version that the head cache knows. For one event, while nothing else
    is under way, in the process that wrote last. Without it: 1.18 by `append_one_v1`.
`_insert_many_next`
    INSERT of many events where the head cache knows, likewise. For batches. Without it: 1.10 to
    1.15 by `append_many_v1`. A COPY takes as much from 128 events on and more for fewer, and comes
    in several messages: beside others it would hold the append lock until the last one.
`append_one_v1`
    A function that takes the append lock and numbers one event. For single events otherwise:
    a command id, an unknown stream, or news of what others wrote. Without it: 1.11 by
    `append_many_v1`.
`append_many_v1`
    A function that takes the append lock once and numbers many appends. For all other batches, and
    for `append_together`. Without it: 7.7 by one statement per append, 16 in flight.
`append_many_v3`
    `append_many_v1` for batches in which an append has tags or conditions: it reads the end of the
    log, then checks the conditions, and accepts only what is stored right there. A tagged event of
    a lone writer goes by `insert_next` into both tables, and a condition that names the position
    before it needs no check.
`append_in_transaction`
    One of the last two on a connection of the caller, in its transaction: the only way to do that.

While other processes append too, the answers of the two functions bring along what those stored
meanwhile (`stored_since_v1`), for the cached aggregates: so the second try after a version conflict
reads nothing. A command of two processes that share 200 aggregates, 16 in flight each, then costs
this process about a tenth less time, and three in a hundred less are repeated (two pairs of runs).

The head cache serves the first two; without it, appends cost 1.11 to 1.19. Beside other processes,
both take the append lock if it is free, and otherwise wait for their turn: so who writes all the
time does not keep the others from it. A process that sees that others wrote does without the cache
for ten seconds. With one append in flight and an idle second process, an append takes 1.3 times the
processor time of all of them, Postgres included, that it takes alone. It was 2.7 times before the
cache served beside others and notifications came less often.

The second connection, for queues of 64 appends and more, saves elapsed time (256 in flight: 1.2 to
1.4 without it, on a machine with nothing else to do), since Postgres works on one half while this
process prepares the other. Both halves take their turn and look every stream up, though: with 64
commands in flight, one batch instead of two halves takes 0.66 to 0.78 of the processor time of both
sides, and makes 1.13 to 1.28 times as many commands on a machine that is busy, but 0.73 times as
many on one with nothing else to do.

Both start their statement before they prepare its answer (`EagerCoroutine`). Both name the event
after which they write, lest they write into a log that was restored meanwhile; in Postgres, that
costs 4 % of an INSERT.

A path that gains less than a tenth where it applies is not worth its code.
"""
