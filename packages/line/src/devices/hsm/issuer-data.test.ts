import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { hex, unhex } from "@persoline/card/bytes";
import { frameBody, parsePreamble } from "@persoline/card/issuer-data";
import type { SealedSecrets } from "@persoline/card/program";
import { issuerSecret, proveIssuerFile, takeIssuerRecords, WrappedValues } from "./issuer-data.js";
import { Keyring } from "./keyring.js";
import type { StoredKey } from "./keystore.js";
import type { IssuerRecordsAsk } from "./port.js";

interface Vector {
  readonly id: string;
  readonly mode: string;
  readonly transport: string;
  readonly mac: string;
  readonly signer: string;
  readonly secrets: readonly string[];
  readonly file: string;
}
const path = fileURLToPath(new URL("../../../../card/vectors/issuer-data.json", import.meta.url));
const { vectors } = JSON.parse(readFileSync(path, "utf8")) as { readonly vectors: readonly Vector[] };
const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash("sha256").update(bytes).digest());

function ringOf(
  { transport, mac, signer, mode }: Vector,
  now = Date.parse("2027-01-01"),
  life: Partial<StoredKey> = {},
): Keyring {
  const key = (name: string, use: string, algorithm: string, value: string, more: Partial<StoredKey> = {}) =>
    ({
      name,
      use,
      algorithm,
      environment: "test",
      published: true,
      value: Buffer.from(value, "hex"),
      ...more,
    }) as unknown as StoredKey;
  const keys = [
    key("issuer-tk", "transport", mode === "aes-wrap" ? "AES-256" : "3DES", transport, life),
    key("issuer-mac", "file-mac", "AES-128", mac),
    key("issuer-sign", "issuer-signature", "Ed25519", signer),
    key("store-seal", "seal", "AES-256", "00".repeat(31) + "01"),
  ];
  return new Keyring("test", keys, () => now);
}

function partsOf(file: Uint8Array) {
  const { form, length } = parsePreamble(file);
  const body = file.slice(length);
  const { head, records } = frameBody(form, body);
  const ask: IssuerRecordsAsk = { order: "T-1", form, head, records };
  return { preamble: file.slice(0, length), bodyDigest: sha256(body), ask };
}
const part = { secret: "issuer-dgi", application: "A000000876020101", dgi: 0x8101, length: 16 } as const;
const name = "A000000876020101/8101";
const list = "the list of order T-1";
const secretsOf = (record: number, issuer: SealedSecrets["issuer"] = {}): SealedSecrets => ({
  order: "T-1",
  record,
  pins: {},
  issuer,
});

/** How opening ends: with the refusal's words, or with so many bytes. */
function ended(open: () => Uint8Array): string {
  try {
    const clear = open();
    return `${clear.length} bytes: ${hex(clear)}`;
  } catch (problem) {
    return problem instanceof Error ? problem.message : "";
  }
}

