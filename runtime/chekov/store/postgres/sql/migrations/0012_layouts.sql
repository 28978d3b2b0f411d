-- works with: 1

-- The number of partitions can change. The checkpoints of each former layout, by partition, are
-- kept until the new partitions have passed all of them.

alter table chekov.partitions
    add column changes integer not null default 0,
    add column former jsonb not null default '[]';
