-- works with: 1

-- Into how many partitions each subscription is divided: its checkpoints mean nothing with others.

create table chekov.partitions (
    domain text not null,
    name text not null,
    version integer not null,
    partitions integer not null,
    constraint partitions_key primary key (domain, name, version)
);

insert into chekov.partitions (domain, name, version, partitions)
select domain, name, version, max(partition) + 1
from chekov.subscriptions group by domain, name, version;