describe.each(vectors)("$id", (vector) => {
  const file = unhex(vector.file);
  const ring = ringOf(vector);
  const { preamble, bodyDigest, ask } = partsOf(file);

  test("is proved, and every secret comes out of the transport key as its issuer had it", () => {
    expect(proveIssuerFile(ring, { preamble, bodyDigest })).toBe(true);
    const sealed = takeIssuerRecords(ring, ask, list, new WrappedValues());
    expect(sealed.map((one) => Object.keys(one))).toEqual([[name], [name], [name]]);
    for (const [at, one] of sealed.entries()) {
      expect(hex(issuerSecret(ring, part, secretsOf(at + 1, one)))).toBe(vector.secrets[at]);
      expect(hex(one[name] ?? new Uint8Array(0))).not.toContain(vector.secrets[at]);
      const padded = issuerSecret(ring, { ...part, pad: 16 }, secretsOf(at + 1, one));
      expect(hex(padded)).toBe(`${vector.secrets[at]}80${"00".repeat(15)}`);
    }
  });

  test("any byte of preamble or body altered: the proof is wrong, or the file no issuer data", () => {
    for (let at = 0; at < file.length; at++) {
      const damaged = file.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x01;
      let proved: boolean | string;
      try {
        const { length } = parsePreamble(damaged);
        proved = proveIssuerFile(ring, {
          preamble: damaged.slice(0, length),
          bodyDigest: sha256(damaged.slice(length)),
        });
      } catch (problem) {
        proved = problem instanceof Error ? problem.name : "thrown";
      }
      expect([at, proved]).not.toEqual([at, true]);
    }
  });

  test("a record altered, or put in another's place, or under another head is refused with all of them", () => {
    const [first, second, third] = ask.records;
    if (first === undefined || second === undefined || third === undefined)
      throw new Error("three records are needed");
    const taken =
      (records: IssuerRecordsAsk["records"], more: Partial<IssuerRecordsAsk> = {}) =>
      () =>
        takeIssuerRecords(ring, { ...ask, records, ...more }, list, new WrappedValues());
    for (const at of [0, first.bytes.length >> 1, first.bytes.length - 1]) {
      const bytes = first.bytes.slice();
      bytes[at] = (bytes[at] ?? 0) ^ 0x01;
      expect(taken([second, { ...first, bytes }])).toThrow("record 1 of the issuer's file: its MAC is wrong");
    }
    expect(taken([{ ...second, number: 1 }])).toThrow("its MAC is wrong");
    expect(taken([{ ...first, mac: second.mac }])).toThrow("its MAC is wrong");
    const text = Buffer.from(ask.head).toString("latin1").replace("Kovex", "Kovey");
    expect(taken([first], { head: Uint8Array.from(Buffer.from(text, "latin1")) })).toThrow(
      "its MAC is wrong",
    );
    expect(taken([first], { order: "T-2" })).toThrow("for order T-1, not for T-2");
    expect(() =>
      takeIssuerRecords(ringOf(vector, Date.parse("2099-01-01")), ask, list, new WrappedValues()),
    ).toThrow("expired");
  });

  test("a sealed secret opens for its record only, in its length only, and with its key in life only", () => {
    const [one = {}, two = {}] = takeIssuerRecords(ring, ask, list, new WrappedValues());
    expect(() => issuerSecret(ring, part, secretsOf(2, one))).toThrow("belongs elsewhere");
    expect(() => issuerSecret(ring, part, secretsOf(1, two))).toThrow("belongs elsewhere");
    expect(() => issuerSecret(ring, { ...part, dgi: 0x8102 }, secretsOf(1, one))).toThrow(
      "no sealed grouping",
    );
    expect(() => issuerSecret(ring, part, secretsOf(1))).toThrow("no sealed grouping");
    expect(() => issuerSecret(ring, { ...part, length: 32 }, secretsOf(1, one))).toThrow(
      "has 16 bytes, the product says 32",
    );
    const life = {
      state: "compromised",
      since: "2027-01-01",
      source: "key-block",
      ceremony: "C-1",
      kcv: "",
    } as const;
    expect(() => issuerSecret(ringOf(vector, undefined, { life }), part, secretsOf(1, one))).toThrow(
      "is compromised",
    );
    const other = ringOf({ ...vector, transport: `${vector.transport.slice(0, -2)}78` });
    // Triple DES has no integrity of its own: another key gives another value, which the card proves wrong.
    const end = ended(() => issuerSecret(other, part, secretsOf(1, one)));
    expect(end).toContain(vector.mode === "aes-wrap" ? "does not open under the transport key" : "16 bytes");
    expect(end).not.toContain(vector.secrets[0]);
    expect(() =>
      takeIssuerRecords(
        ringOf({ ...vector, transport: `11${vector.transport.slice(2)}` }),
        ask,
        list,
        new WrappedValues(),
      ),
    ).toThrow("it is another key");
  });
});

test("a wrapped value that two records of one file have is refused, however far apart; PINs are alike by chance", () => {
  const values = new WrappedValues();
  const one = { id: 0x8101, value: unhex("0102030405060708") };
  values.judge("file", 3, one);
  values.judge("file", 4, { ...one, value: unhex("0102030405060709") });
  // The same record once more, as when a call is repeated.
  values.judge("file", 3, one);
  expect(() => values.judge("file", 90_000, one)).toThrow(
    "records 3 and 90000 of the issuer's file have the same",
  );
  expect(() => values.judge("file", 5, { ...one, id: 0x8102 })).toThrow("records 3 and 5");
  for (const id of [0x8010, 0x8281]) values.judge("file", 6, { ...one, id });
  values.judge("another file", 5, one);
});
