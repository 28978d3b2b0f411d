-- works with: 1

-- What the partitions of a subscription are divided by, `stream` or a digest of the handler's keys, and
-- the position at which all of them stop before others take over that divide by something else.

alter table chekov.partitions
    add column keyed_by text not null default 'stream',
    add column until bigint;
