/** What an order was begun with, so that it is finished with the same; and whether all that belongs to its end is written. */
export const runs = `
alter table orders add column order_file text;
alter table orders add column line_file text;
alter table orders add column seed integer;
alter table orders add column reported_at text;

create table order_files (
  order_number text not null references orders,
  record integer not null,
  part text not null,
  sha256 text not null,
  primary key (order_number, record, part)
) strict, without rowid;
`;
