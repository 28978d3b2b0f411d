-- works with: 1

-- Who waits for all that follows from a command asks what is left of it, by correlation id.

create index outbox_chain on chekov.outbox (domain, correlation_id);
