/** Payment cards through the command line, with the vault and with a SoftHSM token: each has completed an online transaction. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import type { Finding } from "@persoline/card/program";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pinIn, printedIn } from "../devices/hsm/letters/letters.test.data.js";
import { machineIn } from "../devices/hsm/machine.test.data.js";
import { openStripe } from "../devices/hsm/payment/stripe.js";
import { softToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { sealedCardName, sealedStripeName } from "../plan/gp/payment/sealed.js";
import { openStore, type Store } from "../store/store.js";
import { type Ended, persoline, program, root } from "./command.test.data.js";
import type { Produced } from "./end-run.js";
import { example, paymentOrder, type PaymentOrder } from "./payment.test.data.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-payment-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const home = (name: string): string => {
  const own = join(folder, name);
  mkdirSync(own, { recursive: true });
  return own;
};
/** Memory of the good card of a record, hexadecimal. */
function chipOf(data: string, record: number): string {
  const good = join(data, "shop-floor/good/P-1");
  const body = readdirSync(good).find((one) => one.startsWith(`${String(record).padStart(6, "0")}-`)) ?? "";
  return readFileSync(join(good, body, "chip.eeprom"))
    .toString("hex")
    .toUpperCase();
}
const people = 8;
const aid = "F050534C501010";

/** One blank for each way in which a card can be wrong and nobody but its transaction sees it, and one torn in the middle. */
const faults = {
  2: "{ kind: torn-at, write: 60 }",
  3: '{ kind: stores-wrong, grouping: "8000", byte: 3 }',
  5: '{ kind: stores-wrong, grouping: "8010", byte: 1 }',
  7: '{ kind: stores-wrong, grouping: "0203", byte: 100 }',
  8: '{ kind: lying, ins: "20" }',
  10: '{ kind: stores-wrong, grouping: "8000", byte: 19 }',
  12: '{ kind: stores-wrong, grouping: "8000", byte: 35 }',
};

/** Stripes that nobody's reader could read. */
const flaws = { 4: "weak-stripe", 6: "stripe-lrc" };

interface Made {
  readonly ended: Ended;
  readonly data: string;
  readonly more: (words: readonly string[]) => Ended;
}

function makeWith(name: "vault" | "token"): Made {
  const own = home(name);
  const data = join(own, "data");
  const { order, line } = paymentOrder(own, { people, faults, flaws });
  const run = ["run", order, "--line", line, "--data", data, "--json"];
  if (name === "vault") {
    const more = (words: readonly string[]) => persoline([...words, "--data", data]);
    return { ended: persoline(run), data, more };
  }
  const soft = softToken(own, "pay");
  const pinFile = join(own, "pin");
  writeFileSync(pinFile, `${soft.access.pin}\n`, { mode: 0o600 });
  const { label, library } = soft.access;
  const token = ["--security", "pkcs11", "--token", label, "--token-library", library, "--token-pin-fd", "3"];
  const more = (words: readonly string[]): Ended => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [program, ...words, ...(words.includes("--data") ? [] : ["--data", data]), ...token],
      {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe", openSync(pinFile, "r")],
        env: { ...soft.environment },
        maxBuffer: 1 << 26,
        timeout: 600_000,
      },
    );
    return { code: status, out: stdout, err: stderr };
  };
  return { ended: more(run), data, more };
}

