import { spawnSync } from "node:child_process";
import { createCipheriv } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { idealLine, persoline, root } from "./command.test.data.js";
import { openStore } from "../store/store.js";
import type { Produced } from "./end-run.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-issuer-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const example = join(root, "examples/issuer-access");

interface Description {
  form: "binary" | "json";
  mode: string;
  proof: Record<string, string>;
  transport: Record<string, string>;
  mac: Record<string, string>;
  head: Record<string, string>;
  announced?: number;
  records: {
    data: Record<string, string>;
    applications: {
      aid: string;
      level: number;
      plain: Record<string, string>;
      secret: Record<string, string>;
      instructions?: {
        order?: string[][];
        group?: string[][];
        vercntl?: string[];
        random?: string[];
      };
    }[];
  }[];
}
const described = (): Description =>
  JSON.parse(readFileSync(join(example, "cards.json"), "utf8")) as Description;

/** The issuer's own program, in another language and with another library. */
function issuerWrites(description: Description, file: string): Buffer {
  writeFileSync(join(folder, "cards.json"), JSON.stringify(description));
  const { status, stderr } = spawnSync(
    "python3",
    [join(example, "issuer.py"), join(folder, "cards.json"), file],
    {
      encoding: "utf8",
    },
  );
  expect([status, stderr]).toEqual([0, ""]);
  return readFileSync(file);
}

