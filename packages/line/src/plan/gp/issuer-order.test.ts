/** A payment application whose issuer made all its data: what the file's instructions do to the commands that the card hears. */
import { concat, hex, unhex, utf8 } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import { parseRecord } from "@persoline/card/issuer-data";
import { partLength, type SealedSecrets, type SecureStep } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { openOrderNow, placesIn, sessionsOf } from "../../devices/hsm/order.test.data.js";
import { listed, policyDigest } from "../../devices/hsm/order-policy.js";
import { seal } from "../../devices/hsm/seal.js";
import { sealingAlone } from "../../devices/hsm/seal.test.data.js";
import { wrapPadded } from "../../devices/hsm/transport.js";
import { clearFields, instructionFields } from "../../orders/issuer.js";
import { prepare, recordProblems } from "../prepare.js";
import { chip, GpHead, moduleWith, planned, productText, record } from "./life.test.data.js";

const AID = "F050534C501010";
const secrets: Readonly<Record<string, string>> = {
  "8000": "0123456789ABCDEFFEDCBA98765432101123456789ABCDEFFEDCBA98765432102123456789ABCDEFFEDCBA9876543210",
  "8010": "241234FFFFFFFFFF8000000000000000",
};
const checks = [0, 32, 64].map((at) =>
  hex(nodeCrypto.des3(unhex(secrets["8000"]?.slice(at, at + 32) ?? "")).encrypt(new Uint8Array(8))).slice(
    0,
    6,
  ),
);
const plain: Readonly<Record<string, string>> = {
  "0101": "700A8C039F37048D039F3704",
  "0B01": "00112233445566778899AABB",
  "9000": checks.join(""),
  "9010": "0303",
  "9102": "A503500141",
  "9104": "82020000940408010100",
  "9200": "010A",
  "9207": "0102",
};
const sizes = Object.entries({ ...plain, ...secrets }).map(
  ([id, value]) =>
    `      "${id}": { bytes: ${value.length / 2}${secrets[id] === undefined ? "" : ", secret: true"} }`,
);
const text = productText
  .replace(
    /^applications:[\s\S]*?^person:/m,
    `applications:
  - name: payment
    package: A00000087603
    module: A0000008760301
    aid: ${AID}
    issuer:
${sizes.join("\n")}

person:`,
  )
  .replace(/^(?:register|gate): .*\n/gm, "");

interface Wishes {
  readonly order?: readonly (readonly string[])[];
  readonly group?: readonly (readonly string[])[];
  readonly vercntl?: readonly string[];
  readonly random?: readonly string[];
}
const transport = "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4";

/** From the record's bytes in the issuer's file to the card; every STORE DATA by the groupings in it, with the card's answer. */
async function made(instructions: Wishes, change: Readonly<Record<string, string>> = {}) {
  const app = {
    aid: AID,
    mode: "aes-wrap",
    level: 1,
    plain: { ...plain, ...change },
    secret: Object.fromEntries(
      Object.entries(secrets).map(([id, value]) => [id, hex(wrapPadded(unhex(transport), unhex(value)))]),
    ),
    instructions,
  };
  const read = parseRecord("json", {
    number: 3,
    bytes: utf8(JSON.stringify({ data: {}, applications: [app] })),
  });
  const own = { ...record, fields: { ...record.fields, ...clearFields(read), ...instructionFields(read) } };
  const compiled = planned(text);
  const { personalization, proof, unproved } = prepare(compiled, own, { order: "GP-26-3" });
  const calls = moduleWith({ "issuer-tk": ["transport", "AES-256", transport] });
  const sentences = listed(placesIn([compiled.initialisation, personalization, proof]));
  openOrderNow(calls, "GP-26-3", sentences);
  const whose = { order: "GP-26-3", record: 3 };
  const issuer = Object.fromEntries(
    read.applications.flatMap(({ groupings }) =>
      groupings.flatMap(({ id, value, secret }) => {
        const name = `${AID}/${id.toString(16).toUpperCase()}`;
        const clear = concat(Uint8Array.of(0, 9), utf8("issuer-tk"), value);
        const place = { purpose: "issuer-dgi", ...whose, policy: policyDigest(sentences), name } as const;
        return secret ? [[name, seal(sealingAlone(new Uint8Array(32)), place, clear)] as const] : [];
      }),
    ),
  );
  const sealed: SealedSecrets = { ...whose, pins: {}, issuer };
  const head = new GpHead(chip(compiled));
  const heard: string[] = [];
  const hsm = sessionsOf(calls, "GP-26-3");
  let coming: string[] = [];
  const authenticate: typeof hsm.authenticate = (ask) => {
    coming = ask.steps.filter(storesGroupings).map((step) => groupingsIn(step).join("+"));
    return hsm.authenticate(ask);
  };
  const transmit = head.card.transmit.bind(head.card);
  head.card.transmit = (apdu) => {
    const answer = transmit(apdu);
    const [cla = 0, ins = 0, p1 = 0] = apdu;
    if (cla === 0x84 && storesGroupings({ ins, p1 }))
      heard.push(`${coming.shift() ?? "none"}:${hex(answer?.slice(-2) ?? new Uint8Array(0))}`);
    return answer;
  };
  const ends: string[] = [];
  for (const program of [compiled.initialisation, personalization, proof]) {
    const end = await head.run(program, { hsm: { ...hsm, authenticate }, secrets: sealed });
    ends.push(end.kind === "rejected" ? `${end.code}: ${end.detail}` : end.kind);
    if (end.kind !== "passed") break;
  }
  return { heard, ends, unproved, own, compiled };
}

