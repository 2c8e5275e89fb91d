/**
 * The order of examples/payment as it stands, with the vault and with a SoftHSM token: a hundred cards, each having completed an online
 * transaction whose cryptogram the module verified. Dear (a hundred embossed cards with pictures, twice), for this is what is promised.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Finding } from "@persoline/card/program";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { softToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import type { CardProof, ProofSums } from "../ledger/proof.js";
import { type Ended, persoline, program } from "./command.test.data.js";
import type { Produced } from "./end-run.js";
import { example } from "./payment.test.data.js";

const people = 100;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-hundred-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const dataOf = (name: string): string => join(folder, name, "data");

async function made(name: "vault" | "token"): Promise<Ended> {
  const home = join(folder, name);
  mkdirSync(home);
  const words = ["run", join(example, "order.yaml"), "--data", dataOf(name), "--json"];
  const pinFile = join(home, "pin");
  let env: Readonly<Record<string, string>> = {};
  writeFileSync(pinFile, "");
  if (name === "vault") words.push("--security", "vault");
  else {
    const { access, environment } = softToken(home, "hundred");
    writeFileSync(pinFile, access.pin, { mode: 0o600 });
    env = environment;
    words.push("--security", "pkcs11", "--token", access.label, "--token-library", access.library);
    words.push("--token-pin-fd", "3");
  }
  const child = spawn(process.execPath, [program, ...words], {
    stdio: ["ignore", "pipe", "pipe", openSync(pinFile, "r")],
    env,
  });
  const said = { out: "", err: "" };
  child.stdout?.on("data", (part: Buffer) => (said.out += part.toString()));
  child.stderr?.on("data", (part: Buffer) => (said.err += part.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...said };
}

describe.each(["vault", "token"] as const)("with the %s", (name) => {
  let ended: Ended;
  beforeAll(async () => {
    ended = await made(name);
  });

  test("a hundred cards are made of the stock's good blanks, and the accounts balance", () => {
    expect(ended).toMatchObject({ code: 0, err: "" });
    const { produced, held, balanced, blanks, rejects } = JSON.parse(ended.out) as Produced;
    expect({ produced, held, balanced, good: blanks.good }).toEqual({
      produced: people,
      held: 0,
      balanced: true,
      good: people,
    });
    // Of the three bad chips that its stock has one can be taken up; no other card is wrong.
    expect(rejects.map(({ station, code }) => `${station}: ${code}`).sort()).toEqual([
      "electrical-test: mute",
      "initialisation: card-cryptogram",
    ]);
  });

  test("each of them was approved online, and its ARQC verified by the module", () => {
    const database = new Database(join(dataOf(name), "persoline.db"), { readonly: true });
    const good = database
      .prepare<[], { record: number; findings: string }>(
        "select record, findings from visits where end_kind = 'good'",
      )
      .all();
    database.close();
    const proved = good.filter(({ findings }) => {
      const said = (JSON.parse(findings) as Finding[]).map(
        ({ what, result, detail = "" }) => `${what}: ${result} ${detail}`,
      );
      return (
        said.includes("transaction: ARQC by the security module: ok right") &&
        said.some((one) => one.startsWith("transaction: ok approved online"))
      );
    });
    expect(proved).toHaveLength(people);
    expect(new Set(proved.map(({ record }) => record)).size).toBe(people);
  });

  test("and that is told: at the run's end, by order show, card by card", () => {
    const { proof } = JSON.parse(ended.out) as Produced;
    expect(proof).toMatchObject({
      good: people,
      told: people,
      transactions: {
        completed: people,
        arqc: { right: people, wrong: 0, notJudged: 0 },
        offline: { CDA: people },
        pinVerified: people,
        arpcTaken: people,
        scripts: { done: 3 * people, failed: 0 },
      },
    });
    const order = ["order", "show", "2026-900", "--data", dataOf(name)];
    expect(persoline(order).out).toMatch(
      /^online transactions completed, ARQC judged right by the security module +100 of 100$/m,
    );
    const shown = JSON.parse(persoline([...order, "--json"]).out) as {
      readonly proof: ProofSums;
      readonly cards: readonly { readonly record: number; readonly proof?: CardProof }[];
    };
    expect(shown.proof).toEqual(proof);
    expect(shown.cards.filter((card) => card.proof?.transaction?.arqc === "right")).toHaveLength(people);
  });
});
