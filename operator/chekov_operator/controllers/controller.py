"""What the reconciler needs of each kind that it reconciles."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Protocol

from chekov_operator.controllers.plan import Plan
from chekov_operator.kube.kinds import Key, Kind
from chekov_operator.kube.objects import Children, Object


class Planned(NamedTuple):
    """The result of observing and planning.

    Attributes:
        plan: what to change, and the status.
        children: the children that the plan was made from.
        replan: makes the plan again from other children, without reading anything.
    """

    plan: Plan
    children: Children
    replan: Callable[[Children], Plan]

    def again(self, children: Children) -> Plan:
        """The plan from the children as they are now, with the Events that only the first one has.

        What was about to happen may have happened meanwhile, and an Event says so all the same.
        """
        after = self.replan(children)
        reasons = {reason for reason, _ in after.events}
        missed = [event for event in self.plan.events if event[0] not in reasons]
        return replace(after, events=[*missed, *after.events])

    def mapped(self, change: Callable[[Plan], Plan]) -> "Planned":
        """The same with a change made to each plan."""
        replan = self.replan

        def changed(children: Children) -> Plan:
            return change(replan(children))

        return Planned(change(self.plan), self.children, changed)


def childless(plan: Plan) -> Planned:
    """The result for an object that has no children, whatever happens meanwhile."""

    def same(children: Children) -> Plan:
        del children
        return plan

    return Planned(plan, {}, same)


class Controller(Protocol):
    """Observes and plans the objects of one kind."""

    @property
    def kind(self) -> Kind: ...

    async def plan(self, key: Key, body: Object) -> Planned:
        """Observe what belongs to an object, and plan what to change.

        Raises:
            InvalidSpec: a field of the spec is invalid.
            ApiError: the API server refuses a request.
            ApiUnavailable: the API server does not answer.
        """
        ...

    def forget(self, key: Key) -> None:
        """Drop what is remembered of an object that was deleted."""
        ...
