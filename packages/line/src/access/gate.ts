/** One passage: a conversation with whatever card is presented, a decision, a record. The door opens on a record that is durable. */
import { matchAtr } from "@persoline/card/atr";
import type { CardChannel, Serial } from "@persoline/card/program";
import type { Reader } from "../devices/reader/port.js";
import type { GateCard, NativeCard } from "./gate-card.js";
import { chipNumber, type MutualModule, proved } from "./mutual.js";
import { provedNative, type SessionModule, shownNumber, shownUid } from "./native.js";
import { type Claim, type Decision, decide } from "./rules.js";
import type { Credential, Gate, GateRegister, KeyProof, Passage, Reading, Site } from "./types.js";
import { crossing, type ZoneTree } from "./zones.js";

export interface GateParts {
  readonly site: Site;
  readonly tree: ZoneTree;
  /** Of every product whose cards open gates here. */
  readonly cards: readonly GateCard[];
  readonly reader: Reader;
  readonly hsm: MutualModule & SessionModule;
  readonly register: GateRegister;
  /** Milliseconds, monotonic: what a conversation takes. */
  readonly now: () => number;
}

/**
 * Judges a card at a gate. Whatever the card is or does is a recorded passage; throws only what reader and security module throw
 * (DeviceFault): then nothing was decided and the gate stays shut.
 */
export async function pass(
  parts: GateParts,
  gate: Gate,
  ask: { readonly at: number; readonly places: Claim["places"] },
): Promise<Passage & { readonly ms: number }> {
  const { site, tree, register } = parts;
  let holder: Credential | undefined;
  let refusal: Claim["refusal"];
  const reading = await readCard(parts, async (serial) => {
    [holder, refusal] = await Promise.all([register.holder(serial), register.refused(serial)]);
    return holder ?? (refusal === undefined ? undefined : { zones: [] });
  });
  const verdict = decide(site, tree, { ...ask, gate, reading, holder, refusal });
  return { ...record(tree, gate, ask.at, reading, holder, verdict), ms: reading.ms };
}

function record(
  tree: ZoneTree,
  gate: Gate,
  at: number,
  reading: Reading,
  holder: Credential | undefined,
  { decision, event, detail }: Decision,
): Passage {
  const took = `${String(Math.round(reading.ms))} ms`;
  return {
    at: new Date(at).toISOString(),
    gate: gate.name,
    ...crossing(tree, gate),
    decision,
    ...(reading.kind === "card" ? { serial: reading.serial } : {}),
    ...(holder === undefined ? {} : { reference: holder.reference }),
    ...(event === "granted" ? {} : { reason: event }),
    detail: detail === undefined ? `authenticated in ${took}` : `${detail} (${took})`,
  };
}

interface Known {
  readonly zones: readonly string[];
  readonly product?: string;
}

/** `lookUp` tells whether anybody here knows this card: no proof is sent to a stranger. */
async function readCard(
  parts: GateParts,
  lookUp: (serial: Serial) => Promise<Known | undefined>,
): Promise<Reading> {
  const { reader, now } = parts;
  const began = now();
  try {
    let reset = await reader.insert();
    if (reset === "mute") {
      await reader.reseat();
      reset = await reader.insert();
    }
    if (reset === "mute")
      return { kind: "unreadable", detail: "no answer to reset, also after a second try", ms: now() - began };
    const { atr, channel } = reset;
    const fitting = parts.cards.filter((card) => matchAtr(card.atr, atr));
    const serial = await serialOf(fitting, channel, parts.register);
    if (typeof serial !== "string") return { ...serial, ms: now() - began };
    const known = await lookUp(serial);
    const key: KeyProof =
      known === undefined
        ? { result: "unavailable", detail: "not asked: nobody here knows this card" }
        : await proofOf(parts, fitting, channel, { serial, known });
    return { kind: "card", serial, key, ms: now() - began };
  } finally {
    await reader.remove();
  }
}

type Unknown = { readonly kind: "unreadable" | "stranger"; readonly detail: string };

/** Who the card says it is; what it says is proved later, by a key that only this card has. */
async function serialOf(
  fitting: readonly GateCard[],
  channel: CardChannel,
  register: GateRegister,
): Promise<Serial | Unknown> {
  const natives = fitting.filter((card): card is NativeCard => card.kind === "desfire");
  if (natives.length === 0)
    return (
      (await chipNumber(channel)) ?? {
        kind: "unreadable",
        detail: "another type of card: it tells no chip number",
      }
    );
  const uid = await shownUid(channel);
  if (uid === undefined) return { kind: "unreadable", detail: "another type of card: it tells no version" };
  if (uid !== "hidden") return uid;
  for (const card of natives) {
    const number = await shownNumber(card, channel);
    const serial = number === undefined ? undefined : await register.numbered(number);
    if (serial !== undefined) return serial;
  }
  return { kind: "stranger", detail: "it hides its UID, and its card number is in no register of this site" };
}

/** The register says by which product a card was made; one that it only refuses is known by its answer to reset. */
async function proofOf(
  { hsm }: GateParts,
  fitting: readonly GateCard[],
  channel: CardChannel,
  { serial, known }: { readonly serial: Serial; readonly known: Known },
): Promise<KeyProof> {
  const { product, zones } = known;
  const card = fitting.find((one) => product === undefined || one.product === product);
  if (card === undefined)
    return { result: "unavailable", detail: "its answer to reset is that of another type of card" };
  const who = { serial, rights: zones.length };
  return card.kind === "desfire" ? provedNative(hsm, card, channel, who) : proved(hsm, card, channel, who);
}
