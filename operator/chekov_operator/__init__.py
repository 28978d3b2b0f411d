"""The operator: makes EventStores and DomainBundles as their specs say."""
