import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../../node/index.js";
import { vectorsOf } from "../../../node/testing.js";
import { statusWord } from "../../apdu/index.js";
import { concat, hex, unhex } from "../../bytes/index.js";
import type { CardChannel } from "../../program/index.js";
import { firstMethod, verifyHolder } from "./holder.js";
import { CardKeys } from "./proof.js";
import type { TerminalData } from "./types.js";
import { Verification } from "./verification.js";

interface CvmVector {
  readonly id: string;
  /** Null: there is no list. */
  readonly rules: string | null;
  readonly can: TerminalData["methods"];
  readonly amount?: number;
  readonly currency?: string;
  readonly type?: number;
  readonly cashback?: number;
  readonly atm?: boolean;
  readonly pin?: boolean;
  readonly tries?: number;
  readonly verify?: readonly string[];
  readonly shown?: readonly string[];
  readonly results: string;
  readonly tvr3: string;
  readonly missing?: boolean;
  readonly performed?: boolean;
}

const amounts = unhex("000007D000001388");

/** A card that answers GET DATA of the PIN try counter and VERIFY as the vector says, and nothing else. */
function cardOf({ tries = 3, verify = [] }: CvmVector): { channel: CardChannel; shown: string[] } {
  const shown: string[] = [];
  const channel: CardChannel = {
    exchange: ([sent]) => {
      const { ins = 0, p1 = 0, p2 = 0 } = sent?.command ?? {};
      if (ins === 0xca && p1 === 0x9f && p2 === 0x17)
        return Promise.resolve([{ data: Uint8Array.of(0x9f, 0x17, 1, tries), sw: statusWord(0x9000) }]);
      if (ins !== 0x20) throw new Error(`nobody asks ${ins.toString(16)} here`);
      shown.push(hex(Uint8Array.of(p2)));
      return Promise.resolve([
        { data: unhex(""), sw: statusWord(parseInt(verify[shown.length - 1] ?? "6F00", 16)) },
      ]);
    },
  };
  return { channel, shown };
}

function terminalOf(vector: CvmVector): TerminalData {
  const { amount = 3000, currency = "978", type, cashback, atm, can, pin = true } = vector;
  return {
    applications: [],
    country: "276",
    currency,
    date: "261128",
    amount,
    methods: can,
    proofs: [],
    authority: () => undefined,
    actions: { default: unhex(""), denial: unhex(""), online: unhex("") },
    floorLimit: 0,
    random: (length) => new Uint8Array(length),
    ...(type === undefined ? {} : { transactionType: type }),
    ...(cashback === undefined ? {} : { cashback }),
    ...(atm === undefined ? {} : { atm }),
    ...(pin ? { pin: Uint8Array.of(1, 2, 3, 4) } : {}),
  };
}

async function verified(vector: CvmVector) {
  const { channel, shown } = cardOf(vector);
  const tvr = new Verification();
  const terminal = terminalOf(vector);
  const keys = new CardKeys(nodeCrypto, terminal, { data: new Map(), authenticated: [] });
  const list = vector.rules === null ? undefined : concat(amounts, unhex(vector.rules));
  const card = { list, currency: unhex("0978"), keys, tvr };
  const found = await verifyHolder(channel, nodeCrypto, terminal, card);
  return { ...found, tvr: hex(tvr.bytes), shown };
}

describe("cardholder verification, vector by vector", () => {
  const vectors = vectorsOf<CvmVector>("emv-cvm");

  test.each(vectors)("$id", async (vector) => {
    const { results, tvr, shown, performed, evidence } = await verified(vector);
    expect(hex(Uint8Array.from(results))).toBe(vector.results);
    expect(tvr).toBe(`${vector.missing === true ? "20" : "00"}00${vector.tvr3}0000`);
    expect(shown).toEqual(vector.shown ?? []);
    expect(performed).toBe(vector.performed ?? true);
    const failed = (parseInt(vector.tvr3, 16) & 0x80) !== 0;
    expect(evidence.result).toBe(failed ? "failed" : performed ? "ok" : "not done");
  });

  test("whatever the list says, a PIN is shown once", async () => {
    const vector: CvmVector = {
      id: "often",
      rules: "41004100430041001F00",
      can: ["plainPin", "signature"],
      verify: ["63C2", "9000", "9000"],
      results: "",
      tvr3: "",
    };
    expect((await verified(vector)).shown).toEqual(["80"]);
  });

  test("a list in another currency than is known: rules with amounts are passed over", async () => {
    const [under] = vectors.filter(({ id }) => id === "under-x");
    if (under === undefined) throw new Error("no vector");
    const { channel } = cardOf(under);
    const tvr = new Verification();
    const terminal = terminalOf(under);
    const keys = new CardKeys(nodeCrypto, terminal, { data: new Map(), authenticated: [] });
    const list = concat(amounts, unhex(under.rules ?? ""));
    const found = await verifyHolder(channel, nodeCrypto, terminal, { list, currency: undefined, keys, tvr });
    expect(found.results).toEqual([0x1e, 0x00, 0x00]);
  });
});

describe("what a list comes to first", () => {
  const always = { when: "always", orNext: false } as const;
  const first = (rules: Parameters<typeof firstMethod>[1]["rules"], amount = 3000) =>
    firstMethod({ amount, methods: ["encipheredPin", "signature"] }, { x: 2000, y: 5000, rules });

  test.each([
    ["the PIN", [{ method: "encipheredPin", ...always }], "encipheredPin"],
    [
      "the one behind what it cannot do",
      [
        { method: "plainPin", when: "always", orNext: true },
        { method: "signature", ...always },
      ],
      "signature",
    ],
    [
      "nothing, where the list ends with what it cannot do",
      [
        { method: "plainPin", ...always },
        { method: "signature", ...always },
      ],
      undefined,
    ],
    [
      "nothing, where no condition is met",
      [{ method: "encipheredPin", when: "underX", orNext: false }],
      undefined,
    ],
  ] as const)("%s", (_, rules, method) => {
    expect(first(rules)).toBe(method);
  });
});