describe.each(["vault", "token"] as const)("with the %s", (name) => {
  let made: Made;
  let store: Store;
  beforeAll(async () => {
    made = makeWith(name);
    store = await openStore({ file: join(made.data, "persoline.db") });
  });
  afterAll(() => store.close());

  test("all are made; each wrong card is thrown out by its transaction, with its own reason, and made again", () => {
    expect(made.ended).toMatchObject({ code: 0, err: "" });
    const { produced, held, balanced, blanks, rejects } = JSON.parse(made.ended.out) as Produced;
    expect({ produced, held, balanced, remade: blanks.remade }).toEqual({
      produced: people,
      held: 0,
      balanced: true,
      remade: 6,
    });
    expect(rejects.map(({ station, code }) => `${station}: ${code}`).sort()).toEqual([
      "quality: cryptogram-wrong",
      "quality: offline-proof-wrong",
      "quality: pin-wrong",
      "quality: pin-wrong",
      "quality: script-wrong",
      "quality: script-wrong",
      "visual: mark-wrong",
      "visual: mark-wrong",
    ]);
  });

  test("every good card's cryptogram was judged right by the module, online, and no finding names a person", () => {
    const database = new Database(join(made.data, "persoline.db"), { readonly: true });
    const good = database
      .prepare<[], { findings: string }>("select findings from visits where end_kind = 'good'")
      .all();
    database.close();
    expect(good).toHaveLength(people);
    for (const { findings } of good) {
      const said = (JSON.parse(findings) as Finding[]).map(
        ({ what, result, detail = "" }) => `${what}: ${result} ${detail}`,
      );
      expect(said).toContain("transaction: ARQC by the security module: ok right");
      expect(said).toContain("transaction: ok approved online; TVR 0008008000, TSI FC00, CVM results 440302");
      expect(said).toContain("transaction: cardholder verification: ok encipheredPin");
      // Written at the visual station, read once more at quality control, both inside the encoder.
      expect(said.filter((one) => one === "stripe: simulated ")).toHaveLength(2);
      expect(findings).not.toMatch(/999901\d|EXAMPLE|PRZYKLAD|MODELLO/);
    }
  });

  test("what the cards showed is told by report and order show, and names no person and no whole number", () => {
    const { proof } = JSON.parse(made.ended.out) as Produced;
    expect(proof).toMatchObject({
      good: people,
      told: people,
      transactions: {
        completed: people,
        arqc: { right: people, wrong: 0, notJudged: 0 },
        offline: { CDA: people },
        pinVerified: people,
        arpcTaken: people,
      },
    });
    const shown = persoline(["order", "show", "P-1", "--cards", "--data", made.data]).out;
    expect(shown).toMatch(/ARQC judged right by the security module +8 of 8$/m);
    expect(shown.match(/transaction approved online, ARQC right, offline authentication CDA/g)).toHaveLength(
      people,
    );
    const file = (name: string) => readFileSync(join(made.data, "reports/P-1", name), "utf8");
    expect(file("report.html")).toMatch(
      /ARQC judged right by the security module<\/td><td class="n">8 of 8</,
    );
    expect((JSON.parse(file("report.json")) as { proof: unknown }).proof).toEqual(proof);
    // What a search for text cannot see: the pictures of such cards are to be read like the cards.
    expect(file("report.html")).not.toContain("data:image");
    expect(file("report.html")).toContain("These cards show account numbers");
    expect(JSON.parse(file("report.json"))).toMatchObject({ accountNumbers: true, pictures: [] });
    // Each reject of quality control had a transaction too, and is told what it was; none of them is counted.
    const rows = file("cards.csv").trimEnd().split("\r\n");
    const [head = ""] = rows;
    const at = (row: string, name: string) =>
      row.split(",").at(head.split(",").indexOf(name) - head.split(",").length);
    const of = (end: string) => rows.filter((row) => row.split(",")[4] === end);
    expect(of("good").map((row) => at(row, "arqc"))).toEqual(Array.from({ length: people }, () => "right"));
    expect(of("rejected").filter((row) => at(row, "arqc") === "wrong")).toHaveLength(1);
    for (const text of [shown, file("cards.csv"), JSON.stringify(proof)])
      expect(text).not.toMatch(/999901\d|EXAMPLE|PRZYKLAD|MODELLO/);
  });

  test("the stripe is there for its encoder alone, and says what the chip says; the PIN is in the letter", async () => {
    const encoder = machineIn(join(made.data, "stripe-encoder.pem"));
    const rows = readFileSync(join(example, "cardholders.csv"), "utf8").split("\n");
    for (const record of [1, people]) {
      const sealed = await store.orders.pins("P-1", record);
      expect(Object.keys(sealed).sort()).toEqual([sealedCardName(aid), "pin", sealedStripeName(aid)]);
      const content = Buffer.from(sealed[sealedStripeName(aid)] ?? []).toString();
      const [, pan = "", , valid = "", , who = ""] = rows[record]?.split(",") ?? [];
      const expiry = valid.includes("/") ? `${valid.slice(3)}${valid.slice(0, 2)}` : valid;
      expect(content).not.toContain(pan);
      const tracks = openStripe(encoder, { order: "P-1", record }, content);
      expect(tracks.track1).toContain(`%B${pan}^${who}^${expiry}201`);
      expect(tracks.track2).toMatch(new RegExp(`^;${pan}=${expiry}201[0-9]{8}\\?$`));
    }
    const release = made.more(["letters", "release", "P-1", "--by", "A", "--witness", "B", "--json"]);
    expect(JSON.parse(release.out)).toMatchObject({ batches: [{ batch: "B-0000001", letters: people }] });
    const letters = printedIn(join(made.data, "letter-printer.pem"), join(made.data, "letters/P-1"));
    expect(letters.size).toBe(people);
    for (const text of letters.values()) expect(pinIn(text)).toMatch(/^\d{4}$/);
  });

  test("a remake counts the sequence number up: the result file names the cards it takes the place of", async () => {
    const { out } = made.more(["order", "result", "P-1", "--by", "A", "--json"]);
    const { file, totals } = JSON.parse(out) as { file: string; totals: { good: number; cancelled: number } };
    expect(totals).toMatchObject({ good: people, cancelled: 8 });
    const text = readFileSync(file, "utf8");
    expect(text).toContain("C-00001");
    expect(text).not.toMatch(/999901\d/);
    // What the card of such a record says of itself: one more than the input for each card before it.
    const database = new Database(join(made.data, "persoline.db"), { readonly: true });
    const attempts = database
      .prepare<[], { record: number; attempts: number }>(
        "select number as record, attempts from records where attempts > 1",
      )
      .all();
    database.close();
    // Eight cards were thrown out, of six records: somebody's second card was one of them too.
    expect(attempts.reduce((sum, { attempts: cards }) => sum + cards - 1, 0)).toBe(8);
    for (const { record, attempts: cards } of attempts)
      expect(chipOf(made.data, record)).toContain(`5F34010${String(cards)}`);
    const other = Array.from({ length: people }, (_, at) => at + 1).find((one) =>
      attempts.every((two) => two.record !== one),
    );
    expect(chipOf(made.data, other ?? 0)).toContain("5F340101");
  });

  test("at delivery everything that was sealed for the cards dies", async () => {
    expect(made.more(["order", "deliver", "P-1", "--by", "A"]).code).toBe(0);
    for (let record = 1; record <= people; record++)
      expect(await store.orders.pins("P-1", record)).toEqual({});
  });
});

