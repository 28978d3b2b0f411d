-- works with: 1
-- transaction: none

-- What led to the command that caused an event stands first in its metadata, if anything did. Other
-- events cost a look at the first characters; an operator of JSON would decode all of it, and refuse
-- what text in Postgres cannot hold.

create index concurrently if not exists events_caused_by
    on chekov.events (substr(metadata::text, 16, 36), position)
    where starts_with(metadata::text, '{"$caused_by":"');
