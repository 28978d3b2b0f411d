"""The controllers of all kinds. A new kind is added here."""

from chekov_operator.controllers.bundle.controller import DomainBundleController
from chekov_operator.controllers.bundle.observer import BundleObserver
from chekov_operator.controllers.controller import Controller
from chekov_operator.controllers.eventstore.controller import EventStoreController
from chekov_operator.controllers.replay.controller import ReplayController
from chekov_operator.controllers.subscription.controller import SubscriptionController
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.referenced_objects import ReferencedObjects
from chekov_operator.settings import Settings
from chekov_operator.stores.databases import Databases


def all_controllers(
    client: Client,
    cache: Cache,
    databases: Databases,
    referenced: ReferencedObjects,
    settings: Settings,
) -> list[Controller]:
    return [
        EventStoreController(client, cache, databases, referenced, settings),
        DomainBundleController(BundleObserver(client, cache, databases, referenced), settings),
        SubscriptionController(cache, databases),
        ReplayController(client, cache, databases),
    ]
