/** The database as Kysely sees it; the SQL is in each adapter's migrations. Times are ISO 8601, UTC; lists and objects JSON. */
import type { RejectCode, Serial } from "@persoline/card/program";
import type { Generated } from "kysely";
import type { AuditResult } from "../ledger/audit.js";
import type { Carrier } from "../ledger/mailing.js";
import type { BlankState, OrderState, RecordState, Stage } from "../ledger/types.js";

export interface OrdersTable {
  order_number: string;
  customer: string;
  product: string;
  environment: "test" | "live";
  line: string;
  state: OrderState;
  input_name: string;
  input_sha256: string;
  records: number;
  spec: string;
  reference_field: string | null;
  key_version: number | null;
  /** The order's data key, sealed by the security module; null once the order is erased. */
  sealed_key: Uint8Array | null;
  begun_at: string;
  /** Null while records are still coming in. */
  imported_at: string | null;
  started_at: string | null;
  produced_at: string | null;
  delivered_at: string | null;
  closed_at: string | null;
  erased_at: string | null;
  /** Paths of the last run that took the order up, for messages. */
  order_file: string | null;
  line_file: string | null;
  /** Of everything simulated; the first run's. */
  seed: number | null;
  /** Letters and reports of the produced order are all written. */
  reported_at: string | null;
}

/** Digests of what an order is made from. `record` 0: of the whole order; else `part` is the field of a photo. */
interface OrderFilesTable {
  order_number: string;
  record: number;
  part: string;
  sha256: string;
}

interface RecordsTable {
  order_number: string;
  number: number;
  row: number;
  state: RecordState;
  attempts: number;
  hold_reason: string | null;
  /** Kept when the order is erased: how many were given up is told then too. */
  given_up_at: string | null;
}

interface RecordDataTable {
  order_number: string;
  record: number;
  field: string;
  kind: "text" | "list" | "photo";
  sealed: Uint8Array;
}

interface RecordPinsTable {
  order_number: string;
  record: number;
  pin: string;
  sealed: Uint8Array;
}

interface LotsTable {
  lot: string;
  received: number;
  received_at: string;
  note: string;
}

export interface BlanksTable {
  serial: Serial;
  label: string;
  lot: string;
  state: BlankState;
  stage: Stage;
  line: string | null;
  order_number: string | null;
  record: number | null;
  reject_code: RejectCode | null;
  reject_station: string | null;
  reject_detail: string | null;
  fate_reason: string | null;
  fate_by: string | null;
  fate_witness: string | null;
  changed_at: string;
}

/** A blank bound to a record: one attempt at its card. */
interface CardsTable {
  serial: Serial;
  order_number: string;
  record: number;
  attempt: number;
  bound_at: string;
  ended_at: string | null;
  end_kind: "good" | "rejected" | "held" | null;
  station: string | null;
  code: RejectCode | null;
  detail: string | null;
  personalised: number | null;
  terminated: number | null;
}

/** One way of a card through the line, bound or not. */
interface VisitsTable {
  id: Generated<number>;
  serial: Serial;
  order_number: string | null;
  record: number | null;
  line: string | null;
  ended_at: string;
  end_kind: "good" | "rejected" | "held" | "restocked";
  station: string | null;
  code: RejectCode | null;
  detail: string | null;
  times: string;
  findings: string;
  front_file: string | null;
  front_sha256: string | null;
  back_file: string | null;
  back_sha256: string | null;
  /** What the card had not passed, as a list; null in visits written before this was kept. */
  not_passed: string | null;
}

export type NewVisit = Omit<VisitsTable, "id">;

interface CountersTable {
  /** "stock", or "order " and its number. */
  scope: string;
  term: string;
  value: number;
}

interface LettersTable {
  letter: string;
  order_number: string;
  record: number;
  pin: string;
  attempt: number;
  state: "numbered" | "written" | "released" | "void";
  file: string | null;
  released_at: string | null;
  released_by: string | null;
  void_reason: string | null;
  batch: string | null;
  /** In its batch, from 1. */
  page: number | null;
}

export interface CarriersTable {
  carrier: string;
  order_number: string;
  record: number;
  attempt: number;
  batch: string;
  page: number;
  state: Carrier["state"];
  void_reason: string | null;
  changed_at: string;
}

interface LetterBatchesTable {
  batch: string;
  order_number: string;
  letters: number;
  /** Nothing when it was taken away. */
  file: string | null;
  released_at: string;
  released_by: string;
  witness: string;
}

interface DrawnLabelsTable {
  label: string;
  line: string;
  at: string;
}

export interface AuditTable {
  node: string;
  sequence: number;
  at: string;
  who: string;
  what: string;
  place: string;
  object: string;
  order_number: string | null;
  result: AuditResult;
  before_hash: string | null;
  after_hash: string | null;
  detail: string | null;
  previous: string;
  hash: string;
}

interface AuditHeadsTable {
  node: string;
  sequence: number;
  hash: string;
  at: string;
  signature: Uint8Array;
}

interface HoldersTable {
  serial: Serial;
  order_number: string;
  reference: string;
  name: string;
  department: string;
  zones: string;
  valid_from: string | null;
  valid_until: string | null;
  status: "active" | "blocked" | "withdrawn";
  since: string;
  /** Null in rows written before this was kept. */
  card_number: string | null;
}

interface RefusalsTable {
  serial: Serial;
  reason: string;
  since: string;
  order_number: string | null;
}

interface PassagesTable {
  id: Generated<number>;
  at: string;
  gate: string;
  zone: string;
  direction: "in" | "out";
  serial: string | null;
  reference: string | null;
  decision: "granted" | "refused";
  reason: string | null;
  detail: string | null;
}

export interface Tables {
  orders: OrdersTable;
  order_files: OrderFilesTable;
  records: RecordsTable;
  record_data: RecordDataTable;
  record_pins: RecordPinsTable;
  lots: LotsTable;
  blanks: BlanksTable;
  cards: CardsTable;
  visits: VisitsTable;
  counters: CountersTable;
  letters: LettersTable;
  letter_batches: LetterBatchesTable;
  carriers: CarriersTable;
  drawn_labels: DrawnLabelsTable;
  audit: AuditTable;
  audit_heads: AuditHeadsTable;
  holders: HoldersTable;
  refusals: RefusalsTable;
  passages: PassagesTable;
}
