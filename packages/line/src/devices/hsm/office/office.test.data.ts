/** An office for tests: two custodians, and a counter that hears what it is told. */
import { generateKeyPairSync } from "node:crypto";
import { hex } from "@persoline/card/bytes";
import type { StoredKey } from "../keystore.js";
import type { Environment } from "../port.js";
import { serve } from "./office.js";
import type { Counter } from "./place.js";
import type { OpenOffice } from "./room.js";
import { emptyBook, type Keep, type KeyAction, type KeyPlan, type OfficeAsk } from "./types.js";

export const at = "2027-03-01T10:00:00.000Z";
const signing = generateKeyPairSync("ed25519").privateKey.export({ format: "der", type: "pkcs8" });
export const ann = { name: "Ann", passphrase: "ann's long passphrase" };
export const bob = { name: "Bob", passphrase: "bob's long passphrase" };
export const eve = { name: "Eve", passphrase: "eve's long passphrase" };

/** An office with a counter of its own, and what it handed out. */
export class Desk {
  keep: Keep;
  block: string | undefined;
  last = "";
  readonly handed: string[] = [];
  /** What the last sitting was told besides. */
  notes: readonly string[] = [];
  /** What was shown to whoever was asked. */
  readonly prompts: string[] = [];
  now = at;

  /** Where its keys are, when it is not a keystore's. */
  readonly #office: OpenOffice | undefined;

  constructor(environment: Environment = "test", office?: OpenOffice) {
    this.#office = office;
    const sign = {
      name: "line-signature",
      use: "sign",
      algorithm: "Ed25519",
      environment,
      published: false,
      value: signing,
    };
    const own: Keep = { environment, revision: 1, keys: [sign as unknown as StoredKey], book: emptyBook };
    this.keep = office?.keep ?? own;
  }

  async ask(
    ask: Exclude<OfficeAsk, { ask: "list" | "request" }>,
    passphrase: string,
    piece = "",
  ): Promise<void> {
    const counter: Counter = {
      ask: (what, prompt) => {
        this.prompts.push(prompt);
        return what === "passphrase" ? passphrase : piece;
      },
      hand: (text) => void this.handed.push(text),
    };
    const sat = await serve(ask, {
      keep: this.keep,
      counter,
      at: this.now,
      program: "test",
      costs: { memoryCost: 64, timeCost: 1 },
      ...(this.#office === undefined ? {} : { room: this.#office.room }),
    });
    this.keep = { ...sat.keep, revision: this.keep.revision + 1 };
    this.#office?.write(this.keep);
    this.block = sat.block;
    this.notes = sat.ceremony?.notes ?? [];
    this.last = sat.ceremony?.number ?? this.last;
    if (sat.refused !== undefined) throw sat.refused;
  }

  enrol = (who: typeof ann) =>
    this.ask({ ask: "begin", action: { do: "custodian", name: who.name }, by: who.name }, who.passphrase);
  begin = (action: KeyAction, who = ann, piece?: string, pieceKcv?: string) =>
    this.ask(
      { ask: "begin", action, by: who.name, ...(pieceKcv === undefined ? {} : { pieceKcv }) },
      who.passphrase,
      piece,
    );
  confirm = (who = bob, piece?: string, pieceKcv?: string) =>
    this.ask(
      { ask: "confirm", number: this.last, by: who.name, ...(pieceKcv === undefined ? {} : { pieceKcv }) },
      who.passphrase,
      piece,
    );
  async both(action: KeyAction): Promise<void> {
    await this.begin(action);
    await this.confirm();
  }

  key(name: string): StoredKey {
    const found = this.keep.keys.find((key) => key.name === name);
    if (found === undefined) throw new Error(`no key ${name}`);
    return found;
  }
  value = (name: string): string => hex(this.key(name).value);
}

export async function opened(environment: Environment = "test", office?: OpenOffice): Promise<Desk> {
  const desk = new Desk(environment, office);
  await desk.enrol(ann);
  await desk.enrol(bob);
  return desk;
}

export const plan = (name: string, more: Partial<KeyPlan> = {}): KeyPlan => ({
  name,
  use: "scp03",
  algorithm: "AES-128",
  ...more,
});
