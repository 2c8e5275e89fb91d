import { createHash } from "node:crypto";
import { hex, unhex } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import { statusWord } from "@persoline/card/apdu";
import {
  type CardChannel,
  completedTiming,
  estimate,
  type KeyRef,
  type Outcome,
  type Serial,
  stepCost,
} from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import type { Encoder } from "../devices/encoder/port.js";
import { openStripe } from "../devices/hsm/payment/stripe.js";
import type { Hsm } from "../devices/hsm/port.js";
import type { Fault } from "@persoline/card/virtual";
import {
  calls,
  encoderMachine,
  hsm,
  type Made,
  made,
  PaymentHead,
} from "../plan/gp/payment/life.test.data.js";
import { cardholder, offsetText, paymentText, withProof } from "../plan/gp/payment/payment.test.data.js";
import { transactionTimes } from "../plan/gp/payment/transaction.js";
import { proofOf } from "../ledger/proof.js";
import { Challenges } from "./challenges.js";
import { chipProof } from "./chip.js";
import { identityOf } from "./identity.js";
import { MemoryJournal } from "./memory.test.data.js";
import { quality } from "./quality-control.js";
import { type CardInWork, newCard, usualLimits, usualOutside, type Visit } from "./station.js";
import { idealWorld } from "./world.js";

const nobody = (): never => {
  throw new Error("not asked for in this test");
};
const serial = "504C0000000000000107" as Serial;

/** A finished payment card under the quality station's contacts. */
interface Scene {
  readonly head: PaymentHead;
  readonly card: CardInWork;
  readonly visit: Visit;
  readonly journal: MemoryJournal;
}

interface How {
  readonly text?: string;
  readonly faults?: readonly Fault[];
  readonly module?: Partial<Hsm>;
  readonly through?: (channel: CardChannel) => CardChannel;
  readonly today?: string;
  readonly change?: (how: Made) => Made;
}

async function scene({
  text,
  faults = [],
  module = {},
  through = (one) => one,
  today,
  change,
}: How = {}): Promise<Scene> {
  const how = await made(text ?? paymentText);
  const head = await new PaymentHead(how, faults).until("proof");
  const judged = change?.(how) ?? how;
  const journal = new MemoryJournal();
  const card = newCard(
    { serial, label: "L-000001", lot: "L", state: "in-process", stage: "bound" },
    { stage: "marked" },
  );
  const { prepared, secrets, compiled } = judged;
  card.bound = { record: cardholder, attempt: 1, secrets, prepared };
  const visit: Visit = {
    world: idealWorld(),
    hsm: { ...hsm, openSession: (ask) => hsm.openSession({ order: secrets.order, ...ask }) },
    journal,
    product: compiled,
    limits: usualLimits,
    outside: usualOutside,
    sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
    makeMarks: nobody,
    makeStripe: () => undefined,
    hmacSha256: nobody,
    judgeFaces: nobody,
    keepPicture: nobody,
    payment: { hsm: { ...hsm, ...module }, crypto: nodeCrypto, today: () => today ?? "261128" },
    head: {
      station: "here",
      number: 0,
      reader: {
        name: "reader",
        kind: "simulated",
        insert: () => {
          const channel = head.power();
          const { atr } = compiled;
          return Promise.resolve(
            channel === "mute" ? channel : { atr: atr.completed, findings: [], channel: through(channel) },
          );
        },
        reseat: () => Promise.resolve(),
        remove: () => Promise.resolve(),
      },
      markers: [],
      camera: undefined,
      encoder: undefined,
    },
    challenges: new Challenges(),
  };
  return { head, card, visit, journal };
}

const codeOf = (outcome: Outcome): string => (outcome.kind === "rejected" ? outcome.code : outcome.kind);
async function judged(how: How = {}): Promise<string> {
  const { card, visit } = await scene(how);
  return codeOf(await quality.visit(card, visit));
}
/** What reports tell of it. */
const told = (outcome: Outcome) => proofOf(("findings" in outcome ? outcome.findings : undefined) ?? []);
const findings = (outcome: Outcome): readonly string[] =>
  ("findings" in outcome ? (outcome.findings ?? []) : []).map(({ what, result }) => `${what}: ${result}`);

