import { type Command, decodeResponse, encodeCommand } from "@persoline/card/apdu";
import { unhex } from "@persoline/card/bytes";
import type { CardChannel, KeyRef, Serial } from "@persoline/card/program";
import { beforeAll, describe, expect, test } from "vitest";
import { gateCard } from "../app/gate-cards.js";
import { Keyring } from "../devices/hsm/keyring.js";
import type { StoredKey } from "../devices/hsm/keystore.js";
import { openOrderNow, placesOf } from "../devices/hsm/order.test.data.js";
import { vaultCalls } from "../devices/hsm/vault-core.js";
import type { Reader } from "../devices/reader/port.js";
import * as desfire from "../plan/desfire/life.test.data.js";
import * as gp from "../plan/gp/life.test.data.js";
import type { AnyProduct } from "../plan/product.js";
import type { GateCard } from "./gate-card.js";
import { type GateParts, pass } from "./gate.js";
import { Whereabouts } from "./presence.js";
import { site } from "./site.test.data.js";
import type { Credential, Gate } from "./types.js";
import { ZoneTree } from "./zones.js";

/** Cards of both other kinds, made by their own programs on the virtual cards, at the gates of one site. Nothing here is scripted. */
const tree = new ZoneTree(site);
const mainIn: Gate = { name: "main-in", from: "outside", to: "SITE", passback: { kind: "off" } };

const toPort = (calls: ReturnType<typeof vaultCalls>): GateParts["hsm"] => ({
  openSession: (ask) => Promise.resolve(calls.openSession(ask)),
  authenticate: (ask) => Promise.resolve(calls.authenticate(ask)),
  unwrap: (ask) => Promise.resolve(calls.unwrap(ask)),
  closeSession: (id) => Promise.resolve(calls.closeSession(id)),
  openMutual: (ask) => Promise.resolve(calls.openMutual(ask)),
  judgeMutual: (ask) => Promise.resolve(calls.judgeMutual(ask)),
});
/** Keys of the same names, drawn elsewhere. */
const stranger = toPort(
  vaultCalls(
    new Keyring(
      "test",
      (
        [
          ["desfire-access-app", "desfire"],
          ["access-app", "application"],
        ] as const
      ).map(([name, use]) => ({
        name: name as StoredKey["name"],
        use,
        algorithm: "AES-128",
        environment: "test",
        published: true,
        value: unhex("00112233445566778899AABBCCDDEEFF"),
      })),
    ),
  ),
);

interface Head {
  readonly card: { powerOn(): Uint8Array | undefined; transmit(apdu: Uint8Array): Uint8Array | undefined };
}
/** `heard`: every command; `twist`: changes an answer on its way. */
function readerOf(
  { card }: Head,
  heard: Command[] = [],
  twist: (at: number, answer: Uint8Array) => Uint8Array = (_, answer) => answer,
): Reader {
  const channel: CardChannel = {
    exchange: (sent) => {
      const answers = [];
      for (const { command, sw } of sent) {
        const answer = card.transmit(encodeCommand(command));
        if (answer === undefined) throw new Error("the card is silent");
        const response = decodeResponse(twist(heard.length, answer));
        heard.push(command);
        answers.push(response);
        if (!sw.some(({ value, mask }) => (response.sw & mask) === value)) break;
      }
      return Promise.resolve(answers);
    },
  };
  return {
    name: "gate",
    kind: "simulated",
    insert: () => Promise.resolve({ atr: card.powerOn() ?? new Uint8Array(0), channel, findings: [] }),
    reseat: () => Promise.resolve(),
    remove: () => Promise.resolve(),
  };
}

interface Kind {
  readonly what: string;
  readonly serial: Serial;
  readonly product: AnyProduct;
  readonly hsm: GateParts["hsm"];
  readonly person: Omit<Credential, "serial" | "status">;
  readonly number: string;
  made: Head;
  fresh: () => Promise<Head>;
}
const none: Head = { card: { powerOn: () => undefined, transmit: () => undefined } };
const ofDesfire = (what: string, text: string): Kind => ({
  what,
  serial: desfire.serial,
  product: desfire.planned(text).product,
  hsm: toPort(desfire.calls),
  person: {
    reference: "NK-0107",
    name: "",
    department: "",
    zones: ["QUAY", "SHED-3", "OFFICE"],
    validUntil: "2028-12-31",
    product: "desfire-access",
  },
  number: "2026-320-0003",
  made: none,
  fresh: () => desfire.livedUntil(text, "end"),
});
const kinds: Kind[] = [
  ofDesfire("DESFire, EV2, hidden UID", desfire.productText),
  ofDesfire("DESFire, EV1", desfire.ev1Text),
  {
    what: "GlobalPlatform",
    serial: gp.serial,
    product: gp.planned(gp.productText).product,
    hsm: toPort(gp.calls),
    person: {
      reference: "GP-00107",
      name: "",
      department: "",
      zones: ["HQ", "DOCK"],
      validUntil: "2028-12-31",
      product: "gp-access",
    },
    number: "GP-26-1-0003",
    made: none,
    fresh: () => gp.livedUntil(gp.productText, "end"),
  },
];
const cards: GateCard[] = [];

