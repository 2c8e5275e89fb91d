/**
 * Records that two people gave up. The table is made anew, because SQLite changes no check; its children's references count as broken
 * until the rows are back, within this one transaction.
 */
export const givenUp = `
pragma defer_foreign_keys = on;
create table records_before (order_number text, number integer, row integer, state text, attempts integer, hold_reason text) strict;
insert into records_before select order_number, number, row, state, attempts, hold_reason from records;
drop table records;
create table records (
  order_number text not null references orders,
  number integer not null,
  row integer not null,
  state text not null check (state in ('received', 'prepared', 'in-production', 'produced', 'delivered', 'erased', 'held', 'given-up')),
  attempts integer not null default 0,
  hold_reason text,
  given_up_at text,
  primary key (order_number, number)
) strict, without rowid;
insert into records select order_number, number, row, state, attempts, hold_reason, null from records_before;
drop table records_before;
create index records_waiting on records (order_number, number) where state in ('received', 'prepared');
`;
