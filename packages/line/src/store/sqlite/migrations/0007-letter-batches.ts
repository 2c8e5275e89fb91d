/**
 * Letters are released in batches, one file each; before, each letter had a file of its own. What was written so and not yet released goes into
 * a batch while its PIN is kept, and is released as it is when its order was delivered.
 */
export const letterBatches = `
create table letter_batches (
  batch text primary key,
  order_number text not null references orders,
  letters integer not null,
  file text,
  released_at text not null,
  released_by text not null,
  witness text not null
) strict;
alter table letters add column batch text references letter_batches;
alter table letters add column page integer;
create index letters_of_batch on letters (batch) where batch is not null;
`;
