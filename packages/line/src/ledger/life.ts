/**
 * The life cycles of blanks, records and orders: which event leads from where to where. Whatever keeps the accounts asks here
 * before it writes, so that there is one place where a rejected card cannot become good.
 */
import { AccountsProblem } from "./problem.js";
import {
  type BlankState,
  type CardEnd,
  judgementOfPictures,
  type OrderState,
  type RecordState,
  type Stage,
} from "./types.js";

export const blankStates = [
  "in-stock",
  "in-process",
  "held",
  "good",
  "rejected",
  "sample",
  "destroyed",
  "returned",
] as const satisfies readonly BlankState[];

/** From the untouched chip to the customer's hands; a card never goes back. */
export const stages = [
  "blank",
  "tested",
  "completed",
  "initialised",
  "bound",
  "personalised",
  "chip-proved",
  "marked",
  "verified",
  "delivered",
] as const satisfies readonly Stage[];

export type BlankEvent =
  | "start"
  | "restock"
  | "pass"
  | "reject"
  | "hold"
  | "release"
  | "sample"
  | "return"
  | "destroy";
export type RecordEvent =
  | "prepare"
  | "bind"
  | "produce"
  | "wait-again"
  | "hold"
  | "release"
  | "give-up"
  | "deliver"
  | "erase";
export type OrderEvent = "start" | "complete" | "reopen" | "deliver" | "close" | "erase";

type Moves<Event extends string, State extends string> = Readonly<
  Record<Event, { readonly from: readonly State[]; readonly to: State }>
>;

export const blankMoves: Moves<BlankEvent, BlankState> = {
  start: { from: ["in-stock"], to: "in-process" },
  /** Only a card without a record: what is bound can be good, held or rejected, nothing else. */
  restock: { from: ["in-process"], to: "in-stock" },
  pass: { from: ["in-process"], to: "good" },
  hold: { from: ["in-process"], to: "held" },
  /** Two people found a held card good. */
  release: { from: ["held"], to: "good" },
  reject: { from: ["in-process", "held", "good"], to: "rejected" },
  sample: { from: ["in-stock"], to: "sample" },
  /** Unused, or held as not ours: whoever owns it gets it back. */
  return: { from: ["in-stock", "held"], to: "returned" },
  destroy: { from: ["rejected", "sample"], to: "destroyed" },
};

export const recordMoves: Moves<RecordEvent, RecordState> = {
  prepare: { from: ["received"], to: "prepared" },
  bind: { from: ["received", "prepared"], to: "in-production" },
  produce: { from: ["in-production", "prepared"], to: "produced" },
  /** Its card was rejected or held: a remake is due. */
  "wait-again": { from: ["in-production", "produced"], to: "prepared" },
  hold: { from: ["received", "prepared", "in-production"], to: "held" },
  release: { from: ["held"], to: "prepared" },
  /** Two people say that it gets no card; nothing takes that back. */
  "give-up": { from: ["received", "prepared", "held"], to: "given-up" },
  deliver: { from: ["produced"], to: "delivered" },
  erase: { from: ["received", "prepared", "held", "given-up", "delivered"], to: "erased" },
};

export const orderMoves: Moves<OrderEvent, OrderState> = {
  start: { from: ["imported"], to: "in-production" },
  /** Of an order that was never begun: all its records were given up. */
  complete: { from: ["imported", "in-production"], to: "produced" },
  /** A card that had been good was rejected before delivery. */
  reopen: { from: ["produced"], to: "in-production" },
  deliver: { from: ["produced"], to: "delivered" },
  close: { from: ["delivered"], to: "closed" },
  /** An order that was never begun may be erased at once. */
  erase: { from: ["imported", "closed"], to: "erased" },
};

function move<Event extends string, State extends string>(
  moves: Moves<Event, State>,
  event: Event,
  from: State,
  who: string,
): State {
  const { from: allowed, to } = moves[event];
  if (!allowed.includes(from)) {
    throw new AccountsProblem(
      "wrong-state",
      `${who} is ${from}: "${event}" needs ${allowed.join(" or ")}; nothing was changed`,
    );
  }
  return to;
}

/** Where the event leads. Throws AccountsProblem ("wrong-state") when it is not allowed; `who` names the thing in the message. */
export const moveRecord = (event: RecordEvent, from: RecordState, who: string): RecordState =>
  move(recordMoves, event, from, who);
export const moveOrder = (event: OrderEvent, from: OrderState, who: string): OrderState =>
  move(orderMoves, event, from, who);

/** What the accounts know of a blank, as far as its next move depends on it. */
export interface BlankFacts {
  readonly state: BlankState;
  readonly stage: Stage;
  /** A record was bound to it. */
  readonly bound: boolean;
}

export function moveBlank(event: BlankEvent, blank: BlankFacts, who: string): BlankState {
  const to = move(blankMoves, event, blank.state, who);
  if (event === "restock" && blank.bound) {
    throw new AccountsProblem(
      "wrong-state",
      `${who} is bound to a record and cannot return to stock; reject or hold it`,
    );
  }
  if (event === "return" && blank.bound) {
    throw new AccountsProblem(
      "wrong-state",
      `${who} is bound to a record and holds a person's data: it cannot be returned; reject it`,
    );
  }
  if ((event === "pass" || event === "release") && !blank.bound)
    throw new AccountsProblem("not-bound", `${who} has no record and cannot be good`);
  return to;
}

/**
 * People may find a held card good only when nothing but the look at its pictures is left: no eye sees what a chip holds. Throws
 * AccountsProblem ("not-passed") naming what is left; `left` as in `CardHistory`.
 */
export function mayBeFoundGood(left: readonly string[] | undefined, who: string): void {
  if (left === undefined)
    throw new AccountsProblem(
      "not-passed",
      `${who}: nobody wrote down which stations it passed, so it cannot be found good; settle it as reject`,
    );
  const open = left.filter((one) => one !== judgementOfPictures);
  if (open.length > 0)
    throw new AccountsProblem(
      "not-passed",
      `${who} has not passed ${open.join(", ")}, and people cannot do that by looking; settle it as reject, and its record gets another card`,
    );
}

export const furtherStage = (one: Stage, other: Stage): Stage =>
  stages.indexOf(one) >= stages.indexOf(other) ? one : other;

/** The event and the stage that a card's end stands for. A reject keeps what is known of its chip: it may be a live credential. */
export function endOf(
  end: CardEnd,
  blank: BlankFacts,
): { readonly event: BlankEvent; readonly stage: Stage } {
  switch (end.kind) {
    case "good":
      return { event: "pass", stage: "verified" };
    case "rejected":
      return {
        event: "reject",
        stage: end.personalised ? furtherStage(blank.stage, "personalised") : blank.stage,
      };
    case "held":
      return { event: "hold", stage: blank.stage };
    case "restocked":
      return { event: "restock", stage: furtherStage(end.stage, blank.stage) };
  }
}
