/**
 * Passphrase and PIN of whoever opens the keys pass the line's process by: while it makes cards, its memory is searched for them. A word that
 * it does have is found in the same search.
 */
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { softToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { begun, idealLine, smallOrder } from "./command.test.data.js";
import { argumentsOf, children, inMemory } from "./leak.test.data.js";

const secrets = { vault: "Kranich-Passphrase 7c41e9", token: "93716405827461" } as const;
const known = "Walburga Control-5d2f";
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-secret-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const written = (text: string): Buffer[] => [Buffer.from(text), Buffer.from(text, "utf16le")];

test.each(["vault", "token"] as const)(
  "%s: what opens the keys is never in the line's process",
  async (name) => {
    const home = join(folder, name);
    mkdirSync(home);
    const secret = join(home, "secret");
    writeFileSync(secret, `${secrets[name]}\n`, { mode: 0o600 });
    const soft = softToken(home, "secret", secrets.token);
    const data = join(home, "data");
    const order = smallOrder(home, 12);
    const line = idealLine(home, "carousel", (text) =>
      text.replace(/stock:[\s\S]*/, "stock: [{ lot: L1, count: 20 }]\n"),
    );
    const { label, library } = soft.access;
    const how =
      name === "vault"
        ? ["--passphrase-fd", "3"]
        : ["--security", "pkcs11", "--token", label, "--token-library", library, "--token-pin-fd", "3"];
    const words = ["run", order, "--line", line, "--data", data, "--json", "--by", known, ...how];
    const child = begun(words, { ...soft.environment }, openSync(secret, "r"));
    const closed = once(child, "close");
    let err = "";
    child.stderr?.on("data", (part: Buffer) => (err += part.toString()));
    child.stdout?.resume();
    const pid = child.pid ?? 0;
    try {
      const good = join(data, "shop-floor/good/T-1");
      while (!existsSync(good) || readdirSync(good).length === 0) {
        expect([child.exitCode, err]).toEqual([null, ""]);
        await sleep(10);
      }
      // The keys were made and opened, and cards come out: what is in the line now is what it ever needs of them.
      process.kill(pid, "SIGSTOP");
      const needles = new Map([
        ["what opens the keys", written(secrets[name])],
        ["who is at work", written(known)],
      ]);
      expect([...inMemory(pid, needles)]).toEqual(["who is at work"]);
      for (const one of [pid, ...children(pid)]) expect(argumentsOf(one).includes(secrets[name])).toBe(false);
    } finally {
      process.kill(pid, "SIGCONT");
      child.kill("SIGTERM");
      await closed;
    }
  },
);
