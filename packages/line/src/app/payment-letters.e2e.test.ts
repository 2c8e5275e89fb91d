/** PIN letters of payment cards as a bureau's operators have them in their hands, with the vault and with a token that asks for its PIN. */
import { spawnSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pinIn, printedIn } from "../devices/hsm/letters/letters.test.data.js";
import { type SoftToken, softToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { type Ended, persoline, program } from "./command.test.data.js";
import { paymentOrder } from "./payment.test.data.js";
import { typed } from "./typed.test.data.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-pay-letters-"));
  killed = join(folder, "killed");
});
afterAll(() => rmSync(folder, { recursive: true }));

const people = 3;
/** The data folder as the run left it. */
let killed: string;
const two = ["--by", "A. Meyer", "--witness", "B. Novak"];

describe("with the vault", () => {
  let data: string;
  let ran: Ended;
  let order: string;
  let line: string;
  const letters = (...words: string[]): Ended => persoline(["letters", ...words, "--data", data]);
  const printer = (): string => join(data, "letter-printer.pem");
  const place = (): string => join(data, "letters/P-1");
  /** What the printer prints, by letter; only batches that are there. */
  const pages = (): Map<string, string> => printedIn(printer(), place());

  beforeAll(() => {
    data = join(folder, "vault");
    ({ order, line } = paymentOrder(folder, { people }));
    ran = persoline(["run", order, "--line", line, "--data", data]);
    if (ran.code !== 0) throw new Error(ran.err);
    cpSync(data, killed, { recursive: true });
  }, 300_000);

  test("one person releases none, two release all, once; nothing of a card's number is in a letter", () => {
    expect(ran.out).toContain(
      "\n  online transactions completed, ARQC judged right by the security module: 3 of 3\n",
    );
    expect(ran.out).toContain('3 PIN letters wait for two people: "persoline letters release P-1"');
    expect(existsSync(place())).toBe(false);
    expect(letters("release", "P-1", "--by", "A. Meyer").code).toBe(2);
    const alone = letters("release", "P-1", "--by", "A. Meyer", "--witness", " a. meyer");
    expect([alone.code, alone.err]).toEqual([1, expect.stringContaining("takes two different people")]);
    expect(existsSync(place())).toBe(false);
    expect(letters("list", "P-1").out.match(/ waiting$/gm)).toHaveLength(people);
    expect(persoline(["order", "deliver", "P-1", "--by", "A. Meyer", "--data", data]).err).toContain(
      "3 PIN letters of order P-1 are not released, and their PINs die",
    );
    expect(letters("release", "P-1", ...two).out).toMatch(
      /^Order P-1: 3 letters in batch B-0000001 released; they lie in /,
    );
    expect(letters("release", "P-1", ...two).out).toBe(
      "No letter of order P-1 waits for its release: 3 are released.\n",
    );
    expect(pages().size).toBe(people);
    for (const text of pages().values()) {
      expect(pinIn(text)).toHaveLength(4);
      expect(text.replaceAll(/[LB]-\d{7}/g, "")).not.toMatch(/\d{5}/);
    }
  });

  test("the print room opens a batch with the printer's key, and other programs read its pages in the order of release", () => {
    const batch = join(place(), "B-0000001.letters");
    const pdf = join(folder, "letters.pdf");
    const open = (...words: string[]): Ended => persoline(["letters", "open", batch, ...words]);
    expect(open("--printer-key", printer(), "--to", pdf).out).toMatch(/^B-0000001: 3 letters in /);
    expect(statSync(pdf).mode & 0o077).toBe(0);
    const words = [process.execPath, program, "letters", "open", batch, "--printer-key", printer()];
    const broken = spawnSync("bash", ["-c", 'set -o pipefail; "$@" | :', "bash", ...words], {
      encoding: "utf8",
    });
    expect(broken).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(
        "ended before it had taken them all (EPIPE). Look what it has printed, destroy that, and open the same batch again",
      ) as string,
    });
    expect(open("--printer-key", printer(), "--to", pdf).err).toContain("is there already");
    expect(spawnSync("pdffonts", [pdf], { encoding: "utf8" })).toMatchObject({
      stdout: expect.stringMatching(/AAAAAA\+DejaVuSans +CID TrueType +Identity-H +yes yes yes/) as string,
      stderr: "",
    });
    const read = spawnSync("pdftotext", ["-layout", pdf, "-"], { encoding: "utf8" });
    expect(read.stderr).toBe("");
    const lines = read.stdout.split("\f").map((page) => page.split("\n").filter((line) => line !== ""));
    expect(lines.slice(0, -1)).toEqual([...pages().values()].map((page) => page.trimEnd().split("\n")));
    expect(lines.map(([first]) => first?.trim())).toEqual([
      "Letter L-0000001",
      "Letter L-0000002",
      "Letter L-0000003",
      undefined,
    ]);
    // Straight to the printer, from a key that has a passphrase.
    const locked = join(folder, "locked.pem");
    const line = ["--line-key", join(data, "line-signature.pub")];
    const passphrase = { cipher: "aes-256-cbc", passphrase: "of the print room" } as const;
    const key = createPrivateKey(readFileSync(printer()));
    writeFileSync(locked, key.export({ format: "pem", type: "pkcs8", ...passphrase }));
    const word = join(folder, "word");
    const piped = (said: string) => {
      writeFileSync(word, `${said}\n`, { mode: 0o600 });
      const words = ["letters", "open", batch, "--printer-key", locked, "--key-passphrase-fd", "3", ...line];
      return spawnSync(process.execPath, [program, ...words], {
        stdio: ["ignore", "pipe", "pipe", openSync(word, "r")],
      });
    };
    expect(piped("of the print room").stdout.equals(readFileSync(pdf))).toBe(true);
    expect(piped("of another room").stderr.toString()).toContain("does not open with this passphrase");
    const other = join(folder, "other.pem");
    writeFileSync(other, generateKeyPairSync("x25519").privateKey.export({ format: "pem", type: "pkcs8" }));
    for (const [words, code, said] of [
      [["--printer-key", other, ...line, "--to", `${pdf}2`], 1, "encrypted for another printer's key"],
      [["--printer-key", other, "--to", `${pdf}2`], 1, `"persoline keys signature --out line-signature.pub"`],
      [["--printer-key", batch, ...line, "--to", `${pdf}2`], 1, "is no private key"],
      [["--printer-key", printer(), "--json"], 2, "name a file with --to"],
    ] as const)
      expect(open(...words)).toMatchObject({ code, err: expect.stringContaining(said) as string });
    expect(persoline(["letters", "open", pdf, "--printer-key", printer(), "--to", `${pdf}2`]).err).toContain(
      "is no batch of PIN letters",
    );
    expect(existsSync(`${pdf}2`)).toBe(false);
  });

  test.each([
    ["before its entry", "access", false],
    ["after its entry, before its name", "rename", true],
  ] as const)(
    "killed %s: the next command, whatever it is, finishes the batch or leaves its letters waiting",
    (when, call, isEntered) => {
      const data = join(folder, call);
      cpSync(killed, data, { recursive: true });
      const place = join(data, "letters/P-1");
      const draft = join(place, "B-0000001.letters.part");
      const release = ["letters", "release", "P-1", ...two, "--data", data];
      const { signal, error, stderr } = spawnSync(
        "strace",
        [
          "-f",
          "-qq",
          "-P",
          draft,
          "-e",
          `inject=${call}:signal=SIGKILL`,
          process.execPath,
          program,
          ...release,
        ],
        { encoding: "utf8" },
      );
      if (error !== undefined) throw new Error(`strace is needed here (apt-get install strace): ${stderr}`);
      expect([when, signal, readdirSync(place)]).toEqual([when, "SIGKILL", ["B-0000001.letters.part"]]);
      const listed = persoline(["letters", "list", "P-1", "--data", data]).out;
      expect(listed.match(/ waiting$/gm) ?? []).toHaveLength(isEntered ? 0 : people);
      expect(readdirSync(place)).toEqual([isEntered ? "B-0000001.letters" : "B-0000001.letters.part"]);
      // Its letters are not what this one is about.
      expect(persoline(["order", "result", "P-1", "--data", data]).code).toBe(0);
      expect(readdirSync(place)).toEqual(isEntered ? ["B-0000001.letters"] : []);
      expect(persoline(release).code).toBe(0);
      expect(readdirSync(place)).toEqual([isEntered ? "B-0000001.letters" : "B-0000002.letters"]);
      const printed = printedIn(join(data, "letter-printer.pem"), place);
      expect([...printed.keys()]).toEqual(["L-0000001", "L-0000002", "L-0000003"]);
    },
    60_000,
  );

  test("the print room prints what its line signed, and nothing else that is encrypted for its printer", () => {
    const room = join(folder, "print-room");
    mkdirSync(room);
    const at = (name: string): string => join(room, name);
    const batch = "B-0000001.letters";
    copyFileSync(printer(), at("printer.pem"));
    const written = readFileSync(join(place(), batch), "utf8");
    const open = (name: string): Ended =>
      persoline(["letters", "open", at(name), "--printer-key", at("printer.pem"), "--to", at("out.pdf")]);
    const refused = (name: string, said: string) => {
      expect(open(name)).toMatchObject({ code: 1, out: "", err: expect.stringContaining(said) as string });
      expect(existsSync(at("out.pdf"))).toBe(false);
    };
    writeFileSync(at(batch), written);
    // Another line's half is in the place of the line's own.
    const somebody = generateKeyPairSync("ed25519").publicKey.export({ format: "pem", type: "spki" });
    writeFileSync(at("line-signature.pub"), somebody);
    refused(batch, `${at(batch)} is signed by no line of ${at("line-signature.pub")}`);
    writeFileSync(at("line-signature.pub"), readFileSync(printer()));
    refused(batch, "is no public half of a line's signature");
    const half = persoline(["keys", "signature", "--out", at("line-signature.pub"), "--data", data]);
    expect(half).toMatchObject({
      code: 0,
      out: expect.stringContaining("bring it to the machines") as string,
    });
    expect(readFileSync(at("line-signature.pub"), "utf8")).toBe(
      readFileSync(join(data, "line-signature.pub"), "utf8"),
    );
    const { signature, ...unsigned } = JSON.parse(written) as { readonly signature: string };
    writeFileSync(at("B-0000002.letters"), JSON.stringify({ ...unsigned, version: 1 }));
    refused(
      "B-0000002.letters",
      "bears no signature of the line: a former program wrote it, or somebody else",
    );
    writeFileSync(at("B-0000002.letters"), JSON.stringify({ ...unsigned, batch: "B-0000002", signature }));
    refused("B-0000002.letters", "is signed by no line of");
    // The line's own, once more, where another is expected.
    writeFileSync(at("B-0000002.letters"), written);
    refused("B-0000002.letters", "is batch B-0000001 of order P-1 under another name");
    expect(open(batch)).toMatchObject({
      code: 0,
      out: expect.stringContaining("B-0000001: 3 letters") as string,
    });
  });

  test("two print a letter again: the same PIN under a new number and in a new batch, the old one void and its file gone", () => {
    const before = pages();
    const reprint = ["reprint", "L-0000002", "--reason", "torn in the printer"];
    expect(letters(...reprint, "--by", "A. Meyer").code).toBe(2);
    expect(letters(...reprint, "--by", "A. Meyer", "--witness", "A. Meyer").err).toContain(
      "takes two different people",
    );
    expect(pages()).toEqual(before);
    expect(letters(...reprint, ...two).out).toBe(
      'Letter L-0000002 is void; L-0000004 takes its place.\nOrder P-1: 1 letter in batch B-0000002 released.\nBatch B-0000001 holds a letter that is void now: its file is taken away. If its 2 other letters were not printed yet, two people have them printed again: "persoline letters reprint B-0000001".\n',
    );
    const after = pages();
    expect([...after.keys()]).toEqual(["L-0000004"]);
    expect(pinIn(after.get("L-0000004"))).toBe(pinIn(before.get("L-0000002")));
    expect(letters("list", "P-1").out).toMatch(
      /^L-0000002 +2 +1 +void +torn in the printer +B-0000001 \(taken away\) +2 +L-0000004$/m,
    );
    const listed = letters("list", "P-1").out;
    expect(listed).toMatch(/^L-0000001 +1 +1 +released .*B-0000001 \(taken away\) +1$/m);
    expect(listed).toContain(
      "\nThe file of batch B-0000001 was taken away. If its 2 other letters were not printed yet,",
    );
    // All letters are released, and nobody knows whether two of them were printed.
    const deliver = (...more: string[]): Ended =>
      persoline(["order", "deliver", "P-1", "--by", "A. Meyer", "--data", data, ...more]);
    expect(deliver()).toMatchObject({
      code: 1,
      err: expect.stringContaining(
        'batch B-0000001, of which 2 letters are in force, was taken away with a letter that is void: if the print room has printed it, say "--printed B-0000001"; if not, two people have the rest printed again with "persoline letters reprint B-0000001"',
      ) as string,
    });
    expect(deliver("--printed", "B-0000002").err).toContain(
      "--printed B-0000002: order P-1 has no such batch that was taken away",
    );
    expect(letters(...reprint, ...two).err).toContain("was replaced by L-0000004: print that one again");
  });

  test("a letter that is lost is made void by one; what to do next is said; two print what is left of its batch again", () => {
    const lost = ["void", "L-0000003", "--reason", "lost in the post", "--by", "A. Meyer"];
    const { out } = letters(...lost);
    expect(out).toContain('may have it printed again: "letters reprint L-0000003"');
    expect(out).toContain(
      'If its other letter was not printed yet, two people have it printed again: "persoline letters reprint B-0000001".',
    );
    expect(letters(...lost)).toMatchObject({
      code: 1,
      err: expect.stringContaining("letter L-0000003 is void already: lost in the post") as string,
    });
    expect(letters("release", "P-1", ...two).out).toMatch(
      /: 2 are released, 2 are void\.\nLetter L-0000003 is void, and no other takes its place: .*"persoline letters reprint L-0000003"\.\n$/,
    );
    expect(persoline(["order", "deliver", "P-1", "--by", "A. Meyer", "--data", data]).err).toContain(
      "1 PIN letter of order P-1 is not released, and its PIN dies when the cards are handed over: two people release it with",
    );
    const again = ["reprint", "B-0000001", "--reason", "was not printed", ...two];
    expect(JSON.parse(letters(...again, "--json").out)).toEqual({
      order: "P-1",
      letters: [{ replaces: "L-0000001", letter: "L-0000005" }],
      batches: [{ batch: "B-0000003", letters: 1, file: "letters/P-1/B-0000003.letters" }],
    });
    expect(letters(...again).err).toContain("all letters of batch B-0000001 are void");
    const listed = JSON.parse(letters("list", "P-1", "--json").out) as {
      letter: string;
      replacedBy?: string;
    }[];
    expect(listed.map(({ letter, replacedBy }) => [letter, replacedBy])).toEqual([
      ["L-0000001", "L-0000005"],
      ["L-0000002", "L-0000004"],
      ["L-0000003", undefined],
      ["L-0000004", undefined],
      ["L-0000005", undefined],
    ]);
    expect(letters("reprint", "L-0000003", "--reason", "lost in the post", ...two).code).toBe(0);
    expect([...pages().keys()]).toEqual(["L-0000004", "L-0000005", "L-0000006"]);
  });

  test("a batch that holds a void letter is taken away, and that is said", () => {
    const { out } = letters("void", "L-0000006", "--reason", "torn", "--by", "A. Meyer");
    expect(out).toContain("Batch B-0000004 holds a letter that is void now: its file is taken away.");
    expect(readdirSync(place())).toEqual(["B-0000002.letters", "B-0000003.letters"]);
    expect(letters("reprint", "L-0000006", "--reason", "torn", ...two).code).toBe(0);
  });

  test("what is not there is said with where to look", () => {
    for (const words of [
      ["list", "P-2"],
      ["release", "P-2", ...two],
    ])
      expect(letters(...words)).toMatchObject({
        code: 1,
        err: expect.stringMatching(/(?:no order P-2|order P-2 is not) here; .*order list"/) as string,
      });
    for (const words of [
      ["void", "L-0000099", "--reason", "lost", "--by", "A"],
      ["reprint", "3", "--reason", "torn", ...two],
      ["reprint", "B-0000099", "--reason", "torn", ...two],
    ])
      expect(letters(...words).err).toContain('"persoline letters list ORDER" shows those of an order');
  });

  test("without its keystore the folder is left as it is: what is missing is said, and the keystore put back goes on", () => {
    const kept = join(folder, "kept.json");
    renameSync(join(data, "keystore.json"), kept);
    const files = () =>
      readdirSync(data, { recursive: true, encoding: "utf8" }).flatMap((name) =>
        name.endsWith(".pem") || /^keystore.*(?:json|key|until-[a-z]+)$/.test(name)
          ? [[name, readFileSync(join(data, name), "hex")]]
          : [],
      );
    const before = files();
    expect(before.filter(([name]) => name?.includes("until-"))).toHaveLength(2);
    for (const words of [
      ["run", order, "--line", line],
      ["letters", "release", "P-1", ...two],
      ["letters", "void", "L-0000005", "--reason", "torn", "--by", "A. Meyer"],
      ["order", "deliver", "P-1", "--by", "A. Meyer"],
      ["keys", "init", "--environment", "test"],
    ])
      expect(persoline([...words, "--data", data])).toMatchObject({
        code: 1,
        err: expect.stringMatching(
          /keystore\.json is missing, .* order P-1, audit\/heads\.jsonl, .*put keystore\.json .*back from a backup/,
        ) as string,
      });
    expect(files()).toEqual(before);
    renameSync(kept, join(data, "keystore.json"));
    expect(persoline(["audit", "verify", "--data", data]).code).toBe(0);
  });

  test("every one of these acts is in the audit, with who and why; after delivery the PIN is dead", () => {
    expect(persoline(["audit", "verify", "--data", data]).code).toBe(0);
    expect(persoline(["order", "deliver", "P-1", "--by", "A. Meyer", "--data", data]).code).toBe(0);
    expect(letters("reprint", "L-0000005", "--reason", "torn", ...two)).toMatchObject({
      code: 1,
      err: expect.stringContaining("the PIN of letter L-0000005 is not kept any more") as string,
    });
    const lying = readdirSync(place());
    const { out } = letters("void", "L-0000005", "--reason", "holder moved", "--by", "A. Meyer");
    expect(out).toBe(
      "Letter L-0000005 is void, and its PIN is gone: order P-1 is delivered, so nobody can print it again. Its holder needs a new card, in a new order.\nBatch B-0000003 stays where it is, for no letter of a delivered order can be printed again. If it was not printed yet, the print room takes page 1 out and destroys it.\n",
    );
    const json = letters("void", "L-0000004", "--reason", "holder moved", "--by", "A. Meyer", "--json");
    expect(JSON.parse(json.out)).toEqual({ letter: "L-0000004", state: "void", pinGone: true });
    expect(readdirSync(place())).toEqual(lying);
    expect(lying).toContain("B-0000003.letters");
    expect(persoline(["audit", "verify", "--data", data]).code).toBe(0);
  });
});

