"""`undo`, `promote`, `abort` and `restart`: what people say about the rollout of a bundle."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from chekov_operator.kube.kinds import PROMOTE_ANNOTATION, REVISION, UNDO_ANNOTATION
from chekov_operator.kube.objects import Object, annotation, nested
from chekov_operator.plugin.cluster import Cluster, opened
from chekov_operator.plugin.failure import PluginError
from chekov_operator.plugin.output import show

_UNDER_WAY: Final = frozenset({"Growing", "Waiting", "Held", "Gating", "Stalled"})
_RETURNING: Final = frozenset({"Returning", "Returned"})

_Patch = Mapping[str, Object]


async def undo(arguments: Namespace) -> int:
    """Go back from a revision that serves, or is being rolled out."""
    return await _changed(arguments, _undone, "goes back from the revision {undo}")


async def abort(arguments: Namespace) -> int:
    """Go back from a revision that is being rolled out, and from no other."""
    return await _changed(arguments, _aborted, "goes back from the revision {undo}")


async def promote(arguments: Namespace) -> int:
    """Give a revision all pods."""
    return await _changed(arguments, _promoted, "gives the revision {promote} all pods")


async def restart(arguments: Namespace) -> int:
    """Replace all pods."""
    async with opened(arguments) as cluster:
        # More than seconds: two restarts are two.
        nonce = datetime.now(UTC).isoformat()
        await cluster.change(arguments.bundle, lambda _: {"spec": {"restartNonce": nonce}})
    show(f"bundle {arguments.bundle} replaces its pods")
    return 0


async def _check_there_is_another(cluster: Cluster, bundle: str) -> None:
    """Refuse to leave a revision when there is none to go back to, as the operator would not do it.

    Raises:
        PluginError: no two revisions were ever rolled out.
    """
    status = nested(await cluster.bundle(bundle), "status")
    left = nested(status, "rollout", "to") or nested(status, "revision")
    complete = {
        nested(body, "spec", "revision")
        for body in await cluster.of_bundle(REVISION, bundle)
        if nested(body, "status", "completed")
    }
    if not complete - {left}:
        raise PluginError(
            "no other revision of the bundle has been rolled out completely, so there is none to "
            "go back to"
        )


def _undone(bundle: Object) -> _Patch:
    rollout = nested(bundle, "status", "rollout")
    if nested(rollout, "state") in _RETURNING:
        raise PluginError(
            f"the revision {nested(rollout, 'to')} is not run any more, nothing is left to undo; "
            "`kubectl chekov promote` tries it again"
        )
    revision = nested(rollout, "to") or nested(bundle, "status", "revision")
    if not revision:
        raise PluginError("no revision of the bundle has run yet, so there is nothing to undo")
    return _annotations(undo=str(revision))


def _aborted(bundle: Object) -> _Patch:
    rollout = nested(bundle, "status", "rollout")
    if nested(rollout, "state") not in _UNDER_WAY:
        raise PluginError(
            "no rollout is under way; `kubectl chekov undo` goes back from a complete one"
        )
    return _annotations(undo=str(nested(rollout, "to")))


def _promoted(bundle: Object) -> _Patch:
    revision = nested(bundle, "status", "rollout", "to")
    if not revision:
        raise PluginError("no rollout is under way, and no revision has been held back")
    return _annotations(promote=str(revision))


def _annotations(*, undo: str | None = None, promote: str | None = None) -> _Patch:
    # Where both name a revision `undo` wins, so the other one goes.
    return {"metadata": {"annotations": {UNDO_ANNOTATION: undo, PROMOTE_ANNOTATION: promote}}}


async def _changed(arguments: Namespace, decide: Callable[[Object], _Patch], said: str) -> int:
    async with opened(arguments) as cluster:
        if decide is not _promoted:
            await _check_there_is_another(cluster, arguments.bundle)
        after = await cluster.change(arguments.bundle, decide)
    named = {
        "undo": annotation(after, UNDO_ANNOTATION),
        "promote": annotation(after, PROMOTE_ANNOTATION),
    }
    text = said.format(**named)
    show(f"bundle {arguments.bundle} {text}")
    return 0