/** The example's order on a line that does not wait and harms no card. */
function orderOf(change: (text: string) => string = (text) => text): string {
  const line = idealLine(folder, "desk-ten", (text) => text.replace(/ *faults:[\s\S]*$/, ""));
  const file = join(folder, "order.yaml");
  const text = readFileSync(join(example, "order.yaml"), "utf8")
    .replace(/^line: .*$/m, `line: ${line}`)
    .replaceAll(/\.\.\//g, `${join(root, "examples")}/`);
  writeFileSync(file, change(text));
  return file;
}
const data = () => join(folder, "data");
const run = (order: string) => persoline(["run", order, "--json", "--data", data()]);
const app = (description: Description, record = 0) => {
  const found = description.records[record]?.applications[0];
  if (found === undefined) throw new Error("no application");
  return found;
};

describe("cards whose keys the issuer made", () => {
  test("the example's file is what the issuer's program writes; its cards are made, and no secret of it lies anywhere", () => {
    const bytes = issuerWrites(described(), join(folder, "cards.issuer"));
    expect(bytes.equals(readFileSync(join(example, "cards.issuer")))).toBe(true);
    const { code, out, err } = run(orderOf());
    expect([code, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toMatchObject({ order: "2026-330", produced: 5, balanced: true, rejects: [] });
    const secrets = described().records.flatMap((_, at) => {
      const key = app(described(), at).secret["8101"] ?? "";
      const raw = Buffer.from(key, "hex");
      return [key, key.toLowerCase(), raw.toString("base64").slice(0, 20), raw.toString("latin1")];
    });
    expect(secrets).toHaveLength(20);
    for (const entry of readdirSync(data(), { recursive: true, withFileTypes: true })) {
      // The cards themselves must have it.
      if (!entry.isFile() || entry.parentPath.includes("shop-floor")) continue;
      const content = readFileSync(join(entry.parentPath, entry.name), "latin1");
      for (const secret of secrets)
        expect([entry.name, content.includes(secret)]).toEqual([entry.name, false]);
    }
    const other = orderOf((text) => text.replace("2026-330", "2026-331"));
    const again = run(other);
    expect(again.code).toBe(1);
    expect(again.err).toMatch(/this input file was imported on \S+ as order 2026-330/);
    // Where nobody has seen it yet.
    const elsewhere = persoline(["run", other, "--json", "--data", join(folder, "elsewhere")]);
    expect(elsewhere.code).toBe(1);
    expect(elsewhere.err).toContain("the file is for order 2026-330, not for 2026-331");
  });

  test("JSON, triple DES under the transport key, SCP02 to the card, signed by a key that came by a ceremony", () => {
    const product = readFileSync(join(root, "examples/products/issuer-access/product.yaml"), "utf8")
      .replace(
        /^initial: .*$/m,
        'initial: { protocol: scp02, i: "55", level: "03", keys: gp-fab, version: "FF", diversify: emv-cps }',
      )
      .replace(
        /^channel: .*$/m,
        'channel: { protocol: scp02, i: "55", level: "03", keys: gp-issuer, version: "20", diversify: emv-cps }',
      );
    writeFileSync(join(folder, "product.yaml"), product);
    const tk = "0123456789ABCDEFFEDCBA9876543210";
    writeFileSync(
      join(folder, "keys.yaml"),
      `environment: test
keys:
  - { name: gp-fab, use: scp02, published: "404142434445464748494A4B4C4D4E4F" }
  - { name: gp-issuer, use: scp02 }
  - { name: issuer-tk, use: transport, algorithm: 3DES, published: "${tk}" }
  - { name: issuer-mac, use: file-mac, published: "60606060616161616262626263636363" }
`,
    );
    const pair = spawnSync("openssl", ["genpkey", "-algorithm", "ed25519"], { encoding: "utf8" }).stdout;
    writeFileSync(
      join(folder, "issuer.pem"),
      spawnSync("openssl", ["pkey", "-pubout"], { encoding: "utf8", input: pair }).stdout,
    );
    const description: Description = {
      ...described(),
      form: "json",
      mode: "3des-cbc",
      transport: { name: "issuer-tk", value: tk },
      proof: { algorithm: "Ed25519", key: "issuer-sign", pem: pair },
    };
    issuerWrites(description, join(folder, "cards.issuer"));
    const order = orderOf((text) =>
      text
        .replace(/^product: .*$/m, `product: ${join(folder, "product.yaml")}`)
        .replace(/^keys: .*$/m, `keys: ${join(folder, "keys.yaml")}`),
    );
    const unknown = run(order);
    expect(unknown.code).toBe(1);
    expect(unknown.err).toContain("there is no key issuer-sign in this keystore");
    const ceremony = `set -e
k() { "${process.execPath}" "${join(root, "packages/line/bin/persoline.js")}" keys "$@" --data "${data()}"; }
k custodians add Ann --custodian-fd 3 3<<<"ann's long passphrase"
k custodians add Bob --custodian-fd 3 3<<<"bob's long passphrase"
k import issuer-sign --use issuer-signature --public "${join(folder, "issuer.pem")}" --by Ann --custodian-fd 3 3<<<"ann's long passphrase"
k confirm C-0003 --by Bob --custodian-fd 3 3<<<"bob's long passphrase"`;
    expect(spawnSync("bash", ["-c", ceremony], { encoding: "utf8" }).stderr).toBe("");
    const { code, out, err } = run(order);
    expect(JSON.parse(out)).toMatchObject({ produced: 5, balanced: true, rejects: [] });
    expect([code, err]).toEqual([0, ""]);
    // Signed by somebody else.
    const other = spawnSync("openssl", ["genpkey", "-algorithm", "ed25519"], { encoding: "utf8" }).stdout;
    description.head["order"] = "2026-332";
    issuerWrites(
      { ...description, proof: { ...description.proof, pem: other } },
      join(folder, "cards.issuer"),
    );
    const forged = run(
      orderOf((text) =>
        text
          .replace("2026-330", "2026-332")
          .replace(/^product: .*$/m, `product: ${join(folder, "product.yaml")}`)
          .replace(/^keys: .*$/m, `keys: ${join(folder, "keys.yaml")}`),
      ),
    );
    expect(forged.err).toContain("the proof of the whole file is wrong");
  });

  test("a key that is not the one of its check value is refused by the card itself: what arrives is what the issuer sent", () => {
    const description = described();
    app(description, 2).plain["9001"] = "000000";
    issuerWrites(description, join(folder, "cards.issuer"));
    const { code, out } = run(orderOf());
    expect(code).toBe(1);
    const made = JSON.parse(out) as Produced;
    expect(made.produced).toBe(4);
    expect(made.rejects.length).toBeGreaterThan(0);
    expect(
      made.rejects.every(
        ({ station, code: why }) => station === "personalization" && why === "command-refused",
      ),
    ).toBe(true);
  });
});

describe.each(["binary", "json"] as const)("how groupings are sent is the issuer's to say, %s", (form) => {
  const keys = [
    "0123456789ABCDEFFEDCBA9876543210",
    "1123456789ABCDEFFEDCBA9876543210",
    "2123456789ABCDEFFEDCBA9876543210",
  ];
  const check = (key: string): string => {
    const cipher = createCipheriv("des-ede-ecb", Buffer.from(key, "hex"), null).setAutoPadding(false);
    return cipher.update(Buffer.alloc(8)).toString("hex").slice(0, 6).toUpperCase();
  };
  const plain: Readonly<Record<string, string>> = {
    "0101": "700A8C039F37048D039F3704",
    "0B01": "00112233",
    "9000": keys.map(check).join(""),
    "9010": "0303",
    "9102": "A503500141",
    "9104": "82020000940408010100",
    "9200": "010A",
    "9207": "0102",
  };
  const secret = (at: number): Readonly<Record<string, string>> => ({
    "8000": keys.join(""),
    "8010": `2412${String(34 + at)}FFFFFFFFFF8000000000000000`,
  });
  const instructions = {
    order: [["9010", "8010"]],
    group: [["9104", "9102"]],
    vercntl: ["9207"],
    random: ["0B01"],
  };

  /** The example's order with a payment application that its issuer made, of one person: the same key twice would be refused. */
  const orderWith = (wishes: typeof instructions): string => {
    const sizes = Object.entries({ ...plain, ...secret(0) }).map(([id, value]) => {
      const bytes = id === "0B01" ? 12 : value.length / 2;
      return `      "${id}": { bytes: ${String(bytes)}${id.startsWith("80") ? ", secret: true" : ""} }`;
    });
    const product = readFileSync(join(root, "examples/products/issuer-access/product.yaml"), "utf8").replace(
      /^applications:[\s\S]*?^person:/m,
      `applications:
  - name: payment
    package: A00000087603
    module: A0000008760301
    aid: F050534C501010
    issuer:
${sizes.join("\n")}

person:`,
    );
    writeFileSync(join(folder, "product.yaml"), product);
    const description = described();
    const [first] = description.records;
    if (first === undefined) throw new Error("no record");
    description.form = form;
    description.records = [
      {
        data: first.data,
        applications: [
          {
            aid: "F050534C501010",
            level: 1,
            plain: { ...plain },
            secret: { ...secret(0) },
            instructions: wishes,
          },
        ],
      },
    ];
    issuerWrites(description, join(folder, "cards.issuer"));
    return orderOf((text) =>
      text
        .replace(/^product: .*$/m, `product: ${join(folder, "product.yaml")}`)
        .replace("records: 5", "records: 1"),
    );
  };
  /** Groupings of each STORE DATA that explain shows, and all that stands in them. */
  const explained = (order: string) => {
    const { code, out, err } = persoline(["explain", order, "--record", "1", "--data", data()]);
    expect([code, err]).toEqual([0, ""]);
    return out;
  };

  test("ORDER, GROUP, VERCNTL and RANDOM are followed, and the card is made", () => {
    const short = run(orderWith({ ...instructions, random: [] }));
    expect(short.err).toContain("grouping F050534C501010/0B01 has 4 bytes, the product says 12");
    const order = orderWith(instructions);
    const shown = explained(order);
    const sent = [...shown.matchAll(/80 E2 \w\w \w\w \w\w ([0-9A-F]{2} [0-9A-F]{2}) /g)].map(([, id]) => id);
    expect(sent).toEqual(["01 01", "0B 01", "80 00", "90 10", "90 00", "80 10", "91 04", "92 07", "92 00"]);
    expect(shown).toMatch(/80 E2 08 06 \w\w 91 04 0A 82 02 00 00 94 04 08 01 01 00 91 02 05 A5 03 50 01 41/);
    const drawn = /0B 01 0C 00 11 22 33 ((?:[0-9A-F]{2} ?){8})/;
    const chance = [shown, explained(order)].map((text) => drawn.exec(text)?.[1] ?? "");
    expect(chance[0]).toMatch(/^(?:[0-9A-F]{2} ){8}|^(?:[0-9A-F]{2} ){7}[0-9A-F]{2}$/);
    expect(chance[1]).not.toBe(chance[0]);
    const { code, out, err } = run(order);
    expect([code, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toMatchObject({ produced: 1, balanced: true, rejects: [] });
    const report = readFileSync(join(data(), "reports/2026-330/report.json"), "utf8");
    expect(JSON.parse(report)).toMatchObject({
      unshown: expect.arrayContaining([
        "not proved: groupings 9207 of payment: the card may have refused them (VERCNTL)",
      ]) as string[],
    });
  });
});

describe("a file is refused whole, before any card moves", () => {
  const cases: readonly (readonly [name: string, change: (d: Description) => void, said: string])[] = [
    ["expired", (d) => (d.head["expires"] = "2026-01-02T00:00:00Z"), "the file expired on 2026-01-02"],
    ["made tomorrow", (d) => (d.head["created"] = "2098-01-01T00:00:00Z"), "which is to come"],
    [
      "for another product",
      (d) => (d.head["product"] = "payment"),
      "for product payment, not for issuer-access",
    ],
    ["live", (d) => (d.head["environment"] = "live"), "the file is for live cards"],
    ["another file MAC key", (d) => (d.proof["value"] = "2".repeat(31) + "1"), "it is another key"],
    [
      "another file MAC key that lies about its check value",
      (d) => Object.assign(d.proof, { value: "2".repeat(31) + "1", kcv: "5B76B6" }),
      "issuer-mac",
    ],
    [
      "another record MAC key",
      (d) => Object.assign(d.mac, { value: "2".repeat(31) + "1" }),
      "it is another key",
    ],
    ["another transport key", (d) => (d.transport["value"] = "2".repeat(63) + "1"), "it is another key"],
    ["a key that is for something else", (d) => (d.transport["name"] = "gp-issuer"), "a key has one purpose"],
    [
      "a missing grouping",
      (d) => delete app(d, 1).plain["0102"],
      "record 2: grouping A000000876020101/0102 of application access is missing",
    ],
    [
      "a grouping too many",
      (d) => (app(d, 4).plain["0103"] = "00"),
      "record 5: the product has no place for grouping A000000876020101/0103",
    ],
    [
      "a secret in clear",
      (d) => {
        const one = app(d, 3);
        one.plain["8101"] = one.secret["8101"] ?? "";
        one.secret = {};
      },
      "record 4: grouping A000000876020101/8101 is in clear, and the product says otherwise",
    ],
    [
      "a record's key in another record too",
      (d) => {
        const [one, other] = [app(d, 1), app(d, 3)];
        other.secret = { ...one.secret };
        other.plain["9001"] = one.plain["9001"] ?? "";
      },
      "records 2 and 4 of the issuer's file have the same enciphered value",
    ],
    ["more announced than there are", (d) => (d.announced = 6), "the head announces 6 records, 5 are there"],
    ["fewer announced than there are", (d) => (d.announced = 4), "more records than the 4"],
    [
      "3DES under an AES key",
      (d) =>
        Object.assign(d, {
          mode: "3des-ecb",
          transport: { name: "issuer-tk", value: "0123456789ABCDEFFEDCBA9876543210", kcv: kcvOfTk },
        }),
      "cannot be under issuer-tk, which is AES-256",
    ],
    [
      "a name that the product refuses",
      (d) => Object.assign(d.records[0]?.data ?? {}, { "Employee number": "x" }),
      "Employee number",
    ],
  ];
  /** Of the example's transport key, over 01s. */
  const kcvOfTk =
    readFileSync(join(example, "cards.issuer")).toString("latin1").split("issuer-tk")[1]?.slice(1, 7) ?? "";

  test("each for its reason, and nothing of it is taken in", () => {
    const order = orderOf();
    for (const [name, change, said] of cases) {
      const description = described();
      change(description);
      issuerWrites(description, join(folder, "cards.issuer"));
      const { code, err } = run(order);
      expect([name, code]).toEqual([name, 1]);
      expect([name, err]).toEqual([name, expect.stringContaining(said)]);
      for (const { secret } of [app(description)])
        for (const value of Object.values(secret)) expect(err).not.toContain(value);
    }
    expect(persoline(["order", "list", "--json", "--data", data()]).out.trim()).toBe("[]");
  });

  test("altered, cut, lengthened, or not issuer data at all", () => {
    const order = orderOf();
    const good = readFileSync(join(example, "cards.issuer"));
    const at = (index: number) => {
      const bytes = Buffer.from(good);
      bytes[index] = (bytes[index] ?? 0) ^ 0x04;
      return bytes;
    };
    for (const [bytes, said] of [
      [at(50), "the proof of the whole file is wrong"],
      [at(130), "the proof of the whole file is wrong"],
      [at(good.length - 1), "the proof of the whole file is wrong"],
      [good.subarray(0, good.length - 1), "the proof of the whole file is wrong"],
      [good.subarray(0, 300), "the proof of the whole file is wrong"],
      [good.subarray(0, 60), "should have"],
      [Buffer.concat([good, Buffer.from("\n")]), "the proof of the whole file is wrong"],
      [at(3), "does not begin as issuer data do"],
      [at(8), "version 5 is unknown"],
      [Buffer.from("Full name;Employee number\n"), "does not begin as issuer data do"],
    ] as const) {
      writeFileSync(join(folder, "cards.issuer"), bytes);
      const { code, err } = run(order);
      expect([code, err]).toEqual([1, expect.stringContaining(said)]);
    }
  });

  test("sent again after its order ended, it is refused by the accounts, and the audit has it", async () => {
    const order = orderOf();
    writeFileSync(join(folder, "cards.issuer"), readFileSync(join(example, "cards.issuer")));
    const sent = () => persoline(["order", "import", order, "--data", data()]);
    expect(sent()).toMatchObject({ code: 0, err: "" });
    const secrets = join(data(), "keystore.json.orders");
    for (const name of readdirSync(secrets)) writeFileSync(join(secrets, name), "persoline: destroyed\n");
    const { code, err } = sent();
    expect([code, err]).toEqual([1, expect.stringMatching(/was imported on .* an order is produced once/)]);
    const store = await openStore({ file: join(data(), "persoline.db") });
    const results: string[] = [];
    for await (const { what, result } of store.audit.entries())
      if (what === "order.import") results.push(result);
    await store.close();
    expect(results).toEqual(["ok", "refused"]);
  });

  test("a table cannot stand for an issuer's file", () => {
    writeFileSync(
      join(folder, "cards.csv"),
      "Full name,Employee number,Valid until\nA,AB-00001,2030-01-01\n",
    );
    const { code, err } = run(
      orderOf((text) => text.replaceAll("cards.issuer", "cards.csv").replace("records: 5", "records: 1")),
    );
    expect([code, err]).toEqual([1, expect.stringContaining("needs groupings from an issuer's file")]);
  });

  test("explain and plan prove the file first, show secrets as names and lengths, and make nothing in passing", () => {
    const description = described();
    issuerWrites(description, join(folder, "cards.issuer"));
    const order = orderOf();
    const explained = persoline(["explain", order, "--record", "2", "--data", data()]);
    expect([explained.code, explained.err]).toEqual([0, ""]);
    expect(explained.out).toContain("80 E2 68 02 13 81 01 10 ⟨the issuer's grouping 8101, 16 bytes⟩");
    // What is in clear stands there as it goes into the card.
    const { plain, secret } = app(description, 1);
    const open = (plain["0102"] ?? "").match(/../g)?.join(" ") ?? "none";
    expect(explained.out).toContain(open);
    for (const value of Object.values(secret)) {
      const key = value.toUpperCase();
      expect(explained.out.replaceAll(" ", "")).not.toContain(key);
    }
    expect(persoline(["plan", order, "--data", data()]).out).toContain("The line makes");
    expect(existsSync(data())).toBe(false);

    const file = join(folder, "cards.issuer");
    const bytes = readFileSync(file);
    bytes[bytes.length - 40] = (bytes[bytes.length - 40] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const altered = persoline(["explain", order, "--data", data()]);
    expect([altered.code, altered.out]).toEqual([1, ""]);
    expect(altered.err).toContain("the proof of the whole file is wrong");
  });
});

describe("cards of our own operating system", () => {
  const subscribers = readFileSync(join(root, "examples/usim-like/subscribers.csv"), "utf8")
    .trim()
    .split("\n");
  const columns = subscribers[0]?.split(",") ?? [];
  const own = (records: Description["records"], change: (text: string) => string = (text) => text) => {
    const description = described();
    issuerWrites(
      { ...description, head: { ...description.head, order: "2026-131", product: "usim-like" }, records },
      join(folder, "cards.issuer"),
    );
    // The order's keys, and those that the file is proved by.
    const list = readFileSync(join(root, "examples/keys/test-keys.yaml"), "utf8");
    const issuers = readFileSync(join(root, "examples/keys/issuer-test-keys.yaml"), "utf8").match(
      /^ {2}- \{ name: issuer-.*$/gm,
    );
    writeFileSync(join(folder, "keys.yaml"), `${list.trimEnd()}\n${(issuers ?? []).join("\n")}\n`);
    const line = idealLine(folder, "files", (text) => text.replace(/ *faults:[\s\S]*$/, ""));
    const order = join(folder, "order.yaml");
    const text = readFileSync(join(root, "examples/usim-like/order.yaml"), "utf8")
      .replace("subscribers.csv", "cards.issuer")
      .replace(/^records: .*$/m, `records: ${String(records.length)}`)
      .replace(/^keys: .*$/m, "keys: keys.yaml")
      .replace(/^line: .*$/m, `line: ${line}`)
      .replaceAll(/\.\.\//g, `${join(root, "examples")}/`);
    writeFileSync(order, change(text));
    return order;
  };
  const record = (row: string): Description["records"][number] => ({
    data: Object.fromEntries(row.split(",").map((cell, at) => [columns[at] ?? "", cell])),
    applications: [],
  });

  test("take an issuer's proved data as their input; secrets of the issuer's have no place in them", () => {
    const records = subscribers.slice(1, 3).map(record);
    const { code, out, err } = run(own(records));
    expect([code, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toMatchObject({ order: "2026-131", produced: 2, balanced: true, rejects: [] });
    rmSync(data(), { recursive: true });
    const [application] = described().records[0]?.applications ?? [];
    const [first, ...others] = records;
    if (first === undefined || application === undefined) throw new Error("nothing to try");
    const refused = run(own([{ ...first, applications: [application] }, ...others]));
    expect(refused.code).toBe(1);
    expect(refused.err).toContain(
      "take the person's data from an issuer's file, and their keys and PINs from the security module",
    );
  });
});
