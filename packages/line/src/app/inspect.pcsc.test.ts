import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectedReaders } from "../devices/reader/pcsc/reader.js";
import { type Daemon, slotNumber, startPcscd } from "../devices/reader/pcscd.test.data.js";
import { program, root } from "./command.test.data.js";
import { ViccBody } from "./vicc.test.data.js";

/** Debian's vicc keeps its files in its memory: one that ended at a question would have lost them. */
const reader = "Persoline vpcd A 00 00";
const product = join(root, "examples/products/foreign-badge/product.yaml");
let pcscd: Daemon;
let body: ViccBody;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-inspect-"));
  pcscd = await startPcscd(2);
  body = new ViccBody();
  body.insert(slotNumber(0).address);
  await seen("present");
});
afterAll(async () => {
  body.close();
  await pcscd.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Until PC/SC sees it so. */
async function seen(state: "present" | "none"): Promise<void> {
  while ((await connectedReaders()).some(({ card }) => card === "present") !== (state === "present"))
    await new Promise((resolve) => setTimeout(resolve, 50));
}

interface Found {
  readonly files: readonly { readonly path: string; readonly fid: string }[];
  readonly missing: readonly string[];
  readonly notAsked?: string;
  readonly ended?: string;
  readonly otherCard?: string;
}

/** Not spawnSync: the way to the card leads through this process. */
async function card(...words: readonly string[]) {
  const child = spawn(process.execPath, [program, "card", ...words, "--reader", reader], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (bytes: Buffer) => (out += bytes.toString()));
  child.stderr.on("data", (bytes: Buffer) => (err += bytes.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, out, err };
}

async function inspected(...words: readonly string[]): Promise<Found> {
  const { code, out, err } = await card("inspect", "--json", ...words);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out) as Found;
}

const own = ["number", "holder", "zones"].map((name) => `MF/${name}`);

test("a stranger's card that ends when SELECT wants an answer lives through an inspection, with and without its product", async () => {
  const unknown = await inspected();
  expect(unknown.files).toMatchObject([{ path: "MF", fid: "3F00" }]);
  expect(unknown.notAsked).toContain("vicc 0.8");

  expect((await inspected("--product", product)).missing).toEqual(own);

  const person = ["name=Ada Byron", "zones=YARD;CRANE", "cardNumber=F-1"].flatMap((one) => ["--set", one]);
  expect(await card("write", "--product", product, ...person)).toMatchObject({ code: 0, err: "" });
  const made = await inspected("--product", product);
  expect(made.files.map(({ path, fid }) => [path, fid])).toEqual([
    ["MF", "3F00"],
    ["MF/holder", "0101"],
    ["MF/zones", "0102"],
  ]);
  // Only the line has a number to write.
  expect(made.missing).toEqual(["MF/number"]);
  expect(made.notAsked).toContain("foreign-badge declares select-without-answer");
  expect(made.otherCard).toBeUndefined();
});

test("the recorded inspection of such a card is compared with this one, through pcscd", async () => {
  const recorded = join(root, "packages/card/vectors/traces/vicc.jsonl");
  const { code, out, err } = await card("trace", "replay", recorded);
  expect({ code, out, err }).toEqual({
    code: 0,
    out: "34 of 34 exchanges asked again, 0 different\n",
    err: "",
  });
  const other = await card("trace", "replay", recorded.replace("vicc.jsonl", "gp-blank.jsonl"));
  expect(other.code).toBe(1);
  expect(other.out).toMatch(/80CA00CF00 +CF0A504C\w+ +6A81/);
});

test("a card that is not there yet is waited for", async () => {
  body.out();
  await seen("none");
  // After the words that it waits.
  const waits = card("inspect");
  setTimeout(() => body.insert(slotNumber(0).address), 5000);
  const { code, out, err } = await waits;
  expect({ code, err }).toEqual({ code: 0, err: `waiting for a card at ${reader} (30 s)\n` });
  expect(out).toContain(`The card in ${reader}`);
});

test("in words: what is not there, what was not asked for; a product of other cards is told apart", async () => {
  const other = join(root, "examples/products/pkcs15/product.yaml");
  const { code, out } = await card("inspect", "--product", other);
  expect(code).toBe(0);
  expect(out).toContain("cards of pkcs15 have another ATR");
  expect(out).toMatch(/^looked for and not there: /m);
  expect(out).toMatch(/^not asked for: structure, size and life cycle of files: vicc 0\.8/m);
});

test("a recording leaves what was said until the PC/SC service died, and its error names the file", async () => {
  const file = join(folder, "died.jsonl");
  // Ten questions; it dies at the third.
  body.when("00ca", body.count("00ca") + 3, () => void pcscd.kill());
  const asked = Array<string>(10).fill("00CA004200");
  const { code, out, err } = await card("trace", "record", file, "--apdu", ...asked);
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toContain(`; the 2 exchanges before that are in ${file}`);
  const lines = readFileSync(file, "utf8").trim().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { what: string }).what)).toEqual(["reset", "apdu", "apdu"]);
});