const storesGroupings = ({ ins, p1 }: Pick<SecureStep, "ins" | "p1">): boolean =>
  ins === 0xe2 && (p1 & 0x18) === 0x08;

/** Identifiers in one command's data, whose secrets only the module and the card see. */
function groupingsIn({ data: parts }: SecureStep): string[] {
  const data = concat(
    ...parts.map((part) => (part instanceof Uint8Array ? part : new Uint8Array(partLength(part, "scp03")))),
  );
  const found: string[] = [];
  for (let at = 0; at + 3 <= data.length; at += 3 + (data[at + 2] ?? 0))
    found.push(hex(data.subarray(at, at + 2)));
  return found;
}

const whole = { order: [["9010", "8010"]], vercntl: ["9207"] } as const;
const passed = ["passed", "passed", "passed"];
const ok = (...ids: readonly string[]) => ids.map((id) => (id.includes(":") ? id : `${id}:9000`));

describe("an issuer's payment application on the virtual card", () => {
  test("ORDER and VERCNTL: the tries before the PIN, and a grouping that this version does not know", async () => {
    const { heard, ends, unproved } = await made(whole);
    expect(heard).toEqual(
      ok("0101", "0B01", "8000", "9010", "9000", "8010", "9102", "9104", "9207:6A88", "9200"),
    );
    expect(ends).toEqual(passed);
    expect(unproved).toEqual([
      "groupings 9207 of payment: the card may have refused them (VERCNTL)",
      "content of groupings 0101, 0B01, 8000, 8010, 9000, 9010, 9102, 9104, 9200 of payment: they are not read, and the application is asked for no proof",
    ]);
  });

  test("without ORDER the PIN comes before its tries, and the card refuses it", async () => {
    const { heard, ends } = await made({ vercntl: ["9207"] });
    expect(heard.map((one) => one.slice(0, 4))).toEqual([
      "0101",
      "0B01",
      "8000",
      "8010",
      "9000",
      "9010",
      "9102",
      "9104",
      "9207",
      "9200",
    ]);
    expect(heard.at(-1)).toBe("9200:9580");
    expect(ends[1]).toContain("9580");
  });

  test("without VERCNTL a grouping that the card does not know rejects it", async () => {
    const { heard, ends } = await made({ order: whole.order });
    expect(heard.at(-1)).toBe("9207:6A88");
    expect(ends[1]).toMatch(/^command-refused: .*6A88/);
  });

  test("GROUP: several in one command, in its sequence", async () => {
    const { heard, ends } = await made({
      ...whole,
      group: [
        ["9200", "9104", "9102"],
        ["0B01", "0101"],
      ],
    });
    expect(heard).toEqual(ok("0B01+0101", "8000", "9010", "9000", "8010", "9207:6A88", "9200+9104+9102"));
    expect(ends).toEqual(passed);
  });

  test("GROUP of secrets: both under the session's key in one command", async () => {
    const { heard, ends } = await made({
      order: [["9010", "8000"]],
      group: [["8000", "8010"]],
      vercntl: ["9207"],
    });
    expect(heard).toEqual(
      ok("0101", "0B01", "9010", "8000+8010", "9000", "9102", "9104", "9207:6A88", "9200"),
    );
    expect(ends).toEqual(passed);
  });

  test("GROUP that no command has room for is told before a card moves", async () => {
    const { own, compiled } = await made(whole);
    const full = text.replace('"0B01": { bytes: 12 }', '"0B01": { bytes: 230 }');
    const fields = {
      ...own.fields,
      [`dgi:${AID}/0B01`]: "00".repeat(230),
      [`sent:${AID}`]: JSON.stringify({ order: [], groups: [[0x0b01, 0x0101]], optional: [], random: [] }),
    };
    expect(compiled.name).toBe("gp-access");
    expect(
      recordProblems(planned(full), { ...own, fields }, { order: "GP-26-3", file: "cards.issuer" }),
    ).toMatchObject([
      {
        code: "does-not-fit",
        message: expect.stringContaining("they need 248 bytes, a command takes 239") as string,
      },
    ]);
  });
});