beforeAll(async () => {
  for (const kind of kinds) kind.made = await kind.fresh();
  for (const { product } of [kinds[0], kinds[2]].filter((kind) => kind !== undefined))
    cards.push(gateCard(product, "gates.yaml"));
});

function at(
  kind: Kind,
  {
    reader = readerOf(kind.made),
    change = {},
    ...parts
  }: Partial<GateParts> & { readonly change?: Partial<Credential> } = {},
) {
  const own = gateCard(kind.product, "gates.yaml");
  const holder: Credential = { serial: kind.serial, status: "active", ...kind.person, ...change };
  return pass(
    {
      site,
      tree,
      // Every other kind's cards open gates here too.
      cards: [...cards.filter(({ product }) => product !== own.product), own],
      reader,
      hsm: kind.hsm,
      register: {
        holder: (serial) => Promise.resolve(serial === kind.serial ? holder : undefined),
        refused: () => Promise.resolve(undefined),
        numbered: (number) => Promise.resolve(number === kind.number ? kind.serial : undefined),
      },
      now: () => 0,
      ...parts,
    },
    mainIn,
    { at: Date.parse("2026-12-01T11:00:00Z"), places: new Whereabouts(tree) },
  );
}

describe.each(kinds.map((kind) => [kind.what, kind] as const))("a %s card at a gate", (_, kind) => {
  test("proves its key, tells its rights, and is let in, again and again", async () => {
    for (let times = 0; times < 16; times++) {
      const passage = await at(kind);
      expect(passage).toMatchObject({
        decision: "granted",
        serial: kind.serial,
        reference: kind.person.reference,
      });
      expect(passage.reason).toBeUndefined();
    }
  });

  test.each<[string, Partial<Credential>]>([
    ["zones", { zones: ["DOCK"] }],
    ["zones", { zones: ["QUAY", "SHED-3", "OFFICE", "HQ", "YARD"] }],
    ["zones", { zones: ["QUAY", "HQ", "YARD"] }],
    ["number", { reference: "X-1" }],
    ["validity", { validUntil: "2029-12-31" }],
  ])("is refused when it tells other %s than the register (%#)", async (what, change) => {
    expect(await at(kind, { change })).toMatchObject({
      decision: "refused",
      reason: "denied-authentication-factor-error",
      detail: expect.stringContaining(what) as string,
    });
  });

  test("is refused by a gate with other keys, which makes one attempt", async () => {
    const heard: Command[] = [];
    const card = await kind.fresh();
    expect(await at(kind, { hsm: stranger, reader: readerOf(card, heard) })).toMatchObject({
      decision: "refused",
      reason: "denied-incorrect-authentication-factor",
    });
    const attempts = heard.filter(({ ins }) => [0x82, 0xaa, 0x71].includes(ins)).length;
    expect(attempts).toBe(1);
    expect(await at(kind, { reader: readerOf(card) })).toMatchObject({ decision: "granted" });
  });

  test("is not asked for a proof when nobody here knows it", async () => {
    const heard: Command[] = [];
    const register = {
      holder: () => Promise.resolve(undefined),
      refused: () => Promise.resolve(undefined),
      numbered: () => Promise.resolve(undefined),
    };
    expect(await at(kind, { register, reader: readerOf(kind.made, heard) })).toMatchObject({
      decision: "refused",
      reason: "denied-unknown-credential",
    });
    expect(heard.some(({ ins }) => [0x82, 0x84, 0xaa, 0x71].includes(ins))).toBe(false);
  });

  test("that was withdrawn is refused though it proves its key", async () => {
    const register = {
      holder: () => Promise.resolve(undefined),
      refused: () => Promise.resolve({ reason: "withdrawn", since: "2026-11-20T10:00:00.000Z" }),
      numbered: () => Promise.resolve(kind.serial),
    };
    expect(await at(kind, { register })).toMatchObject({
      decision: "refused",
      reason: "denied-credential-disabled",
      detail: expect.stringContaining("still proves its key") as string,
    });
  });

  test("whose holder the register has under another product opens nothing", async () => {
    expect(await at(kind, { change: { product: "office-access" } })).toMatchObject({
      decision: "refused",
      reason: "denied-authentication-unavailable",
    });
  });

  test("is refused whatever a bit changes on its way, and never twice asked for a proof", async () => {
    const whole: Command[] = [];
    await at(kind, { reader: readerOf(kind.made, whole) });
    const letIn: number[] = [];
    for (let place = 0; place < whole.length; place++) {
      const heard: Command[] = [];
      const card = await kind.fresh();
      let changed = false;
      const reader = readerOf(card, heard, (now, answer) => {
        if (now !== place || answer.length === 2) return answer;
        changed = true;
        return answer.map((byte, index) => (index === answer.length - 3 ? byte ^ 1 : byte));
      });
      const { decision } = await at(kind, { reader });
      if (changed && !isUnjudged(whole[place], kind) && decision === "granted") letIn.push(place);
      expect(heard.filter(({ ins }) => [0x82, 0xaa, 0x71].includes(ins)).length).toBeLessThanOrEqual(1);
    }
    expect(letIn).toEqual([]);
    expect(whole.length).toBeGreaterThan(3);
  });
});

