CREATE TRIGGER audit_is_not_cut before delete on audit
begin
  select raise(abort, 'the audit is append-only');
end;

CREATE TRIGGER audit_is_not_edited before update on audit
begin
  select raise(abort, 'the audit is append-only');
end;

CREATE TABLE audit (
  node text not null,
  sequence integer not null,
  at text not null,
  who text not null,
  what text not null,
  place text not null,
  object text not null,
  order_number text,
  result text not null,
  before_hash text,
  after_hash text,
  detail text,
  previous text not null,
  hash text not null,
  primary key (node, sequence)
) strict, without rowid;

CREATE INDEX audit_by_order on audit (order_number, node, sequence);

CREATE TABLE audit_heads (
  node text not null,
  sequence integer not null,
  hash text not null,
  at text not null,
  signature blob not null,
  primary key (node, sequence)
) strict, without rowid;

CREATE TRIGGER rejected_never_good before update of state on blanks
when old.state in ('rejected', 'destroyed') and new.state not in ('rejected', 'destroyed')
begin
  select raise(abort, 'a rejected card never becomes anything but destroyed');
end;

CREATE TABLE blanks (
  serial text primary key,
  label text not null unique,
  lot text not null references lots,
  state text not null check (state in ('in-stock', 'in-process', 'held', 'good', 'rejected', 'sample', 'destroyed', 'returned')),
  stage text not null,
  line text,
  order_number text references orders,
  record integer,
  reject_code text,
  reject_station text,
  reject_detail text,
  fate_reason text,
  fate_by text,
  fate_witness text,
  changed_at text not null
) strict;

CREATE INDEX blanks_by_lot on blanks (lot, serial);

CREATE INDEX blanks_in_process on blanks (line, serial) where state = 'in-process';

CREATE INDEX blanks_in_stock on blanks (lot, label) where state = 'in-stock';

CREATE TABLE cards (
  serial text primary key references blanks,
  order_number text not null,
  record integer not null,
  attempt integer not null,
  bound_at text not null,
  ended_at text,
  end_kind text check (end_kind in ('good', 'rejected', 'held')),
  station text,
  code text,
  detail text,
  personalised integer,
  terminated integer,
  unique (order_number, record, attempt),
  foreign key (order_number, record) references records
) strict;

CREATE UNIQUE INDEX one_card_in_work on cards (order_number, record) where end_kind is null;

CREATE UNIQUE INDEX one_good_card on cards (order_number, record) where end_kind = 'good';

CREATE TABLE carriers (
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

CREATE UNIQUE INDEX one_carrier_being_fixed on carriers (order_number) where state = 'fixing';

CREATE UNIQUE INDEX one_carrier_in_force on carriers (order_number, record) where state <> 'void';

CREATE TABLE counters (
  scope text not null,
  term text not null,
  value integer not null check (value >= 0),
  primary key (scope, term)
) strict, without rowid;

CREATE TABLE drawn_labels (
  label text primary key,
  line text not null,
  at text not null
) strict, without rowid;

CREATE TABLE holders (
  serial text primary key references blanks,
  order_number text not null,
  reference text not null,
  name text not null,
  department text not null,
  zones text not null,
  valid_from text,
  valid_until text,
  status text not null check (status in ('active', 'blocked', 'withdrawn')),
  since text not null
, card_number text) strict;

CREATE INDEX holders_by_card_number on holders (card_number);

CREATE INDEX holders_by_reference on holders (reference);

CREATE TABLE letter_batches (
  batch text primary key,
  order_number text not null references orders,
  letters integer not null,
  file text,
  released_at text not null,
  released_by text not null,
  witness text not null
) strict;

CREATE TABLE letters (
  letter text primary key,
  order_number text not null,
  record integer not null,
  pin text not null,
  attempt integer not null,
  state text not null check (state in ('numbered', 'written', 'released', 'void')),
  file text,
  released_at text,
  released_by text,
  void_reason text, batch text references letter_batches, page integer,
  foreign key (order_number, record) references records
) strict;

CREATE INDEX letters_of_batch on letters (batch) where batch is not null;

CREATE UNIQUE INDEX one_letter_in_force on letters (order_number, record, pin) where state <> 'void';

CREATE TABLE lots (
  lot text primary key,
  received integer not null,
  received_at text not null,
  note text not null
) strict;

CREATE TABLE migrations (number integer primary key, name text not null, applied_at text not null) strict;

CREATE TABLE order_files (
  order_number text not null references orders,
  record integer not null,
  part text not null,
  sha256 text not null,
  primary key (order_number, record, part)
) strict, without rowid;

CREATE TABLE orders (
  order_number text primary key,
  customer text not null,
  product text not null,
  environment text not null check (environment in ('test', 'live')),
  line text not null,
  state text not null check (state in ('imported', 'in-production', 'produced', 'delivered', 'closed', 'erased')),
  input_name text not null,
  input_sha256 text not null,
  records integer not null,
  spec text not null,
  reference_field text,
  key_version integer,
  sealed_key blob,
  begun_at text not null,
  imported_at text,
  started_at text,
  produced_at text,
  delivered_at text,
  closed_at text,
  erased_at text
, order_file text, line_file text, seed integer, reported_at text) strict;

CREATE UNIQUE INDEX orders_by_input on orders (input_sha256);

CREATE TABLE passages (
  id integer primary key,
  at text not null,
  gate text not null,
  zone text not null,
  direction text not null check (direction in ('in', 'out')),
  serial text,
  reference text,
  decision text not null check (decision in ('granted', 'refused')),
  reason text,
  detail text
) strict;

CREATE INDEX passages_by_serial on passages (serial, at);

CREATE INDEX passages_by_time on passages (at, id);

CREATE TABLE record_data (
  order_number text not null,
  record integer not null,
  field text not null,
  kind text not null check (kind in ('text', 'list', 'photo')),
  sealed blob not null,
  primary key (order_number, record, field),
  foreign key (order_number, record) references records
) strict;

CREATE TABLE record_pins (
  order_number text not null,
  record integer not null,
  pin text not null,
  sealed blob not null,
  primary key (order_number, record, pin),
  foreign key (order_number, record) references records
) strict;

CREATE TABLE records (
  order_number text not null references orders,
  number integer not null,
  row integer not null,
  state text not null check (state in ('received', 'prepared', 'in-production', 'produced', 'delivered', 'erased', 'held', 'given-up')),
  attempts integer not null default 0,
  hold_reason text,
  given_up_at text,
  primary key (order_number, number)
) strict, without rowid;

CREATE INDEX records_waiting on records (order_number, number) where state in ('received', 'prepared');

CREATE TABLE refusals (
  serial text primary key,
  reason text not null,
  since text not null,
  order_number text
) strict, without rowid;

CREATE TABLE visits (
  id integer primary key,
  serial text not null references blanks,
  order_number text,
  record integer,
  line text,
  ended_at text not null,
  end_kind text not null check (end_kind in ('good', 'rejected', 'held', 'restocked')),
  station text,
  code text,
  detail text,
  times text not null,
  findings text not null,
  front_file text,
  front_sha256 text,
  back_file text,
  back_sha256 text
, not_passed text) strict;

CREATE INDEX visits_by_order on visits (order_number, id);
