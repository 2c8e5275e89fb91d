import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { issued, issuerKey, masters, PaymentBench, record } from "../../../tools/payment-bench.js";
import { nodeCrypto } from "../../../node/index.js";
import { codeOf } from "../../../node/testing.js";
import { hex, unhex } from "../../bytes/index.js";
import { findTlv, parseTlv } from "../../tlv/index.js";
import {
  cardVerificationValue,
  isPan,
  judgeCryptogram,
  luhnDigit,
  naturalPin,
  type OnlineRequest,
  parseTrack2,
  parseTrack2Equivalent,
  type PaymentRecord,
  pinFromOffset,
  pinVerificationValue,
  preparePayment,
  runTransaction,
  samplePayment,
  sampleRecord,
  storePrepared,
  track2,
  usualIbm3624,
} from "../index.js";

const profile = samplePayment(issuerKey());

describe("preparation", () => {
  test("one seed, one card; each number another", () => {
    const numbers = Array.from({ length: 200 }, (_, n) => sampleRecord(nodeCrypto, "a", n));
    expect(numbers).toEqual(Array.from({ length: 200 }, (_, n) => sampleRecord(nodeCrypto, "a", n)));
    expect(new Set(numbers.map(({ pan }) => pan)).size).toBe(200);
    expect(numbers.every(({ pan }) => isPan(pan))).toBe(true);
    expect(sampleRecord(nodeCrypto, "b", 0).pan).not.toBe(numbers[0]?.pan);
  });
  test("chip and stripe say the same; each has its own verification value", () => {
    fc.assert(
      fc.property(fc.nat(5000), (n) => {
        const who = sampleRecord(nodeCrypto, "agree", n);
        const card = issued(profile, "scp03", who);
        const first = card.dgis.find(({ id }) => id === 0x0101)?.value ?? unhex("");
        const chip = parseTrack2Equivalent(findTlv(parseTlv(first), 0x70, 0x57)?.value ?? unhex(""));
        const stripe = parseTrack2(card.track2);
        const { discretionary: onChip, ...chipRest } = chip;
        const { discretionary: onStripe, ...stripeRest } = stripe;
        expect(chipRest).toEqual(stripeRest);
        expect(stripeRest).toEqual({ pan: who.pan, expiry: who.expiry, serviceCode: "201" });
        const pvv = pinVerificationValue(nodeCrypto, masters.pvk, {
          pan: who.pan,
          keyIndex: 1,
          pin: record.pin,
        });
        const value = (serviceCode: string): string =>
          cardVerificationValue(nodeCrypto, masters.cvk, { pan: who.pan, expiry: who.expiry, serviceCode });
        expect([onStripe, onChip]).toEqual([`1${pvv}${value("201")}`, `1${pvv}${value("999")}`]);
        expect(card.track1).toContain(`^${who.name}^${who.expiry}201${onStripe}?`);
        const offset = { ...profile, pinVerification: { by: "offset", keyIndex: 6, digits: 4 } as const };
        const other = parseTrack2(issued(offset, "scp03", who).track2).discretionary;
        const form = usualIbm3624(who.pan);
        const natural = naturalPin(nodeCrypto, masters.pvk, { pan: who.pan, length: 4, form });
        expect([other[0], pinFromOffset(natural, other.slice(1, 5)), other.slice(5)]).toEqual([
          "6",
          record.pin,
          value("201"),
        ]);
      }),
      { numRuns: 20 },
    );
  });
  test("no secret stands in what is prepared, and every length is known beforehand", () => {
    for (const proof of ["none", "sda", "dda", "cda"] as const) {
      const prepared = preparePayment({ ...profile, proof }, record);
      const card = issued({ ...profile, proof }, "scp02");
      expect(card.dgis.map(({ id }) => id)).toEqual(prepared.dgis.map(({ id }) => id));
      const lengths = prepared.dgis.map(({ parts }) => parts.reduce((sum, part) => sum + part.length, 0));
      expect(card.dgis.map(({ value }) => value.length)).toEqual(lengths);
      const known = prepared.dgis.flatMap(({ parts }) =>
        parts.flatMap((part) => (part instanceof Uint8Array ? [hex(part)] : [])),
      );
      const secrets = card.dgis.filter(({ secret }) => secret !== undefined).map(({ value }) => hex(value));
      expect(secrets.length).toBe(proof === "dda" || proof === "cda" ? 7 : 2);
      for (const secret of secrets) expect(known.join(" ")).not.toContain(secret);
      const secretIds = prepared.dgis.filter(({ encrypted }) => encrypted !== undefined).map(({ id }) => id);
      expect(card.dgis.filter(({ secret }) => secret !== undefined).map(({ id }) => id)).toEqual(secretIds);
    }
  });
  test("one STORE DATA a grouping, byte for byte what the card is sent; values of the module are never cut", () => {
    for (const [scp, block] of [
      ["scp02", 8],
      ["scp03", 16],
    ] as const) {
      const bench = new PaymentBench({ scp });
      const session = bench.open();
      const card = issued(bench.profile, scp);
      const commands = bench.storing(card.dgis, session);
      const blocks = storePrepared(preparePayment(bench.profile, record).dgis, { block });
      expect(blocks.map(({ p1, p2 }) => [p1, p2])).toEqual(commands.map(({ p1, p2 }) => [p1, p2]));
      const lengths = blocks.map(({ parts }) => parts.reduce((sum, part) => sum + part.length, 0));
      expect(lengths).toEqual(commands.map(({ data }) => data?.length));
      const begins = blocks.map(({ parts }) => (parts[0] instanceof Uint8Array ? hex(parts[0]) : ""));
      expect(begins).toEqual(
        commands.map(({ data = unhex("") }, at) => hex(data.subarray(0, (begins[at] ?? "").length / 2))),
      );
      const sealed = blocks.flatMap(({ parts }) => parts.flatMap((part) => ("sealed" in part ? [part] : [])));
      expect(sealed.map(({ padded }) => padded)).toEqual([
        false,
        scp === "scp03",
        true,
        true,
        true,
        true,
        true,
      ]);
    }
    const [long] = preparePayment(profile, record).dgis;
    expect(codeOf(() => storePrepared([{ id: 1, parts: [new Uint8Array(240)] }], { block: 8 }))).toBe(
      "too-long",
    );
    expect(
      codeOf(() =>
        storePrepared([{ id: 0x8000, parts: [new Uint8Array(48)], encrypted: "whole-blocks" }], { block: 8 }),
      ),
    ).toBe("bad-value");
    expect(storePrepared(long === undefined ? [] : [long], { block: 8, structure: "none" })[0]?.p1).toBe(
      0x80,
    );
  });
  test("a right cryptogram is answered, one wrong bit of it or of what it speaks of is not", async () => {
    const bench = new PaymentBench().personalize();
    const requests: OnlineRequest[] = [];
    const keep = (request: OnlineRequest) => {
      requests.push(request);
      return Promise.resolve("unreachable" as const);
    };
    await runTransaction(bench.channel, nodeCrypto, bench.terminal({ issuer: keep }));
    const [request] = requests;
    const judge = (change: Partial<OnlineRequest>): string => {
      const asked = { ...(request as OnlineRequest), ...change };
      return judgeCryptogram(nodeCrypto, masters.ac, { request: asked, option: "B", responseCode: "00" })
        .verdict;
    };
    expect(judge({})).toBe("right");
    expect(judge({ psn: "02" })).toBe("wrong");
    expect(judge({ version: 10 })).toBe("wrong");
    for (let at = 0; at < 8; at++)
      expect(
        judge({
          cryptogram: request?.cryptogram.map((byte, i) => (i === at ? byte ^ 1 : byte)) ?? unhex(""),
        }),
      ).toBe("wrong");
  });
  test("an offset needs a digit of the PAN more than a verification value", () => {
    const short = { ...record, pan: sampleRecord(nodeCrypto, "short", 1).pan.slice(0, 11) };
    const who = { ...short, pan: `${short.pan}${luhnDigit(short.pan)}` };
    expect(() => preparePayment(profile, who)).not.toThrow();
    const offset = { ...profile, pinVerification: { by: "offset", keyIndex: 1, digits: 4 } as const };
    expect(codeOf(() => preparePayment(offset, who))).toBe("bad-value");
  });
  test.each<readonly [string, Partial<PaymentRecord>]>([
    [
      "a PAN with a wrong last digit",
      { pan: record.pan.replace(/.$/, (last) => String((Number(last) + 1) % 10)) },
    ],
    ["another issuer's PAN", { pan: "4111111111111111" }],
    ["a sequence number of one digit", { psn: "1" }],
    ["a month 13", { expiry: "3113" }],
    ["effective after expiry", { effective: "3201" }],
    ["a name with a caret", { name: "DOE^JOHN" }],
  ])("%s is refused by its field, without its value", (_name, change) => {
    const wrong = { ...record, ...change };
    expect(codeOf(() => preparePayment(profile, wrong))).toBe("bad-value");
    const [value = ""] = Object.values(change);
    expect(() => preparePayment(profile, wrong)).not.toThrow(value);
  });
  test("a profile that is none", () => {
    expect(codeOf(() => preparePayment({ ...profile, label: "a label far too long" }, record))).toBe(
      "bad-value",
    );
    expect(codeOf(() => preparePayment({ ...profile, language: "EN" }, record))).toBe("bad-value");
    const { issuerKey: _, ...keyless } = profile;
    expect(codeOf(() => preparePayment(keyless, record))).toBe("bad-value");
    expect(codeOf(() => preparePayment({ ...profile, usage: unhex("FF") }, record))).toBe("bad-value");
    expect(() => track2({ pan: record.pan, expiry: "3101", serviceCode: "2", discretionary: "" })).toThrow(
      "service code",
    );
  });
  test("a long PAN with option B, a short one, leap years: the card works", () => {
    const bench = new PaymentBench({ profile: { issuer: "999901" } });
    for (const [length, expiry] of [
      [19, "2802"],
      [13, "3002"],
    ] as const) {
      const payload = `999901${"0".repeat(length - 7)}`;
      const pan = Array.from("0123456789", (digit) => payload + digit).find(isPan) ?? "";
      const prepared = preparePayment(bench.profile, { ...record, pan, expiry });
      const signed = hex(prepared.staticData);
      expect(signed).toContain(`5F2403${expiry}${expiry === "2802" ? "29" : "28"}`);
      const card = issued(bench.profile, "scp03", { ...record, pan, expiry });
      expect(parseTrack2(card.track2).pan).toBe(pan);
    }
  });
});
