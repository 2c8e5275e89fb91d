import { expect, test } from "vitest";
import { reportCsv } from "../ledger/report-csv.js";
import { reportHtml } from "../ledger/report-html.js";
import { reportJson } from "../ledger/report-json.js";
import { openResult, resultLines } from "../ledger/result.js";
import { onlineFindings, shownFindingsSample } from "../ledger/proof.test.data.js";
import { blanks, history, importAsk, key, label, rejected, serial, store } from "./sample.test.data.js";
import type { Store } from "./store.js";

/** Four people; the second one's first card fails bound, one blank fails unbound, one card is held. */
async function produced(): Promise<Store> {
  let now = Date.parse("2026-03-29T00:30:00Z");
  const s = await store({ clock: () => (now += 7_000) });
  await s.stock.receive({ lot: "L1", blanks: blanks(9), by: "Ada" });
  await s.orders.import(importAsk(4));
  const ends = ["good", "bad", "good", "dead", "held", "good", "good"] as const;
  for (const [index, end] of ends.entries()) {
    const card = serial(index + 1);
    await s.accounts.start({ label: label(index + 1), order: "A-1", line: "carousel" });
    if (end !== "dead") await s.accounts.bind({ serial: card, order: "A-1" });
    const pictures = {
      front: { file: `pictures/${index}.png`, sha256: "00" },
      back: { file: "b.png", sha256: "01" },
    };
    if (end === "held")
      await s.accounts.finish({
        serial: card,
        end: { kind: "held", station: "quality", question: "<b>name</b> hard to read" },
        history,
      });
    else
      await s.accounts.finish({
        serial: card,
        end: end === "good" ? { kind: "good" } : rejected(end === "bad"),
        history: { ...history, ...(end === "good" ? { pictures } : {}) },
      });
  }
  return s;
}

const ask = {
  order: "A-1",
  timeZone: "Europe/Berlin",
  simulated: ["carousel", "camera <one>"],
  seconds: 60,
  planned: { cardsPerHour: 3_500, bottleneck: "personalization" },
};

const text = async (pieces: AsyncIterable<string>): Promise<string> => {
  let all = "";
  for await (const piece of pieces) all += piece;
  return all;
};

test("the report's figures are those of the accounts", async () => {
  const s = await produced();
  const report = await s.reports.production(ask);
  expect(report).toMatchObject({
    records: { total: 4, produced: 4, waiting: 0, held: 0 },
    cards: { used: 7, good: 4, rejected: 2, held: 1, remade: 2 },
    stock: { received: 9, inStock: 2, good: 4, rejected: 2, held: 1 },
    balanced: true,
    cardsPerHour: 240,
  });
  expect(report.stations).toMatchObject([
    { station: "test", heads: 1, visits: 7, median: 900, p95: 900 },
    { station: "personalization", visits: 7, busy: 35_000, utilisation: 35 / 60 },
  ]);
  expect(report.throughput.reduce((sum, { good }) => sum + good, 0)).toBe(4);
  // On virtual time the pace is that of the line's own clock.
  const virtual = await s.reports.production({ ...ask, simulatedSeconds: 7_200 });
  expect(virtual.cardsPerHour).toBe(2);
  expect(virtual.throughput.reduce((sum, { seconds }) => sum + seconds, 0)).toBeCloseTo(7_200);
  expect(await s.reports.reconcile("A-1")).toEqual({
    cards: { good: 4, cancelled: 2 },
    audit: { good: 4, cancelled: 2 },
    counters: { good: 4, erased: 0 },
    agree: true,
  });
  expect(await s.reports.pictures("A-1", 2)).toHaveLength(4);
});

