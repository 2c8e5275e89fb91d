import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { issuerKey, PaymentBench, record, signerOf, testPair } from "../../../tools/payment-bench.js";
import { nodeCrypto } from "../../../node/index.js";
import { type Command, type Response, statusWord } from "../../apdu/index.js";
import { concat, hex, unhex } from "../../bytes/index.js";
import type { CardChannel } from "../../program/index.js";
import { encodeTlv, tlv } from "../../tlv/index.js";
import {
  encipherPinForCard,
  type EncipherPin,
  type OfflineProof,
  pinBlock2,
  preparePayment,
  runTransaction,
  samplePayment,
  sampleRecord,
  signIccCertificate,
  signIssuerCertificate,
  type TerminalData,
  type TransactionResult,
} from "../index.js";

type Tamper = (command: Command, response: Response) => Response;
/** A card whose answers somebody changes on their way. */
const through = (channel: CardChannel, tamper: Tamper): CardChannel => ({
  exchange: async (commands) => {
    const answers = await channel.exchange(commands);
    return answers.map((answer, at) => {
      const sent = commands[at];
      return sent === undefined ? answer : tamper(sent.command, answer);
    });
  },
});
const bit = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, index) => (index === at ? byte ^ 0x01 : byte));
const when =
  (ins: number, p1: number | undefined, change: (data: Uint8Array) => Uint8Array): Tamper =>
  (command, response) =>
    command.ins === ins && (p1 === undefined || command.p1 === p1) && response.sw === 0x9000
      ? { ...response, data: change(response.data) }
      : response;
const readSigned =
  (change: (data: Uint8Array) => Uint8Array): Tamper =>
  (command, response) =>
    command.ins === 0xb2 && command.p2 === 0x14 && command.p1 === 1 && response.sw === 0x9000
      ? { ...response, data: change(response.data) }
      : response;

async function against(
  proof: OfflineProof,
  tamper: Tamper,
  change: Partial<TerminalData> = {},
): Promise<TransactionResult> {
  const bench = new PaymentBench({ profile: { proof } }).personalize();
  const terminal = bench.terminal(change);
  return runTransaction(through(bench.channel, tamper), nodeCrypto, terminal);
}
const step = ({ evidence }: TransactionResult, name: string): string =>
  evidence.flatMap((one) => (one.step === name ? [one.result] : [])).join(" ");

/** A digit of the application version within the signed record: nothing else depends on it. */
const otherVersion = (record: Uint8Array): Uint8Array => {
  const at = hex(record).indexOf("9F0802") / 2;
  return bit(record, at + 4);
};