/**
 * What nobody judges: of GetVersion hardware and production data; of a GlobalPlatform card the name in the answer to SELECT, and, after its
 * proof, groupings in the open (the register decides).
 */
const isUnjudged = (command: Command | undefined, { what }: Kind): boolean =>
  what === "GlobalPlatform"
    ? command?.ins === 0xa4 || (command?.ins === 0xca && command.cla === 0x00)
    : command?.ins === 0x60 || (command?.ins === 0xaf && command.data === undefined);

test("a gate's session reads and does nothing else", () => {
  const key = { keys: "desfire-access-app" as KeyRef, input: ["uid", "aid", "key"] as const };
  const channel = { protocol: "desfire", version: "ev2", aid: 1, keyNumber: 1, key, gate: true } as const;
  const answer = { sw: 0x9100 as never, data: new Uint8Array(0) };
  for (const [ins, told] of [
    [0x3d, /only reads: command 3D/],
    [0xc4, /only reads: command C4/],
  ] as const) {
    const { session } = desfire.calls.openSession({ channel, serial: "04A1B2C3D4E5F6" as Serial });
    const step = {
      cla: 0x90,
      ins,
      p1: 0,
      p2: 0,
      data: [unhex("01")],
      native: { clear: 1, send: "full", receive: "mac" },
    } as const;
    expect(() => desfire.calls.authenticate({ session, answer, steps: [step] })).toThrow(told);
    expect(() => desfire.calls.authenticate({ session, answer, steps: [] })).toThrow(/no session/);
  }
});

test("a master that makes no new cards any more still knows its old ones at the gate, and nowhere else", () => {
  const life = {
    state: "deactivated",
    since: "2026-01-01",
    source: "drawn",
    ceremony: "C-1",
    kcv: "000000",
  } as const;
  const calls = vaultCalls(
    new Keyring("test", [
      {
        name: "desfire-access-app" as StoredKey["name"],
        use: "desfire",
        algorithm: "AES-128",
        environment: "test",
        published: true,
        value: unhex(desfire.masters["desfire-access-app"] ?? ""),
        life,
      },
      {
        name: "store-seal" as StoredKey["name"],
        use: "seal",
        algorithm: "AES-256",
        environment: "test",
        published: true,
        value: new Uint8Array(32),
      },
    ]),
  );
  const key = { keys: "desfire-access-app" as KeyRef, input: ["uid", "aid", "key"] as const };
  const answer = { sw: 0x9100 as never, data: new Uint8Array(0) };
  const outside = { protocol: "desfire", version: "ev2", aid: 1, keyNumber: 1, key } as const;
  openOrderNow(calls, "G-1", placesOf(outside, []));
  const begin = (gate: boolean) => {
    const channel = {
      ...outside,
      ...(gate ? { gate } : {}),
    };
    const { session } = calls.openSession({
      channel,
      serial: desfire.serial,
      ...(gate ? {} : { order: "G-1" }),
    });
    return calls.authenticate({ session, answer, steps: [] });
  };
  expect(begin(true)).toMatchObject({ ok: true });
  expect(() => begin(false)).toThrow(/deactivated/);
});
