/** PIN letters of payment cards as a bureau's operators have them in their hands, with the vault and with a token that asks for its PIN. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openLetter } from "../devices/hsm/letter.js";
import { type SoftToken, softToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { type Ended, persoline, program } from "./command.test.data.js";
import { paymentOrder } from "./payment.test.data.js";
import { typed } from "./typed.test.data.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-pay-letters-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const people = 3;
const two = ["--by", "A. Meyer", "--witness", "B. Novak"];

describe("with the vault", () => {
  let data: string;
  const letters = (...words: string[]): Ended => persoline(["letters", ...words, "--data", data]);
  /** What the printer prints, by letter; only files that are there. */
  const printed = (): Map<string, string> => {
    const printer = readFileSync(join(data, "letter-printer.pem"), "utf8");
    const place = join(data, "letters/P-1");
    return new Map(
      readdirSync(place).map((file) => [
        file.replace(".letter", ""),
        openLetter(printer, readFileSync(join(place, file), "utf8")),
      ]),
    );
  };
  const pinIn = (text = ""): string | undefined => /Your PIN: (\d{4})\b/.exec(text)?.[1];

  beforeAll(() => {
    data = join(folder, "vault");
    const { order, line } = paymentOrder(folder, { people });
    const { code, err } = persoline(["run", order, "--line", line, "--data", data]);
    if (code !== 0) throw new Error(err);
  }, 300_000);

  test("one person releases none, two release all, once; nothing of a card's number is in a letter", () => {
    expect(letters("release", "P-1", "--by", "A. Meyer").code).toBe(2);
    const alone = letters("release", "P-1", "--by", "A. Meyer", "--witness", " a. meyer");
    expect([alone.code, alone.err]).toEqual([1, expect.stringContaining("takes two different people")]);
    expect(letters("list", "P-1").out.match(/ written /g)).toHaveLength(people);
    expect(letters("release", "P-1", ...two).out).toMatch(/^3 letters of order P-1 released; they lie in /);
    expect(letters("release", "P-1", ...two).out).toBe(
      "No letter of order P-1 waits for its release: 3 are released.\n",
    );
    for (const text of printed().values()) {
      expect(pinIn(text)).toHaveLength(4);
      expect(text).not.toMatch(/999901\d|\d{7,}(?!\n)/);
    }
  });

  test("two print a letter again: the same PIN under a new number, the old one void and its file gone", () => {
    const before = printed();
    const reprint = ["reprint", "L-0000002", "--reason", "torn in the printer"];
    expect(letters(...reprint, "--by", "A. Meyer").code).toBe(2);
    expect(letters(...reprint, "--by", "A. Meyer", "--witness", "A. Meyer").err).toContain(
      "takes two different people",
    );
    expect(printed().get("L-0000002")).toBe(before.get("L-0000002"));
    expect(letters(...reprint, ...two).out).toBe(
      'Letter L-0000002 is void; L-0000004 takes its place and waits for "letters release P-1".\n',
    );
    const after = printed();
    expect([...after.keys()].sort()).toEqual(["L-0000001", "L-0000003", "L-0000004"]);
    expect(pinIn(after.get("L-0000004"))).toBe(pinIn(before.get("L-0000002")));
    expect(letters("list", "P-1").out).toMatch(/^L-0000002 +2 +1 +void +torn in the printer *$/m);
    expect(letters(...reprint, ...two).err).toContain("was replaced by L-0000004: print that one again");
  });

  test("a letter that is lost is made void by one; what to do next is said; two print it again", () => {
    const lost = ["void", "L-0000003", "--reason", "lost in the post", "--by", "A. Meyer"];
    expect(letters(...lost).out).toContain('may have it printed again: "letters reprint L-0000003"');
    expect([...printed().keys()]).not.toContain("L-0000003");
    expect(letters(...lost)).toMatchObject({
      code: 1,
      err: expect.stringContaining("letter L-0000003 is void already: lost in the post") as string,
    });
    expect(letters("write", "P-1", "--by", "A. Meyer").out).toBe(
      "No good card of order P-1 lacks a letter.\n",
    );
    expect(letters("reprint", "L-0000003", "--reason", "lost in the post", ...two).code).toBe(0);
    expect(letters("release", "P-1", ...two).out).toMatch(/^2 letters of order P-1 released/);
  });

  test("what is not there is said with where to look", () => {
    for (const words of [
      ["list", "P-2"],
      ["release", "P-2", ...two],
    ])
      expect(letters(...words)).toMatchObject({
        code: 1,
        err: expect.stringContaining(
          'there is no order P-2 here; "persoline order list" shows all',
        ) as string,
      });
    for (const words of [
      ["void", "L-0000099", "--reason", "lost", "--by", "A"],
      ["reprint", "3", "--reason", "torn", ...two],
    ])
      expect(letters(...words).err).toContain('"persoline letters list ORDER" shows those of an order');
  });

  test("every one of these acts is in the audit, with who and why; after delivery the PIN is dead", () => {
    expect(persoline(["audit", "verify", "--data", data]).code).toBe(0);
    expect(persoline(["order", "deliver", "P-1", "--by", "A. Meyer", "--data", data]).code).toBe(0);
    expect(letters("reprint", "L-0000001", "--reason", "torn", ...two)).toMatchObject({
      code: 1,
      err: expect.stringContaining("the PIN of letter L-0000001 is not kept any more") as string,
    });
    expect(persoline(["audit", "verify", "--data", data]).code).toBe(0);
  });
});

