"""The controller of DomainBundles."""

from dataclasses import replace

from chekov_operator.api.domain_bundle import parse_bundle
from chekov_operator.controllers.bundle.observer import BundleObserver
from chekov_operator.controllers.bundle.plan import plan_bundle
from chekov_operator.controllers.controller import Children, Planned
from chekov_operator.controllers.plan import Plan
from chekov_operator.kube.kinds import BUNDLE, Key, Kind
from chekov_operator.kube.objects import Object
from chekov_operator.settings import Settings


class DomainBundleController:
    def __init__(self, observer: BundleObserver, settings: Settings) -> None:
        self._observer = observer
        self._settings = settings

    @property
    def kind(self) -> Kind:
        return BUNDLE

    async def plan(self, key: Key, body: Object) -> Planned:
        bundle = parse_bundle(body)
        observed = await self._observer.observe(key, bundle, body)

        def replan(children: Children) -> Plan:
            return plan_bundle(bundle, replace(observed, children=children), self._settings)

        plan = plan_bundle(bundle, observed, self._settings)
        return Planned(plan, observed.children, replan)

    def forget(self, key: Key) -> None:
        self._observer.forget(key)