/** Of the track 2 equivalent the digits that only the module knows: PVV (4), the chip's verification value (3). */
const withDigits =
  (change: (digits: string) => string) =>
  (channel: CardChannel): CardChannel => ({
    exchange: async (commands) =>
      (await channel.exchange(commands)).map((answer) => {
        const text = hex(answer.data);
        const found = /(57[0-9A-F]{2}\d{16}D\d{7}\d)(\d{7})/.exec(text);
        if (found === null) return answer;
        const [whole, kept = "", digits = ""] = found;
        return { ...answer, data: unhex(text.replace(whole, kept + change(digits))) };
      }),
  });

describe("a payment card's proof is a transaction", () => {
  test("a good card: every step, the module's word on its cryptogram, and its counters", async () => {
    const { card, visit, journal } = await scene();
    const outcome = await quality.visit(card, visit);
    expect(codeOf(outcome)).toBe("passed");
    expect(findings(outcome)).toEqual([
      "proof: files read back by content: ok",
      "proof: keys by the session's cryptogram: ok",
      "proof: states and versions: ok",
      "transaction: application selection: ok",
      "transaction: processing options: ok",
      "transaction: records: ok",
      "transaction: offline data authentication: ok",
      "transaction: restrictions: ok",
      "transaction: cardholder verification: ok",
      "transaction: risk management: ok",
      "transaction: first cryptogram: ok",
      "transaction: online: ok",
      "transaction: issuer authentication: ok",
      "transaction: script: ok",
      "transaction: second cryptogram: ok",
      "transaction: script: ok",
      "transaction: script: ok",
      "transaction: ARQC by the security module: ok",
      "transaction: ok",
    ]);
    expect(JSON.stringify(outcome)).toMatch(/encipheredPin/);
    expect(told(outcome)).toEqual({
      read: 3,
      keys: 1,
      states: 8,
      transaction: {
        outcome: "approved online",
        arqc: "right",
        offline: "CDA",
        pin: "verified",
        arpc: "taken",
        scripts: { done: 3, failed: 0 },
      },
    });
    // A new card above the floor limit; every step was done; the list's second rule, successful.
    expect(JSON.stringify(outcome)).toContain("TVR 0008008000, TSI FC00, CVM results 440302");
    const own = journal.notes.filter(({ station }) => station === "quality/transaction");
    expect(own.map(({ event }) => event)).toEqual(["intent", "done"]);
  });

  test.each([
    ["none", "not done"],
    ["sda", "SDA"],
    ["dda", "DDA"],
  ] as const)("with proof %s", async (proof, offline) => {
    const { card, visit } = await scene({ text: withProof(paymentText, proof) });
    const outcome = await quality.visit(card, visit);
    expect(codeOf(outcome)).toBe("passed");
    expect(told(outcome)?.transaction).toMatchObject({ arqc: "right", offline });
  });

  test("before quality control it is told as not done: a line that has none proves no transaction", async () => {
    const { card, visit } = await scene();
    const outcome = await chipProof.visit(card, visit);
    expect(codeOf(outcome)).toBe("passed");
    expect(told(outcome)).toMatchObject({
      read: 3,
      transaction: { outcome: "not done", arqc: "not judged" },
    });
  });

  test("a card that never showed a cryptogram, and one whose cryptogram the module does not believe, are told so", async () => {
    const silent = await scene({ through: lying(0xae) });
    expect(told(await quality.visit(silent.card, silent.visit))?.transaction).toMatchObject({
      outcome: "stopped",
      arqc: "not judged",
    });
    const judgeCryptogram = () => Promise.resolve({ verdict: "wrong" as const });
    const wrong = await scene({ module: { judgeCryptogram } });
    expect(told(await quality.visit(wrong.card, wrong.visit))?.transaction).toMatchObject({
      outcome: "declined online",
      arqc: "wrong",
    });
  });

  test("with an offset in place of a PIN verification value, and a digit of it that is wrong", async () => {
    const text = offsetText(paymentText);
    expect(await judged({ text })).toBe("passed");
    const through = withDigits((digits) => String((Number(digits[0]) + 1) % 10) + digits.slice(1));
    expect(await judged({ text, through })).toBe("wrong-answer");
  });

  test.each([
    ["at an ATM", 'usage: "8200"'],
    ["abroad", 'usage: "1100"'],
  ])("a product that is meant for use %s only is proved there", async (_, usage) => {
    expect(await judged({ text: paymentText.replace("usage: FF00", usage) })).toBe("passed");
  });

  test("nothing that is told of it holds PAN, name, key or cryptogram", async () => {
    const { card, visit, journal, head } = await scene();
    const sent: string[] = [];
    const transmit = head.card.transmit.bind(head.card);
    head.card.transmit = (apdu) => {
      const answer = transmit(apdu);
      if (apdu[1] === 0xae && answer !== undefined) sent.push(hex(answer).slice(-44, -4));
      return answer;
    };
    const text = JSON.stringify([await quality.visit(card, visit), journal.notes]);
    expect(sent).toHaveLength(2);
    for (const secret of [cardholder.fields["pan"], "0151561518", "LUCA", "EXAMPLE", ...sent])
      expect(text.toUpperCase()).not.toContain(secret);
  });

  test("before its first day, and long after, the terminal's day is one on which the card is valid", async () => {
    expect(await judged({ today: "260101" })).toBe("passed");
    expect(await judged({ today: "500101" })).toBe("passed");
  });
});

