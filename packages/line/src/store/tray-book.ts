/** The line's book of its trays: an append-only file, each line durable before what it speaks of happens. Only open trays are in memory. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import type { OpenTray, TrayBook, TrayDecision, TrayResult, TraySent } from "../ledger/trays.js";

const serial = z.custom<TraySent["cards"][number]["serial"]>((text) => typeof text === "string");
const tray = z.string();
const at = z.string();
const resultEntry = z.strictObject({
  ends: z.array(
    z.strictObject({
      serial,
      state: z.enum(["struck", "rejected", "untouched"]),
      detail: z.string().exactOptional(),
    }),
  ),
  strangers: z.number(),
  missing: z.array(serial),
  more: z.array(z.string()),
});
const entry = z.discriminatedUnion("event", [
  z.strictObject({
    event: z.literal("out"),
    tray,
    at,
    station: z.string(),
    number: z.number(),
    order: z.string(),
    cards: z.array(
      z.strictObject({
        serial,
        label: z.string(),
        record: z.number(),
        attempt: z.number(),
        mark: z.number(),
      }),
    ),
  }),
  z.strictObject({ event: z.literal("accepted"), tray, at }),
  z.strictObject({ event: z.literal("counted"), tray, at, result: resultEntry }),
  z.strictObject({
    event: z.literal("settled"),
    tray,
    at,
    reason: z.string(),
    by: z.string(),
    witness: z.string(),
  }),
  z.strictObject({ event: z.literal("in"), tray, at, receipt: z.string().optional() }),
]);
type Entry = z.output<typeof entry>;

/** One tray's way as the book has it. */
export interface TrayReport extends TraySent {
  readonly outAt: string;
  readonly result?: TrayResult;
  readonly decision?: TrayDecision;
  readonly inAt?: string;
  readonly receipt?: string;
}

export interface OpenTrayBook extends TrayBook {
  /** Two people have decided: the tray is counted in as it came. */
  settled(tray: string, decision: TrayDecision): Promise<void>;
  close(): void;
}

/** Makes the file when there is none. Throws what reading it does, or an Error for a line that is no entry. */
export function openTrayBook(file: string): OpenTrayBook {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const open = new Map<string, OpenTray>();
  let taken = 0;
  const apply = (one: Entry): void => {
    if (one.event === "out") taken++;
    const next = after(open.get(one.tray), one);
    if (next === undefined || one.event === "in") open.delete(one.tray);
    else open.set(one.tray, next);
  };
  if (existsSync(file)) {
    const { entries, whole } = read(file);
    for (const one of entries) apply(one);
    // A kill may have cut the last line short: nothing was done upon it.
    truncateSync(file, whole);
  }
  const out = openSync(file, "a", 0o600);
  const write = (one: Entry): Promise<void> => {
    writeSync(out, `${JSON.stringify(one)}\n`);
    fsyncSync(out);
    apply(one);
    return Promise.resolve();
  };
  const now = (): string => new Date().toISOString();
  return {
    open: () => [...open.values()],
    nextName: (order) => `${order}.tray-${String(taken + 1)}`,
    out: ({ tray: name, station, number, order, cards }) =>
      write({ event: "out", tray: name, at: now(), station, number, order, cards: [...cards] }),
    accepted: (name) => write({ event: "accepted", tray: name, at: now() }),
    counted: (name, { ends, strangers, missing, more }) =>
      write({
        event: "counted",
        tray: name,
        at: now(),
        result: { ends: [...ends], strangers, missing: [...missing], more: [...more] },
      }),
    settled: (name, { reason, by, witness }) =>
      write({ event: "settled", tray: name, at: now(), reason, by, witness }),
    in: (name, receipt) =>
      write({ event: "in", tray: name, at: now(), ...(receipt === undefined ? {} : { receipt }) }),
    close: () => closeSync(out),
  };
}

/** Every tray that the book knows, in the order in which they went out. */
export function trayReports(file: string): TrayReport[] {
  if (!existsSync(file)) return [];
  const trays = new Map<string, TrayReport>();
  for (const one of read(file).entries) {
    if (one.event === "out") {
      const { event: _, at: outAt, ...sent } = one;
      trays.set(one.tray, { ...sent, outAt });
      continue;
    }
    const known = trays.get(one.tray);
    if (known === undefined) continue;
    if (one.event === "counted") {
      const { decision: _, ...rest } = known;
      trays.set(one.tray, { ...rest, result: one.result });
    } else if (one.event === "settled") {
      const { reason, by, witness } = one;
      trays.set(one.tray, { ...known, decision: { reason, by, witness } });
    } else if (one.event === "in") {
      const { at: inAt, receipt } = one;
      trays.set(one.tray, { ...known, inAt, ...(receipt === undefined ? {} : { receipt }) });
    }
  }
  return [...trays.values()];
}

function after(known: OpenTray | undefined, one: Entry): OpenTray | undefined {
  if (one.event === "out") {
    const { tray: name, station, number, order, cards } = one;
    return { tray: name, station, number, order, cards, accepted: false };
  }
  if (known === undefined) throw new Error(`the book of trays names ${one.tray} before it went out`);
  if (one.event === "accepted") return { ...known, accepted: true };
  if (one.event === "counted") {
    const { decision: _, ...rest } = known;
    return { ...rest, result: one.result };
  }
  if (one.event === "settled") {
    const { reason, by, witness } = one;
    return { ...known, decision: { reason, by, witness } };
  }
  return known;
}

function read(file: string): { readonly entries: Entry[]; readonly whole: number } {
  const text = readFileSync(file, "utf8");
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  const entries = whole.split("\n").flatMap((line, number) => {
    if (line === "") return [];
    try {
      return [entry.parse(JSON.parse(line))];
    } catch {
      throw new Error(`${file}:${String(number + 1)}: this is no entry of a book of trays`);
    }
  });
  return { entries, whole: Buffer.byteLength(whole) };
}