test("the page is one file, names what was simulated, shows local time, and lets no text become markup", async () => {
  const s = await produced();
  const report = await s.reports.production(ask);
  const page = await text(reportHtml({ ...report, customer: `<script>alert("x")</script>` }));
  expect(page).toContain("Order A-1");
  expect(page).toContain("accounts balance");
  expect(page).toContain("camera &lt;one&gt;");
  expect(page).toContain("&lt;b&gt;name&lt;/b&gt; hard to read");
  expect(page).toContain("&lt;script&gt;");
  expect(page).not.toMatch(/<script|<b>name|https?:\/\//);
  // The hour of the change to summer time: 00:30 UTC is 01:30 in Berlin, 01:00 UTC is 03:00.
  expect(page).toMatch(/29 Mar 2026, 01:3\d:\d\d (?:CET|GMT\+1)/);
  expect(page).toContain(serial(2));
  expect(page.match(/<table>/g)?.length).toBe(page.match(/<\/table>/g)?.length);
});

test("what chips showed: each card's, and the good ones' together; a card whose ARQC was not judged is told and not counted", async () => {
  const s = await store();
  await s.stock.receive({ lot: "L1", blanks: blanks(5), by: "Ada" });
  await s.orders.import(importAsk(4));
  const arqc = "transaction: ARQC by the security module";
  const unjudged = onlineFindings.map((one) =>
    one.what === arqc ? ({ ...one, result: "not measured", detail: "not asked" } as const) : one,
  );
  const cards = [
    ["good", [...shownFindingsSample, ...onlineFindings]],
    ["good", unjudged],
    ["bad", onlineFindings],
    ["good", onlineFindings],
    ["good", []],
  ] as const;
  for (const [index, [end, findings]] of cards.entries()) {
    const card = serial(index + 1);
    await s.accounts.start({ label: label(index + 1), order: "A-1", line: "carousel" });
    await s.accounts.bind({ serial: card, order: "A-1" });
    const found = findings.map((one) => ({ ...one, station: "quality" }));
    await s.accounts.finish({
      serial: card,
      end: end === "good" ? { kind: "good" } : rejected(),
      history: { ...history, findings: found },
    });
  }
  const report = await s.reports.production(ask);
  expect(report.proof).toEqual({
    good: 4,
    told: 3,
    read: { cards: 1, shown: 2 },
    mac: { cards: 1, shown: 2 },
    authenticated: { cards: 1, shown: 1 },
    keys: { cards: 1, shown: 1 },
    states: { cards: 1, shown: 2 },
    pin: { "all 3 tries left": 1 },
    transactions: {
      completed: 2,
      arqc: { right: 2, wrong: 0, notJudged: 2 },
      offline: { CDA: 3 },
      pinVerified: 3,
      arpcTaken: 3,
      scripts: { done: 9, failed: 0 },
    },
  });
  const page = await text(reportHtml(report));
  expect(page).toMatch(/ARQC judged right by the security module<\/td><td class="n">2 of 4</);
  expect(page).toMatch(/ARQC NOT JUDGED<\/td><td class="n">2 of 4</);
  expect(page.match(/transaction approved online, ARQC right/g)).toHaveLength(2);
  expect(page.match(/transaction approved online, ARQC not judged/g)).toHaveLength(1);
  expect(page.match(/nothing is told/g)).toHaveLength(1);
  const json = JSON.parse(await text(reportJson(report))) as {
    readonly proof: unknown;
    readonly visits: readonly { readonly end: string; readonly proof?: { readonly transaction?: object } }[];
  };
  expect(json.proof).toEqual(report.proof);
  const { transaction } = json.visits[1]?.proof ?? {};
  expect(transaction).toMatchObject({ outcome: "approved online", arqc: "not judged" });
  expect(json.visits[4]).not.toHaveProperty("proof");
  const [head = "", ...rows] = (await text(reportCsv(report))).trimEnd().split("\r\n");
  const at = (row: string, name: string) => row.split(",")[head.split(",").indexOf(name)];
  expect(rows.map((row) => [at(row, "end"), at(row, "transaction"), at(row, "arqc")])).toEqual([
    ["good", "approved online", "right"],
    ["good", "approved online", "not judged"],
    ["rejected", "approved online", "right"],
    ["good", "approved online", "right"],
    ["good", "", ""],
  ]);
  expect(
    ["pin", "files read", "files by mac", "scripts done"].map((name) => at(rows[0] ?? "", name)),
  ).toEqual(["verified", "2", "2", "3"]);
});

test("the page shows rejects as they were judged, and fields that drift; JSON has the drift and no picture", async () => {
  const s = await produced();
  const report = await s.reports.production(ask);
  const picture = {
    record: 2,
    serial: serial(2),
    side: "front",
    source: "data:image/jpeg;base64,AAAA",
  } as const;
  const drift = { camera: "<eye>", field: "front name", cards: 40, what: "place", farthest: 0.62, now: 0.1 };
  const unshown = ["not proved: <keys> of access"];
  const more = { ...report, judged: [picture], drifts: [drift], unshown };
  const page = await text(reportHtml(more));
  expect(page).toContain("Rejected cards as they were judged");
  expect(page).toContain('<img src="data:image/jpeg;base64,AAAA" alt="Record 2, front, as it was judged"');
  expect(page).toMatch(/Fields that drift[^]*&lt;eye&gt;[^]*front name[^]*62/);
  expect(page).toMatch(/What quality control does not show[^]*<li>not proved: &lt;keys&gt; of access<\/li>/);
  const plain = await text(reportHtml(report));
  expect(plain).not.toMatch(/as they were judged|Fields that drift|does not show/);
  const json = await text(reportJson(more));
  expect(JSON.parse(json)).toMatchObject({ drifts: [drift], unshown });
  expect(json).not.toContain("AAAA");
});

test("measures and pictures of rejects come by order, as the cards left the line", async () => {
  const s = await store();
  await s.stock.receive({ lot: "L1", blanks: blanks(2), by: "Ada" });
  await s.orders.import(importAsk(1));
  const measures = { dx: 0.1, dy: 0, ink: 1 };
  const file = (side: string) => ({ file: `pictures/x.${side}`, sha256: side });
  for (const number of [1, 2]) {
    await s.accounts.start({ label: label(number), order: "A-1", line: "carousel" });
    await s.accounts.bind({ serial: serial(number), order: "A-1" });
    const finding = { station: "quality", what: "front name", result: "ok", by: "eye", measures } as const;
    await s.accounts.finish({
      serial: serial(number),
      end: number === 1 ? rejected(true) : { kind: "good" },
      history: {
        times: [],
        findings: [
          finding,
          { ...finding, measures: { ...measures, dx: number } },
          { station: "t", what: "ATR", result: "ok" },
        ],
        pictures: { front: file("front"), back: file("back") },
      },
    });
  }
  const told = [];
  for await (const { measures: own } of s.reports.measured("A-1")) told.push(own?.["dx"]);
  expect(told).toEqual([0.1, 1, 0.1, 2]);
  const serials = async (of: "good" | "rejected") =>
    (await s.reports.pictures("A-1", 9, of)).map((one) => `${one.serial} ${one.side}`);
  expect(await serials("rejected")).toEqual([`${serial(1)} front`, `${serial(1)} back`]);
  expect(await serials("good")).toEqual([`${serial(2)} front`, `${serial(2)} back`]);
});

test("JSON and CSV hold the same visits", async () => {
  const s = await produced();
  const report = await s.reports.production(ask);
  const json = JSON.parse(await text(reportJson(report))) as { visits: object[]; order: string };
  expect(json).toMatchObject({ order: "A-1", cards: { used: 7 } });
  expect(json.visits).toHaveLength(7);
  const csv = (await text(reportCsv(report))).split("\r\n");
  expect(csv).toHaveLength(9);
  expect(csv[2]).toContain(`2,1,${serial(2)},${label(2)},rejected,quality,wrong-answer`);
});

test("the result file has one line a record in input order, with remakes and what they cancel, and no name", async () => {
  const s = await produced();
  await s.letters.number({ order: "A-1", record: 1, pin: "user" });
  const head = { order: "A-1", customer: "N", product: "p", written: "2026-03-29T01:00:00.000Z" };
  const file = await text(resultLines(head, s.reports.result("A-1")));
  const bytes = new TextEncoder().encode(file);
  const read = await openResult(bytes, new Uint8Array(64), () => Promise.resolve(true));
  expect(read.rows).toMatchObject([
    { record: 1, reference: "E1", status: "good", serial: serial(1), keyVersion: 48, letters: ["L-0000001"] },
    {
      record: 2,
      reference: "E2",
      serial: serial(3),
      cancelled: [{ serial: serial(2), reason: "wrong-answer" }],
    },
    { record: 3, reference: "E3", serial: serial(6), cancelled: [{ serial: serial(5), reason: "held" }] },
    { record: 4, reference: "E4", serial: serial(7), cancelled: [] },
  ]);
  expect(read.totals).toEqual({ records: 4, good: 4, held: 0, givenUp: 0, missing: 0, cancelled: 2 });
  const { cards } = await s.reports.reconcile("A-1");
  expect(cards).toEqual({ good: read.totals.good, cancelled: read.totals.cancelled });
  expect(file).not.toContain("Canary");
});

test("a result with references needs the order's key", async () => {
  const s = await produced();
  s.orders.lock("A-1");
  const rows = s.reports.result("A-1");
  await expect(rows.next()).rejects.toMatchObject({ code: "key-not-released" });
  s.orders.unlock("A-1", key);
  expect((await s.reports.result("A-1").next()).value).toMatchObject({ reference: "E1" });
});