/** From now on 9000 to this instruction, and nothing done. */
const lying =
  (ins: number, p1?: number) =>
  (channel: CardChannel): CardChannel => ({
    exchange: async (commands) =>
      commands.some(({ command }) => command.ins === ins && command.p1 === (p1 ?? command.p1))
        ? commands.map(() => ({ data: new Uint8Array(0), sw: statusWord(0x9000) }))
        : channel.exchange(commands),
  });
const stores = (grouping: number, byte: number): readonly Fault[] => [
  { kind: "stores-wrong", grouping, byte },
];

/** Its grouping 0101 would be damaged as well. */
const withoutDirectory = paymentText.replaceAll(/^ {2}- \{ name: pp?se.*\n/gm, "");

describe("its time is planned", () => {
  test.each(["none", "sda", "dda", "cda"] as const)(
    "proof %s: what the card's own clock says, and never more",
    async (proof) => {
      const { card, visit, head } = await scene({ text: withProof(paymentText, proof) });
      const { prepared } = card.bound ?? {};
      if (prepared?.payment === undefined) throw new Error("no payment card");
      const programs = [prepared.proof, transactionTimes(prepared.payment)];
      // Power, and the question who it is, for each.
      const asked = identityOf(visit.product).steps.map(
        (step) => stepCost(step, "plain", completedTiming).ms,
      );
      const least = programs.reduce(
        (sum, program) =>
          sum + estimate(program, completedTiming).ms + asked.reduce((all, ms) => all + ms, 0),
        0,
      );
      const before = head.card.elapsedMicros;
      expect(codeOf(await quality.visit(card, visit))).toBe("passed");
      const ms = (head.card.elapsedMicros - before) / 1000;
      expect(least).toBeLessThanOrEqual(ms * 1.01);
      expect(least / ms).toBeGreaterThan(0.95);
    },
  );
});

describe("a bad card is thrown out with its own reason", () => {
  test.each<[string, How, string]>([
    ["another cryptogram key", { faults: stores(0x8000, 3) }, "cryptogram-wrong"],
    ["another key of scripts' integrity", { faults: stores(0x8000, 19) }, "script-wrong"],
    ["another key of confidential scripts", { faults: stores(0x8000, 35) }, "script-wrong"],
    ["another PIN", { faults: stores(0x8010, 1) }, "pin-wrong"],
    ["a damaged RSA key", { faults: stores(0x8203, 30) }, "transaction-wrong"],
    ["lies about the PIN", { through: lying(0x20) }, "pin-wrong"],
    ["lies about its cryptogram", { through: lying(0xae) }, "transaction-wrong"],
    ["lies about scripts", { through: lying(0x24) }, "script-wrong"],
    ["lies about its counters", { through: lying(0xca, 0x9f) }, "counter-wrong"],
    ["falls silent", { faults: [{ kind: "mute-at", ins: 0xae, nth: 1 }] }, "mute"],
  ])("%s", async (_, how, code) => {
    expect(await judged(how)).toBe(code);
  });

  test("damaged records are seen at once, whatever of them: the certificate, the signed data", async () => {
    for (const [grouping, byte] of [
      [0x0201, 20],
      [0x0202, 100],
    ] as const)
      expect([grouping, await judged({ faults: stores(grouping, byte) })]).toEqual([
        grouping,
        "wrong-answer",
      ]);
    // Of these only the security module knows what they must be: the scheme's public key tells.
    expect(await judged({ faults: stores(0x0203, 100) })).toBe("offline-proof-wrong");
    expect(await judged({ faults: stores(0x0204, 90) })).toBe("offline-proof-wrong");
  });

  test.each<[string, string, readonly Fault[], string]>([
    ["an AIP that is not signed", withProof(paymentText, "none"), stores(0x9104, 2), "wrong-answer"],
    ["key index", paymentText.replace("version: 18", "version: 10"), stores(0x9200, 0), "wrong-answer"],
    ["the PAN of track 2", withoutDirectory, stores(0x0101, 6), "wrong-answer"],
    ["the upper offline limit", paymentText, stores(0x3001, 7), "counter-wrong"],
  ])("what neither certificate nor cryptogram covers: %s", async (_, text, faults, code) => {
    expect(await judged({ text })).toBe("passed");
    expect(await judged({ text, faults })).toBe(code);
  });

  test.each<[string, (digits: string) => string]>([
    ["PVV and verification value changed places", (digits) => digits.slice(4) + digits.slice(0, 4)],
    ["one digit of the PVV", (digits) => String((Number(digits[0]) + 1) % 10) + digits.slice(1)],
    ["the last digit", (digits) => digits.slice(0, 6) + String((Number(digits[6]) + 1) % 10)],
  ])("verification values in track 2 that only the module knows: %s", async (_, change) => {
    const kept = await scene({ through: withDigits((digits) => digits) });
    expect(codeOf(await quality.visit(kept.card, kept.visit))).toBe("passed");
    const { card, visit } = await scene({ through: withDigits(change) });
    const outcome = await quality.visit(card, visit);
    expect(codeOf(outcome)).toBe("wrong-answer");
    expect(outcome).toHaveProperty("detail", expect.stringContaining("verification values"));
  });

  test("a certificate of a scheme that terminals do not know", async () => {
    const [other] = [unhex("F1".repeat(192))];
    const change = (how: Made): Made => {
      const { payment } = how.prepared;
      if (payment?.plan.scheme === undefined || other === undefined) throw new Error("no scheme");
      const { scheme } = payment.plan;
      const authority = { ...scheme.authority, key: { ...scheme.authority.key, modulus: other } };
      const plan = { ...payment.plan, scheme: { ...scheme, authority } };
      return { ...how, prepared: { ...how.prepared, payment: { ...payment, plan } } };
    };
    expect(await judged({ change })).toBe("offline-proof-wrong");
  });

  test("another record's card: whose it is comes from the record, not from the card", async () => {
    const change = (how: Made): Made => {
      const { payment } = how.prepared;
      if (payment === undefined) throw new Error("no payment");
      const card = { ...payment.card, name: "EXAMPLE/LUCIA" };
      return { ...how, prepared: { ...how.prepared, payment: { ...payment, card } } };
    };
    expect(await judged({ change })).toBe("wrong-answer");
  });

  test("a TC that is none, where no signature covers it", async () => {
    const through = (channel: CardChannel): CardChannel => ({
      exchange: async (commands) => {
        const answers = await channel.exchange(commands);
        return answers.map((answer, at) => {
          const { ins, p1 } = commands[at]?.command ?? {};
          if (ins !== 0xae || p1 !== 0x40) return answer;
          return { ...answer, data: answer.data.map((byte, place) => (place === 9 ? byte ^ 1 : byte)) };
        });
      },
    });
    expect(await judged({ text: withProof(paymentText, "dda"), through })).toBe("cryptogram-wrong");
  });

  test("a card that takes what it cannot decipher has another PIN after the script, and is found out", async () => {
    let verify = 0;
    const through = (channel: CardChannel): CardChannel => ({
      exchange: async (commands) => {
        const answers = await channel.exchange(commands);
        return answers.map((answer, at) =>
          commands[at]?.command.ins === 0x20 && ++verify === 2
            ? { ...answer, sw: statusWord(0x63c2) }
            : answer,
        );
      },
    });
    expect(await judged({ through })).toBe("script-wrong");
    expect(verify).toBe(2);
  });

  test("masters that were exchanged since the card was made: the order's list does not name them, and the line stops", async () => {
    const change = (how: Made): Made => {
      const { payment } = how.prepared;
      if (payment === undefined) throw new Error("no payment");
      const { application } = payment.plan;
      const masters = { ...payment.plan.masters, smc: "pay-smc-new" as KeyRef };
      const own = how.secrets.payment?.[application];
      if (own === undefined) throw new Error("nothing was prepared");
      return {
        ...how,
        prepared: { ...how.prepared, payment: { ...payment, plan: { ...payment.plan, masters } } },
        secrets: { ...how.secrets, payment: { [application]: { ...own, masters } } },
      };
    };
    const { card, visit } = await scene({ change });
    await expect(quality.visit(card, visit)).rejects.toThrow("does not let this be done");
  });

  test("a card with another PIN gets no script: it is rejected as it is", async () => {
    const { card, visit, head } = await scene({ faults: stores(0x8010, 1) });
    const transmit = head.card.transmit.bind(head.card);
    const scripts: number[] = [];
    head.card.transmit = (apdu) => {
      if (apdu[0] === 0x84 || apdu[0] === 0x04) scripts.push(apdu[1] ?? 0);
      return transmit(apdu);
    };
    expect(codeOf(await quality.visit(card, visit))).toBe("pin-wrong");
    // Sessions of the proof before it are closed by then: what is secured here is an issuer's script.
    expect(scripts.filter((ins) => ins === 0x24 || ins === 0xda)).toEqual([]);
  });

  test("a module that does not believe the card is believed", async () => {
    const judgeCryptogram = () => Promise.resolve({ verdict: "wrong" as const });
    expect(await judged({ module: { judgeCryptogram } })).toBe("cryptogram-wrong");
  });
});

describe("the stripe is judged by what the module makes of the record now", () => {
  /** An encoder over a stripe with these tracks: it opens what it is to compare with its own key. */
  const encoderOver = (stripe: string): Encoder => ({
    name: "encoder",
    kind: "simulated",
    duration: () => 0,
    ready: () => Promise.resolve(),
    encode: nobody,
    verify: ({ content }) => {
      if (content.kind !== "sealed") throw new Error("the stripe of a payment card is sealed");
      const { track2 } = openStripe(
        encoderMachine,
        { order: content.order, record: content.record },
        content.content,
      );
      return Promise.resolve(track2 === stripe ? [] : [{ track: 2, fault: "different" }]);
    },
    confirms: () => Promise.resolve(true),
    read: () => Promise.resolve(undefined),
  });

  /** A card that was not yet judged, with the stripe that its record's becomes. */
  async function judgedWith(stripeOf: (track2: string) => string): Promise<Outcome> {
    const { card, visit } = await scene();
    const { secrets } = card.bound ?? {};
    if (secrets === undefined) throw new Error("no record");
    const application = Object.keys(secrets.payment ?? {})[0] ?? "";
    const place = { order: secrets.order, record: secrets.record };
    const { track2 } = openStripe(encoderMachine, place, calls.stripeAgain({ secrets, application }));
    const sealed = { kind: "sealed", ...place, content: "kept since the order was taken in" } as const;
    return quality.visit(card, {
      ...visit,
      hmacSha256: () => new Uint8Array(32),
      makeStripe: () => ({ coercivity: "high", content: sealed }),
      head: { ...visit.head, encoder: encoderOver(stripeOf(track2)) },
    });
  }

  test("a stripe of an earlier PIN of this record, though its content was kept as this record's", async () => {
    // Four digits of the PIN's verification value are another PIN's.
    const earlier = (track2: string): string =>
      track2.replace(
        /(=\d{8})(\d{4})/,
        (_, kept: string, pvv: string) => kept + String((Number(pvv) + 1) % 10_000).padStart(4, "0"),
      );
    expect(await judgedWith(earlier)).toMatchObject({
      kind: "rejected",
      code: "mark-wrong",
      detail: expect.stringContaining("track 2") as string,
    });
    expect(codeOf(await judgedWith((track2) => track2))).toBe("passed");
  });
});