describe("refused before a card moves", () => {
  const refusedWith = (name: string, ask: Partial<PaymentOrder>): Ended => {
    const { order, line } = paymentOrder(home(name), { people: 3, ...ask });
    return persoline(["run", order, "--line", line, "--data", join(folder, name, "data")]);
  };

  test("wrong cardholders, all at once, with row and column and no digit of a PAN", () => {
    const { code, err } = refusedWith("input", {
      rows: ([head = "", one = "", two = "", ...more]) => [
        head,
        one.replace(/,(\d{15})\d,/, ",$1X,"),
        two.replace(/,9999/, ",4999").replace("3101", "3113"),
        ...more,
      ],
    });
    expect(code).toBe(1);
    expect(err).toMatch(/cardholders\.csv:2.*PAN/);
    expect(err).toMatch(/cardholders\.csv:3.*PAN/);
    expect(err).toMatch(/cardholders\.csv:3.*Valid thru/);
    expect(err).not.toMatch(/\d{7}/);
  });

  test("an issuer's certificate that the security module's key is not of", () => {
    const keys = join(folder, "other-keys.yaml");
    const text = readFileSync(join(root, "examples/keys/payment-test-keys.yaml"), "utf8");
    writeFileSync(keys, text.replace("issuer 999901 }", "issuer 999902 }"));
    const { order, line } = paymentOrder(home("issuer"), { people: 2 });
    writeFileSync(order, readFileSync(order, "utf8").replace(/^keys: .*$/m, `keys: ${keys}`));
    const { code, err } = persoline(["run", order, "--line", line, "--data", join(folder, "issuer/data")]);
    expect(code).toBe(1);
    expect(err).toContain("the issuer's certificate is not of the security module's key pay-rsa");
  });

  test("cards' RSA keys at level token: no module of today keeps them there", () => {
    const { code, err } = refusedWith("level", {
      product: (text) => text.replace("emv-rsa: module-process", "emv-rsa: token"),
    });
    expect(code).toBe(1);
    expect(err).toContain("emv-rsa must be kept at token");
  });
});

test("explain shows commands and masks, and of the PAN its first six and last four digits", () => {
  const { code, out } = persoline(["explain", join(example, "order.yaml"), "--record", "2"]);
  expect(code).toBe(0);
  expect(out).toContain("⟨keys AC, SMI and SMC of this card, 48 bytes⟩");
  expect(out).toContain("5A 08 99 99 01 .. .. .. 63 13");
  expect(out).not.toContain("99 99 01 38 13");
});
