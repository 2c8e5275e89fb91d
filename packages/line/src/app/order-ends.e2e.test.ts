/**
 * An older copy of the database is put back beside the keys of today: before delivery it tells PINs, after it none, and after the erasure nothing.
 * The process ends between the accounts and the module, and the same command does the rest. What a copy of the module's own files keeps alive
 * is shown as well. Dear for its many commands, each a start of the program: that of a stranger with a copy is what has to be refused.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openStore } from "../store/store.js";
import { type Ended, idealLine, persoline, smallOrder } from "./command.test.data.js";

const destroyed = "persoline: destroyed\n";
let folder: string;
let order: string;
const at = (name: string): string => join(folder, name);
const run = (data: string, ...words: string[]): Ended => persoline([...words, "--data", at(data)]);
const said = (...words: string[]): string => {
  const { code, out, err } = run("data", ...words);
  if (code !== 0) throw new Error(`${words.join(" ")} ended with ${String(code)}: ${err}`);
  return out;
};

/** Today's folder with the database and the signed heads of `copy`: nothing tells that they are older. */
function putBack(copy: string): string {
  const older = mkdtempSync(at("older-"));
  cpSync(at("data"), older, { recursive: true });
  for (const name of readdirSync(older).filter((one) => one.startsWith("persoline.db")))
    rmSync(join(older, name));
  for (const name of readdirSync(at(copy)).filter((one) => one.startsWith("persoline.db")))
    cpSync(join(at(copy), name), join(older, name));
  cpSync(join(at(copy), "audit"), join(older, "audit"), { recursive: true });
  return older.slice(folder.length + 1);
}
const reprinted = (data: string): Ended =>
  run(data, "letters", "reprint", "L-0000001", "--reason", "torn", "--by", "Ada", "--witness", "Bo");
const result = (data: string): Ended => run(data, "order", "result", "T-1");
/** What the command does to the accounts, as if it were ended right after. */
async function inAccounts(work: (store: Awaited<ReturnType<typeof openStore>>) => Promise<void>) {
  const store = await openStore({ file: at("data/persoline.db") });
  await work(store);
  await store.close();
}

/** What the audit says was destroyed. */
async function told(): Promise<readonly string[]> {
  const deeds: string[] = [];
  await inAccounts(async (store) => {
    for await (const { what } of store.audit.entries()) if (what.endsWith("-destroyed")) deeds.push(what);
  });
  return deeds;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-order-ends-"));
  order = smallOrder(folder, 1);
  said("run", order, "--line", idealLine(folder, "carousel"));
  said("letters", "release", "T-1", "--by", "Ada", "--witness", "Bo");
  // All of it, the module's own files too: only this copy keeps what the delivery destroys.
  cpSync(at("data"), at("whole"), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true }));

test.each(["damaged", "missing"])(
  "an order's secret that is %s costs no letter and no batch, and once it is restored the same command prints it again",
  (how) => {
    const data = how;
    cpSync(at("data"), at(data), { recursive: true });
    const secrets = join(at(data), "keystore.json.orders");
    const [name = ""] = readdirSync(secrets).filter((one) => one.endsWith("-delivery"));
    const secret = join(secrets, name);
    const whole = readFileSync(secret);
    if (how === "missing") rmSync(secret);
    else
      writeFileSync(
        secret,
        whole.map((byte) => byte ^ 1),
      );
    const listed = run(data, "letters", "list", "T-1").out;
    const { code, err } = reprinted(data);
    expect(code).toBe(1);
    expect(err).toMatch(new RegExp(`-delivery is ${how}.*Restore this file from the newest backup`));
    expect(run(data, "letters", "list", "T-1").out).toBe(listed);
    expect(readdirSync(join(at(data), "letters/T-1"))).toEqual(["B-0000001.letters"]);
    writeFileSync(secret, whole, { mode: 0o600 });
    expect(reprinted(data)).toMatchObject({
      code: 0,
      out: expect.stringContaining("Letter L-0000001 is void; L-0000002 takes its place.") as string,
    });
    expect(readdirSync(join(at(data), "letters/T-1"))).toEqual(["B-0000002.letters"]);
  },
);

test("after the delivery the database of before tells no PIN, also where the delivery was interrupted", async () => {
  await inAccounts((store) => store.orders.deliver({ order: "T-1", by: "Ada" }));
  // Nothing was destroyed yet: the copy is as good as it was.
  expect(reprinted(putBack("whole"))).toMatchObject({ code: 0, err: "" });

  const show = (): string => said("order", "show", "T-1");
  expect(show()).toContain(
    `its PINs' secrets are not known to be destroyed yet: give "persoline order deliver T-1"`,
  );
  expect(said("order", "deliver", "T-1", "--by", "Ada")).toContain("was delivered already");
  expect(show()).not.toContain("beware");
  expect(await told()).toEqual(["order.pins-destroyed"]);
  const older = putBack("whole");
  const letter = reprinted(older);
  expect(letter.code).not.toBe(0);
  expect(letter.err).toContain("order T-1 was delivered or erased: what its PINs");
  // The only copy of what its PINs are: nothing is void, no file gone.
  expect(readdirSync(join(at(older), "letters/T-1"))).toEqual(["B-0000001.letters"]);
  expect(run(older, "letters", "list", "T-1").out).toMatch(/^L-0000001 +1 +1 +released .* B-0000001 +1$/m);
  expect(run("data", "order", "deliver", "T-1", "--by", "Ada").err).toMatch(/delivered.*produced/);
});

test("after the erasure the database of before tells nothing, also where the erasure was interrupted", async () => {
  // As a delivery leaves it that was interrupted, and not asked for again.
  const secrets = "keystore.json.orders";
  const [delivery = ""] = readdirSync(join(at("data"), secrets)).filter((name) => name.endsWith("-delivery"));
  cpSync(join(at("whole"), secrets, delivery), join(at("data"), secrets, delivery));
  // Whatever command comes next and opens the module: it destroys what is due.
  said("order", "result", "T-1");
  expect(readFileSync(join(at("data"), secrets, delivery), "utf8")).toBe(destroyed);
  said("order", "close", "T-1", "--by", "Ada");
  await inAccounts((store) => store.orders.erase({ order: "T-1", by: "Ada", approvedBy: "Bo" }));
  // Personal data live until the erasure has come to the module.
  expect(result(putBack("whole"))).toMatchObject({ code: 0, err: "" });

  expect(said("order", "show", "T-1", "--json")).toContain("its secrets are not known to be destroyed yet");
  said("order", "erase", "T-1", "--by", "Ada", "--and", "Bo");
  expect(said("order", "show", "T-1")).not.toContain("beware");
  expect(await told()).toEqual(["order.pins-destroyed", "order.pins-destroyed", "order.secrets-destroyed"]);
  const older = putBack("whole");
  for (const ended of [result(older), reprinted(older)]) {
    expect(ended.code).not.toBe(0);
    expect(ended.err).toContain("order T-1 was erased: what its data key was sealed under was destroyed");
  }
  // Of the whole order a note is left for each secret.
  const notes = join(at("data"), secrets);
  expect(readdirSync(notes).map((name) => readFileSync(join(notes, name), "utf8"))).toEqual([
    destroyed,
    destroyed,
  ]);
  expect(run("data", "order", "import", order).err).toMatch(/was imported on .* and is erased/);
});

test("a copy of the module's own files from before keeps what it holds", () => {
  expect(existsSync(join(at("whole"), "keystore.json.orders"))).toBe(true);
  expect(reprinted("whole")).toMatchObject({ code: 0, err: "" });
});