describe("a kernel that believes nothing", () => {
  test.each([
    ["sda", "40"],
    ["dda", "08"],
    ["cda", "04"],
  ] as const)("%s: static data changed after they were signed", async (proof, tvr) => {
    const result = await against(proof, readSigned(otherVersion));
    expect([step(result, "offline data authentication"), hex(result.tvr).slice(0, 2)]).toEqual([
      "failed",
      tvr,
    ]);
    // Its issuer may still know better: the action codes ask online.
    expect(result.first?.type).toBe("ARQC");
  });
  test("the same cards untouched are believed", async () => {
    for (const proof of ["sda", "dda", "cda"] as const) {
      const result = await against(proof, (_command, response) => response);
      expect([result.outcome, hex(result.tvr).slice(0, 2)]).toEqual(["approved online", "00"]);
    }
  });
  test("an authority it does not know, a certificate past its month, a proof it cannot do", async () => {
    const stranger = await against("dda", (_command, response) => response, { authority: () => undefined });
    expect(hex(stranger.tvr).slice(0, 2)).toBe("08");
    const late = await against("dda", (_command, response) => response, { date: "360101" });
    expect([hex(late.tvr).slice(0, 4), step(late, "offline data authentication")]).toEqual([
      "0848",
      "failed",
    ]);
    const unable = await against("cda", (_command, response) => response, { proofs: [] });
    expect(hex(unable.tvr).slice(0, 2)).toBe("80");
  });
  test("certificates that hold, of another card or another issuer", async () => {
    const profile = samplePayment(issuerKey(), { proof: "dda" });
    const content = { expiry: "1231", serial: unhex("000009") };
    const icc = signIccCertificate(
      nodeCrypto,
      signerOf(testPair("issuer", 1408)),
      {
        ...content,
        pan: sampleRecord(nodeCrypto, "another", 1).pan,
        publicKey: testPair("icc", 1152).publicKey,
      },
      preparePayment(profile, record).staticData,
    );
    const issuer = signIssuerCertificate(nodeCrypto, signerOf(testPair("authority", 1536)), {
      ...content,
      issuer: "999902",
      publicKey: testPair("issuer", 1408).publicKey,
    });
    const others = [
      [
        3,
        [tlv(0x9f46, icc.certificate), tlv(0x9f48, icc.remainder), tlv(0x9f47, icc.exponent)],
        "another card's",
      ],
      [
        2,
        [
          tlv(0x8f, unhex("F1")),
          tlv(0x90, issuer.certificate),
          tlv(0x92, issuer.remainder),
          tlv(0x9f32, issuer.exponent),
        ],
        "another issuer's",
      ],
    ] as const;
    for (const [number, objects, words] of others) {
      const result = await against("dda", (command, response) =>
        command.ins === 0xb2 && command.p2 === 0x14 && command.p1 === number
          ? { ...response, data: encodeTlv(tlv(0x70, ...objects)) }
          : response,
      );
      const found = result.evidence.find((one) => one.step === "offline data authentication");
      expect([found?.result, hex(result.tvr).slice(0, 2)]).toEqual(["failed", "08"]);
      expect(found?.detail).toContain(words);
    }
  });
  test("a dynamic signature with one wrong bit", async () => {
    const result = await against(
      "dda",
      when(0x88, undefined, (data) => bit(data, 60)),
    );
    expect([step(result, "offline data authentication"), hex(result.tvr).slice(0, 2)]).toEqual([
      "failed",
      "08",
    ]);
  });
  test.each([
    ["its signature", (data: Uint8Array) => bit(data, 80)],
    ["its ATC", (data: Uint8Array) => bit(data, hex(data).indexOf("9F3602") / 2 + 4)],
    ["its issuer application data", (data: Uint8Array) => bit(data, data.length - 1)],
  ])("CDA, the answer changed in %s: declined, and the issuer is not even asked", async (_name, change) => {
    let asked = 0;
    const issuer = () => {
      asked++;
      return Promise.resolve("unreachable" as const);
    };
    const result = await against("cda", when(0xae, 0x90, change), { issuer });
    expect([result.outcome, hex(result.tvr).slice(0, 2), asked]).toEqual(["declined offline", "04", 0]);
  });
  test("a TC made of an ARQC, or more than was asked for: stopped", async () => {
    const more = when(0xae, 0x80, (data) =>
      concat(data.subarray(0, 2), Uint8Array.of(0x40), data.subarray(3)),
    );
    const result = await against("dda", more);
    expect([result.outcome, step(result, "first cryptogram")]).toEqual(["stopped", "failed"]);
  });
  test("a cryptogram that is not the card's: the issuer declines", async () => {
    expect(
      (
        await against(
          "dda",
          when(0xae, 0x80, (data) => bit(data, 6)),
        )
      ).outcome,
    ).toBe("declined online");
  });
  test.each([
    [
      "an object twice",
      readSigned((record) => concat(record.subarray(0, 1), unhex("8104"), unhex("5A005A00"))),
    ],
    ["no PAN", readSigned(() => unhex("70035F3400"))],
    ["no template", readSigned((record) => record.subarray(2))],
    ["an AFL of three bytes", when(0xa8, undefined, () => unhex("770A8202790094030801"))],
    ["options in no format", when(0xa8, undefined, () => unhex("7900"))],
    ["a damaged FCI", when(0xa4, undefined, (data) => data.subarray(0, -1))],
    ["a cryptogram in no format", when(0xae, undefined, () => unhex("80020000"))],
  ])("%s: stopped, with the step that found it", async (_name, tamper) => {
    const result = await against("dda", tamper);
    expect([result.outcome, result.evidence.at(-1)?.result]).toEqual(["stopped", "failed"]);
  });
  test("whatever a card answers, the transaction ends, and never approved", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(0x9000, 0x9000, 0x6a83, 0x6283)),
          {
            minLength: 1,
            maxLength: 40,
          },
        ),
        async (answers) => {
          const bench = new PaymentBench();
          let count = 0;
          const channel: CardChannel = {
            exchange: () => {
              const [data = unhex(""), sw = 0x6a82] = answers[count++ % answers.length] ?? [];
              return Promise.resolve([{ data, sw: statusWord(sw) }]);
            },
          };
          const result = await runTransaction(channel, nodeCrypto, bench.terminal());
          expect(result.outcome).toBe("stopped");
        },
      ),
      { numRuns: 50 },
    );
  });
  test("a PIN that others encipher: one challenge, the proved key, never in plain", async () => {
    const block = pinBlock2(record.pin);
    const asked: number[] = [];
    const pin: EncipherPin = ({ key, challenge }) => {
      asked.push(key.modulus.length, challenge.length);
      return Promise.resolve(
        encipherPinForCard(nodeCrypto, key, { block, challenge, random: (length) => new Uint8Array(length) }),
      );
    };
    const sent: string[] = [];
    const listen: Tamper = (command, response) => {
      if (command.ins === 0x20) sent.push(`${String(command.p2)} ${String(command.data?.length)}`);
      return response;
    };
    const ask = { amount: 3000, pin };
    const right = await against("cda", listen, ask);
    expect([step(right, "cardholder verification"), right.outcome]).toEqual(["ok", "approved online"]);
    expect([asked, sent]).toEqual([[144, 8], ["136 144"]]);
    // Without a proved key nothing is enciphered, and the plain method of its list is passed over.
    const bare = await against("none", listen, ask);
    expect([step(bare, "cardholder verification"), asked.length, sent.length]).toEqual(["failed", 2, 1]);
    const wrong = await against("cda", listen, { ...ask, pin: () => Promise.resolve(new Uint8Array(144)) });
    expect(step(wrong, "cardholder verification")).toBe("failed");
    expect(sent).toHaveLength(2);
  });
  test("evidence names no PAN, PIN or cryptogram", async () => {
    const result = await against("cda", (_command, response) => response, { amount: 3000 });
    const text = JSON.stringify(result.evidence);
    const pan = hex(result.data.get(0x5a) ?? unhex(""));
    expect(pan.length).toBe(16);
    for (const secret of [pan, pan.slice(6, 15), hex(result.first?.cryptogram ?? unhex(""))])
      expect(text).not.toContain(secret);
  });
});
