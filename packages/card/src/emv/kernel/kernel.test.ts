import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { issuerKey, PaymentBench, record, signerOf, testPair } from "../../../tools/payment-bench.js";
import { nodeCrypto } from "../../../node/index.js";
import { type Command, type Response, statusWord } from "../../apdu/index.js";
import { concat, hex, unhex } from "../../bytes/index.js";
import type { CardChannel } from "../../program/index.js";
import { encodeTlv, parseTlv, tlv } from "../../tlv/index.js";
import {
  encipherPinForCard,
  type EncipherPin,
  fillDol,
  type OfflineProof,
  parseDol,
  pinBlock2,
  preparePayment,
  runTransaction,
  samplePayment,
  sampleRecord,
  signDynamicData,
  signIccCertificate,
  signIssuerCertificate,
  type TerminalData,
  type TransactionResult,
} from "../index.js";
import { generate } from "./cryptogram.js";

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
const untouched: Tamper = (_command, response) => response;
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
    ["sda", "42"],
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
      const tvr = proof === "sda" ? "02" : "00";
      expect([result.outcome, hex(result.tvr).slice(0, 2)]).toEqual(["approved online", tvr]);
    }
  });
  test.each([
    ["sda", 3, "62"],
    ["dda", 3, "28"],
    ["cda", 2, "24"],
  ] as const)(
    "%s without a record of its keys: data are missing, and it failed",
    async (proof, number, tvr) => {
      const result = await against(proof, (command, response) =>
        command.ins === 0xb2 && command.p2 === 0x14 && command.p1 === number
          ? { ...response, data: unhex("7000") }
          : response,
      );
      expect([step(result, "offline data authentication"), hex(result.tvr).slice(0, 2)]).toEqual([
        "failed",
        tvr,
      ]);
    },
  );
  test("a list of static data that names more than the AIP: the proof fails, the transaction goes on", async () => {
    const result = await against(
      "dda",
      readSigned((record) => unhex(hex(record).replace("9F4A0182", "9F4A0184"))),
    );
    expect([step(result, "offline data authentication"), result.first?.type]).toEqual(["failed", "ARQC"]);
  });
  test.each([
    ["9F37049F0206", "right"],
    ["9F0206", "wrong"],
  ])(
    "a combined signature over what CDOL %s asks for is %s: an old one has no number of today",
    async (dol, said) => {
      const list = unhex(dol);
      const values = new Map([[0x9f37, unhex("01020304")]]);
      const sent = fillDol(parseDol(list), values);
      const others = [
        tlv(0x9f27, unhex("40")),
        tlv(0x9f36, unhex("0001")),
        tlv(0x9f10, unhex("06011203000000")),
      ];
      const hash = nodeCrypto.sha1(concat(sent, encodeTlv(others)));
      const dynamic = concat(unhex("080000000000000000"), unhex("40"), new Uint8Array(8), hash);
      const number = dol.startsWith("9F37") ? sent.subarray(0, 4) : new Uint8Array(0);
      const icc = testPair("icc", 1152);
      const signature = signDynamicData(nodeCrypto, signerOf(icc), dynamic, number);
      const data = encodeTlv(tlv(0x77, ...others, tlv(0x9f4b, signature)));
      const channel: CardChannel = { exchange: () => Promise.resolve([{ data, sw: statusWord(0x9000) }]) };
      const combined = { key: icc.publicKey, sent: new Uint8Array(0) };
      const ask = { type: "TC" as const, list, values, aip: unhex("6100"), combined };
      expect((await generate(channel, nodeCrypto, ask)).signature).toBe(said);
    },
  );
  test("an AAC is asked for without a signature", async () => {
    const asked: number[] = [];
    const actions = {
      default: unhex("0000000000"),
      denial: unhex("0000008000"),
      online: unhex("0000000000"),
    };
    const listen: Tamper = (command, response) => {
      if (command.ins === 0xae) asked.push(command.p1);
      return response;
    };
    const result = await against("cda", listen, { actions, floorLimit: 0 });
    expect([result.outcome, asked]).toEqual(["declined offline", [0x00]]);
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
    const codes: string[] = [];
    const changed = when(0xae, 0x90, change);
    const listen: Tamper = (command, response) => {
      // 8A is the first object of CDOL2.
      if (command.ins === 0xae && command.p1 === 0x00)
        codes.push(new TextDecoder().decode(command.data?.subarray(0, 2)));
      return changed(command, response);
    };
    const result = await against("cda", listen, { issuer });
    expect([result.outcome, hex(result.tvr).slice(0, 2), asked]).toEqual(["declined offline", "04", 0]);
    // Declined, which is not the same as unable to go online: the card's own record says so too.
    expect(codes).toEqual(["Z1"]);
    expect((result.second?.data.issuerApplicationData[4] ?? 0xff) & 0x01).toBe(0);
  });
  test("an issuer that cannot be reached is told to the card as such", async () => {
    const codes: string[] = [];
    const listen: Tamper = (command, response) => {
      if (command.ins === 0xae && (command.p1 & 0xc0) !== 0x80)
        codes.push(new TextDecoder().decode(command.data?.subarray(0, 2)));
      return response;
    };
    const issuer = () => Promise.resolve("unreachable" as const);
    const { outcome, second } = await against("cda", listen, { issuer });
    expect([outcome, codes]).toEqual(["declined offline", ["Z3"]]);
    expect((second?.data.issuerApplicationData[4] ?? 0) & 0x01).toBe(1);
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

describe("what was done (9B) and found (95, 9F34) is told", () => {
  test.each<[OfflineProof, Partial<TerminalData>, string, string]>([
    // Offline proof, holder, card risk, issuer authentication, terminal risk.
    ["cda", { amount: 3000 }, "F800", "440302"],
    ["dda", { amount: 3000 }, "F800", "440302"],
    ["sda", { amount: 3000, methods: ["plainPin", "none"] }, "F800", "410302"],
    ["none", { amount: 1234 }, "7800", "1F0602"],
    // Nobody proves itself behind an issuer that cannot be reached.
    ["dda", { amount: 1234, issuer: () => Promise.resolve("unreachable") }, "E800", "1F0602"],
  ])("%s %j: %s, %s", async (proof, change, tsi, results) => {
    const bench = new PaymentBench({ profile: { proof } }).personalize();
    const result = await runTransaction(bench.channel, nodeCrypto, bench.terminal(change));
    expect([hex(result.tsi), hex(result.cvmResults)]).toEqual([tsi, results]);
  });

  test("scripts are a step of their own", async () => {
    const bench = new PaymentBench().personalize();
    const result = await runTransaction(
      bench.channel,
      nodeCrypto,
      bench.terminal({
        issuer: (request) =>
          Promise.resolve(bench.answer(request, { after: (script) => [script.pinUnblock()] })),
      }),
    );
    expect(hex(result.tsi)).toBe("FC00");
  });

  test("a card that asks for nothing of it: only its own cryptogram was made", async () => {
    const bare = when(0xa8, undefined, (data) => {
      const at = hex(data).indexOf("8202") / 2 + 2;
      return data.map((byte, index) => (index === at ? 0x00 : byte));
    });
    const result = await against("none", bare, { issuer: () => Promise.resolve("unreachable" as const) });
    expect([hex(result.tsi), hex(result.cvmResults)]).toEqual(["2000", "3F0000"]);
  });

  test("no list of methods though the profile promises one: data are missing, nothing is performed", async () => {
    const result = await against(
      "none",
      readSigned((record) => {
        const [template] = parseTlv(record);
        return encodeTlv(tlv(0x70, ...(template?.children ?? []).filter(({ tag }) => tag !== 0x8e)));
      }),
    );
    expect([hex(result.tvr).slice(0, 6), hex(result.tsi), hex(result.cvmResults)]).toEqual([
      "A00800",
      "3800",
      "3F0000",
    ]);
  });

  test("a card that may not be used here tells its issuer so, and is declined where that is its wish", async () => {
    const sent: string[] = [];
    const terminal = { country: "756", transactionType: 0x01 };
    const usual = new PaymentBench().profile.actions;
    for (const denial of ["0000000000", "0010000000"]) {
      const actions = { ...usual, denial: unhex(denial) };
      const bench = new PaymentBench({ profile: { usage: unhex("A900"), actions } }).personalize();
      const result = await runTransaction(bench.channel, nodeCrypto, bench.terminal(terminal));
      sent.push(`${result.outcome} ${hex(result.tvr).slice(2, 4)}`);
      expect(result.evidence.find(({ step: name }) => name === "restrictions")).toMatchObject({
        result: "failed",
        detail: "it is not meant for international cash",
      });
    }
    expect(sent).toEqual(["approved online 18", "declined offline 18"]);
  });

  test("another version of the application than the terminal's", async () => {
    const known = { applicationVersion: unhex("0001") };
    expect(hex((await against("sda", untouched, known)).tvr).slice(2, 4)).toBe("08");
    const other = { applicationVersion: unhex("0002") };
    expect(hex((await against("sda", untouched, other)).tvr).slice(2, 4)).toBe("88");
  });

  test("a list that asks for them gets 9F33, 9F34, 9F35, 9B and 9F09 of this terminal", async () => {
    const bench = new PaymentBench({ profile: { proof: "none" } }).personalize();
    let asked = "";
    // A card of the same data whose list goes on: its own application would take other lengths only.
    const longer: Tamper = (command, response) => {
      if (command.ins === 0xb2 && command.p2 === 0x14 && command.p1 === 1) {
        const objects = (parseTlv(response.data)[0]?.children ?? []).map((one) =>
          one.tag === 0x8c ? tlv(0x8c, concat(one.value, unhex("9F33039F34039F35019B029F0902"))) : one,
        );
        return { ...response, data: encodeTlv(tlv(0x70, ...objects)) };
      }
      if (command.ins === 0xae) asked = hex(command.data ?? unhex(""));
      return response;
    };
    const change = { amount: 1234, applicationVersion: unhex("0107") };
    await runTransaction(through(bench.channel, longer), nodeCrypto, bench.terminal(change));
    // Plain and enciphered PIN, none; three proofs; no CVM by condition 06; offline with online capability; holder and terminal risk.
    expect(asked.slice(-22)).toBe("2098C8" + "1F0602" + "22" + "4800" + "0107");
  });
});

describe("velocity checking", () => {
  const counting =
    (atc: string, last: string): Tamper =>
    (command, response) => {
      if (command.ins !== 0xca || command.p1 !== 0x9f) return response;
      const told = { 0x36: `9F3602${atc}`, 0x13: `9F1302${last}` }[command.p2];
      if (told === undefined) return response;
      return told.length < 10
        ? { data: unhex(""), sw: statusWord(0x6a88) }
        : { ...response, data: unhex(told) };
    };
  /** Byte 4, and whether it is a new card. */
  const found = async (atc: string, last: string): Promise<string> => {
    const { tvr } = await against("sda", counting(atc, last));
    return `${hex(tvr).slice(6, 8)} ${String(((tvr[1] ?? 0) & 0x08) !== 0)}`;
  };

  // Limits 3 and 5; the text of 10.6.3.
  test.each([
    ["0004", "0001", "00 false"],
    ["0005", "0001", "40 false"],
    ["0006", "0001", "40 false"],
    ["0007", "0001", "60 false"],
    ["0001", "0000", "00 true"],
    ["0009", "0000", "60 true"],
    ["0005", "0005", "60 false"],
    ["0004", "0005", "60 false"],
    ["", "0001", "60 false"],
    ["0004", "", "60 false"],
    ["", "0000", "60 true"],
  ])("ATC %s, last online %s: %s", async (atc, last, bits) => {
    expect(await found(atc, last)).toBe(bits);
  });

  test("a card without both limits among its data is not counted", async () => {
    const asked: string[] = [];
    const without: Tamper = (command, response) => {
      if (command.ins === 0xca) asked.push(hex(Uint8Array.of(command.p1, command.p2)));
      return readSigned((record) => {
        const [template] = parseTlv(record);
        return encodeTlv(tlv(0x70, ...(template?.children ?? []).filter(({ tag }) => tag !== 0x9f23)));
      })(command, response);
    };
    const { tvr } = await against("none", without);
    expect([hex(tvr).slice(2, 4), hex(tvr).slice(6, 8), asked]).toEqual(["00", "00", []]);
  });
});
