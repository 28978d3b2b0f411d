"""The controller of DomainBundles."""

from dataclasses import replace
from functools import partial

from chekov_operator.api.domain_bundle import Bundle, parse_bundle
from chekov_operator.api.spec import InvalidSpec
from chekov_operator.controllers.bundle.observer import BundleObserver
from chekov_operator.controllers.bundle.plan import plan_bundle, with_invalid_spec
from chekov_operator.controllers.controller import Planned
from chekov_operator.controllers.plan import Plan
from chekov_operator.kube.kinds import BUNDLE, Key, Kind
from chekov_operator.kube.objects import Children, Object, nested
from chekov_operator.settings import Settings


class DomainBundleController:
    def __init__(self, observer: BundleObserver, settings: Settings) -> None:
        self._observer = observer
        self._settings = settings

    @property
    def kind(self) -> Kind:
        return BUNDLE

    async def plan(self, key: Key, body: Object) -> Planned:
        try:
            bundle = parse_bundle(body)
        except InvalidSpec as error:
            last = self._observer.last_valid(key, body)
            if last is None:
                raise
            change = partial(with_invalid_spec, error)
            return (await self._plan(key, parse_bundle(last), last)).mapped(change)
        return await self._plan(key, bundle, body)

    async def _plan(self, key: Key, bundle: Bundle, body: Object) -> Planned:
        observed = await self._observer.observe(key, bundle, body)
        plan = plan_bundle(bundle, observed, self._settings)
        # What this pass decided stands: the plan that follows it is about the changed children.
        decided = nested(plan.status, "rollout")

        def replan(children: Children) -> Plan:
            now = replace(observed, children=children, rollout=decided)
            return plan_bundle(bundle, now, self._settings)

        needed = int(nested(decided, "connections", "needed") or 0)
        self._observer.report_need(key, observed.store, needed)
        if plan.read_store_soon:
            self._observer.read_store_soon(observed.store)
        return Planned(plan, observed.children, replan)

    def forget(self, key: Key) -> None:
        self._observer.forget(key)