describe("with a token that asks for its PIN", () => {
  let soft: SoftToken;
  let data: string;
  let token: readonly string[];
  const reprint = ["letters", "reprint", "L-0000001", "--reason", "torn", ...two];
  const list = () => persoline(["letters", "list", "P-1", "--data", data]).out;

  beforeAll(() => {
    const own = mkdtempSync(join(folder, "token-"));
    soft = softToken(own, "pay");
    data = join(own, "data");
    const { label, library, pin } = soft.access;
    token = ["--security", "pkcs11", "--token", label, "--token-library", library, "--data", data];
    const pinFile = join(own, "pin");
    writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
    const { order, line } = paymentOrder(own, { people: 1 });
    const { status } = spawnSync(
      process.execPath,
      [program, "run", order, "--line", line, ...token, "--token-pin-fd", "3"],
      {
        encoding: "utf8",
        stdio: ["ignore", "ignore", "ignore", openSync(pinFile, "r")],
        env: { ...soft.environment },
        timeout: 300_000,
      },
    );
    if (status !== 0) throw new Error("the order was not made");
  }, 300_000);

  const asked = (pin: string) =>
    typed([...reprint, ...token], [["PIN of token pay: ", `${pin}\r`]], { env: soft.environment });

  test("a wrong PIN is told, tried once, and has changed nothing; the right one prints the letter again", () => {
    const before = list();
    const wrong = asked("wrong one");
    expect(wrong).toMatchObject({ status: 1, left: 0, same: true, during: [false] });
    expect(wrong.shown).toContain("the PIN was refused");
    expect(wrong.shown).toContain("it is not tried again by itself");
    expect(wrong.shown).not.toContain("wrong one");
    expect(list()).toBe(before);
    const right = asked(soft.access.pin);
    expect(right).toMatchObject({ status: 0, left: 0, same: true, during: [false] });
    expect(right.shown).toContain("Letter L-0000001 is void; L-0000002 takes its place");
    expect(right.shown).not.toContain(soft.access.pin);
    expect(list()).toMatch(/^L-0000001 +1 +1 +void +torn *$/m);
  });

  test("whoever forgets the token is told to name it, and nothing has changed", () => {
    const before = list();
    const words = ["letters", "reprint", "L-0000002", "--reason", "torn", ...two, "--data", data];
    expect(persoline(words)).toMatchObject({
      code: 1,
      err: expect.stringContaining("name it with --security pkcs11") as string,
    });
    expect(list()).toBe(before);
  });
});
