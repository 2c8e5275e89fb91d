/** The mailing of an order put together: its mailer, and whose carriers and cards lie there. */
import { join } from "node:path";
import type { Serial } from "@persoline/card/program";
import { deskMailer, type MailingDesk } from "../devices/mailer/desk.js";
import type { Mailer } from "../devices/mailer/port.js";
import { simulatedMailer } from "../devices/mailer/simulated.js";
import { take } from "../devices/hold.js";
import { fill } from "../plan/content.js";
import type { AnyProduct } from "../plan/product.js";
import type { LineFile } from "../stations/line-file.js";
import type { MailingFile } from "../stations/line-mailing.js";
import { mailCards, type MailingEnd, type ReadCard } from "../stations/mailing.js";
import { codesIn } from "../stations/quality/index.js";
import type { StoredOrder } from "../store/orders.js";
import type { Store } from "../store/store.js";
import { chipOf, floorOf } from "./bodies.js";
import type { DataFolder } from "./data-folder.js";
import { realCameraOf } from "./line-pictures.js";
import { Refusal } from "./problem.js";

export interface MailAsk {
  readonly stored: StoredOrder;
  readonly product: Pick<AnyProduct, "cardNumber">;
  readonly line: Pick<LineFile, "line" | "mailing">;
  readonly store: Store;
  readonly data: DataFolder;
  /** A person's ears and voice, for a mailer that is a desk. */
  readonly desk: Omit<MailingDesk, "seen">;
  readonly stopping: AbortSignal;
}

interface OpenMailer {
  readonly mailer: Mailer;
  readonly close: () => void;
}

/** Throws Refusal for a line without one, and for simulated devices in the live environment. */
export async function mailOrder(ask: MailAsk): Promise<MailingEnd> {
  const { stored, line, data } = ask;
  const { order } = stored;
  if (line.mailing === undefined)
    throw new Refusal(
      `line ${line.line} has no mailer: add "mailing: { mailer: desk }" to its file, or name another line with --line`,
    );
  // An intent without an end is a killed run's only while no other run is at it.
  const held = take(join(data.carriers(order), "mailing.json"));
  if ("heldBy" in held) throw new Refusal(`order ${order} is being mailed already, by ${held.heldBy}`);
  try {
    return await mailWith(line.mailing, ask);
  } finally {
    held.release();
  }
}

async function mailWith(file: MailingFile, ask: MailAsk): Promise<MailingEnd> {
  const { stored, store, stopping } = ask;
  const { order } = stored;
  const { mailer, close } = await openMailer(file, ask);
  try {
    return await mailCards({
      order,
      accounts: store.carriers,
      mailer,
      carrierOf: (number) => store.carriers.find(number),
      cardOf: cardsOf(ask),
      stopping: () => stopping.aborted,
    });
  } finally {
    close();
  }
}

async function openMailer(file: MailingFile, ask: MailAsk): Promise<OpenMailer> {
  const { stored, store, data, desk, stopping } = ask;
  const { order, spec } = stored;
  if (file.mailer === "simulated") {
    if (spec.environment === "live")
      throw new Refusal("the mailer of this line is simulated: it mails no cards of the live environment");
    const floor = floorOf(data);
    const mailer = simulatedMailer({ floor, root: data.shopFloor, order, faults: file.faults, chipOf });
    const carriers = await store.carriers.list(order);
    mailer.lay(
      carriers.flatMap(({ carrier, record, state }) =>
        state === "numbered" || state === "mailed" ? [] : [{ carrier, record, void: state === "void" }],
      ),
    );
    return { mailer, close: () => floor.close() };
  }
  if (file.camera === undefined) return { mailer: deskMailer(desk), close: () => undefined };
  const camera = realCameraOf("mailing camera", file.camera, { world: { now: Date.now } });
  const seen = async (): Promise<readonly string[] | undefined> => {
    while (!stopping.aborted) {
      const picture = await camera.capture("front");
      if (picture !== "no-picture") return codesIn(picture);
    }
    return undefined;
  };
  return { mailer: deskMailer({ ...desk, seen }), close: () => camera.close?.() };
}

/**
 * Whose card it is, by the number of its chip or of its body, or by the card number that stands on it: that one is worth something only while
 * the record had no other card, for a reject bears the same.
 */
function cardsOf({ stored: { order }, product, store }: MailAsk) {
  let numbers: Map<string, { readonly serial: Serial; readonly alone: boolean }> | undefined;
  const byCardNumber = async (text: string) => {
    if (numbers === undefined) {
      numbers = new Map();
      for await (const { record, serial, status, cancelled } of store.reports.result(order)) {
        if (status !== "good" || serial === undefined) continue;
        const { fields } = await store.orders.record(order, record);
        const number = fill(product.cardNumber, { ...fields, order, record: String(record) });
        numbers.set(number, { serial: serial as Serial, alone: cancelled.length === 0 });
      }
    }
    return numbers.get(text);
  };
  return async (text: string): Promise<ReadCard | "ambiguous" | undefined> => {
    let blank = (await store.stock.bearing(text)) ?? (await store.stock.bearing(text.toUpperCase()));
    if (blank === undefined) {
      const known = await byCardNumber(text);
      if (known?.alone === false) return "ambiguous";
      blank = known && (await store.stock.find(known.serial));
    }
    if (blank === undefined) return undefined;
    const { serial, order: of, record, state } = blank;
    return {
      serial,
      good: state === "good",
      ...(of === undefined ? {} : { order: of }),
      ...(record === undefined ? {} : { record }),
    };
  };
}
