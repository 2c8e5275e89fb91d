/** Card carriers: the printed letters that good cards are fixed to when they are mailed. */
export const carriers = `
create table carriers (
  carrier text primary key,
  order_number text not null,
  record integer not null,
  attempt integer not null,
  batch text not null,
  page integer not null,
  state text not null check (state in ('numbered', 'printed', 'fixing', 'mailed', 'void')),
  void_reason text,
  changed_at text not null,
  foreign key (order_number, record) references records
) strict;
create unique index one_carrier_in_force on carriers (order_number, record) where state <> 'void';
create unique index one_carrier_being_fixed on carriers (order_number) where state = 'fixing';
`;