describe("with a token that asks for its PIN", () => {
  let soft: SoftToken;
  let data: string;
  let token: readonly string[];
  const told: string[] = [];
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
    for (const words of [
      ["run", order, "--line", line],
      ["letters", "release", "P-1", ...two],
    ]) {
      const { status, stdout } = spawnSync(
        process.execPath,
        [program, ...words, ...token, "--token-pin-fd", "3"],
        {
          encoding: "utf8",
          stdio: ["ignore", "pipe", "ignore", openSync(pinFile, "r")],
          env: { ...soft.environment },
          timeout: 300_000,
        },
      );
      if (status !== 0) throw new Error("the order was not made");
      told.push(stdout);
    }
  }, 300_000);

  test("of one letter is said what would be said of one", () => {
    expect(told).toEqual([
      expect.stringContaining(
        '1 PIN letter waits for two people: "persoline letters release P-1" has it printed.',
      ),
      expect.stringContaining("1 letter in batch B-0000001 released"),
    ]);
  });

  const asked = (pin: string) =>
    typed([...reprint, ...token], [["PIN of token pay: ", `${pin}\r`]], { env: soft.environment });

  test.each(["damaged", "missing"])(
    "an order's secret that is %s costs no letter and no batch; what to restore is said",
    (how) => {
      const before = list();
      const secrets = join(data, "token-keys.json.orders");
      const [name = ""] = readdirSync(secrets).filter((one) => one.endsWith("-delivery"));
      const secret = join(secrets, name);
      const whole = readFileSync(secret);
      if (how === "missing") rmSync(secret);
      else
        writeFileSync(
          secret,
          whole.map((byte) => byte ^ 1),
        );
      const { status, shown } = asked(soft.access.pin);
      writeFileSync(secret, whole, { mode: 0o600 });
      expect(status).toBe(1);
      expect(shown.replaceAll(/\s+/g, " ")).toMatch(
        new RegExp(`-delivery is ${how}.*Restore this file from the newest backup`),
      );
      expect(list()).toBe(before);
      expect(readdirSync(join(data, "letters/P-1"))).toEqual(["B-0000001.letters"]);
    },
  );

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
    expect(list()).toMatch(/^L-0000001 +1 +1 +void +torn +B-0000001 \(taken away\) +1 +L-0000002$/m);
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
