"""The operator of EventStores and DomainBundles."""
