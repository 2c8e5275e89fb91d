/** Passphrases and PINs at a real terminal (a pseudo-terminal of Python's): nothing is shown, and the terminal is left as it was. */
import { execFileSync, spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type SoftToken, softToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { program, root } from "./command.test.data.js";
import { type Seen, typed } from "./typed.test.data.js";

const passphrase = "Größe des Stores, geheim";
const meyer = "meyer's own passphrase";
const novak = "novak's own passphrase";
let folder: string;
let soft: SoftToken;

function typing(
  words: readonly string[],
  steps: readonly (readonly [wait: string, type: string])[],
  stdin = false,
): Seen {
  const place = words.includes("--data") ? [] : ["--data", join(folder, "data")];
  const seen = typed([...words, ...place], steps, { env: { ...soft.environment, ...swap }, stdin });
  for (const secret of [passphrase, meyer, novak, soft.access.pin, "wrong one"])
    expect(seen.shown).not.toContain(secret);
  return seen;
}
/** Whether this machine swaps is another test's matter. */
const swap = { PERSOLINE_SWAP: "accepted" };
const withoutTerminal = (words: readonly string[]) =>
  spawnSync("setsid", ["-w", process.execPath, program, ...words], {
    encoding: "utf8",
    cwd: root,
    env: { PATH: "/usr/bin:/bin", ...swap },
  });
const quiet = { left: 0, same: true };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-prompts-"));
  soft = softToken(folder, "prompts");
  const secret = join(folder, "secret");
  writeFileSync(secret, passphrase, { mode: 0o600 });
  execFileSync("bash", [
    "--norc",
    "-c",
    `"${process.execPath}" "${program}" keys init --environment test --data "${folder}/data" --passphrase-fd 3 3<"${secret}"`,
  ]);
  rmSync(secret);
});
afterAll(() => rmSync(folder, { recursive: true }));

test("a keystore under a passphrase asks for it; custodians are asked after it; nothing is shown", () => {
  const enrolled = typing(
    ["keys", "custodians", "add", "A. Meyer"],
    [
      ["Passphrase of the keystore: ", `${passphrase}\r`],
      ["New passphrase of custodian A. Meyer: ", `${meyer}\r`],
    ],
  );
  expect(enrolled).toMatchObject({ ...quiet, status: 0, during: [false, false] });
  expect(enrolled.shown).toContain("Ceremony C-0001 is whole");
  // Slips of the keyboard: a line begun anew, letters taken back, keys that are no text.
  const slips = typing(
    ["security"],
    [["Passphrase of the keystore: ", `wrong one\u0015\u001a${passphrase}ü\u007f\r`]],
    true,
  );
  expect(slips).toMatchObject({ ...quiet, status: 0, during: [false] });
  expect(slips.shown).toContain("vault, test keys, opened by its passphrase");
});

test("a live keystore's passphrase is typed twice, and nothing is made of one that is short or was typed otherwise", () => {
  const data = join(folder, "live");
  const printer = join(folder, "printer.pub");
  const { publicKey } = generateKeyPairSync("x25519");
  writeFileSync(printer, publicKey.export({ format: "pem", type: "spki" }));
  const init = ["keys", "init", "--environment", "live", "--letter-printer", printer, "--data", data];
  const [first, second] = ["New passphrase of the keystore: ", "The same passphrase again: "];
  const made = () => existsSync(join(data, "keystore.json")) || existsSync(join(data, "keystore.key"));
  for (const [steps, why] of [
    [[[first, "eleven char\r"]], "a keystore's passphrase has at least 12 characters"],
    [
      [
        [first, `${passphrase}\r`],
        [second, "wrong one\r"],
      ],
      "the two passphrases differ; nothing was made",
    ],
    [[[first, "\u0003"]], "interrupted; nothing was done"],
  ] as const) {
    const seen = typing(init, steps);
    expect(seen).toMatchObject({ ...quiet, status: 1 });
    expect(seen.shown).toContain(why);
    expect(made()).toBe(false);
  }
  const nobody = withoutTerminal(init);
  expect([nobody.status, made()]).toEqual([1, false]);
  expect(nobody.stderr).toMatch(
    /no terminal to ask at; give a file descriptor with --passphrase-fd, or .*--key-file/,
  );

  const whole = typing(init, [
    [first, `${passphrase}\r`],
    [second, `${passphrase}\r`],
  ]);
  expect(whole).toMatchObject({ ...quiet, status: 0, during: [false, false] });
  expect(whole.shown).toContain("is made, for live cards, opened by its passphrase.");
  expect(existsSync(join(data, "keystore.key"))).toBe(false);
  // Nobody types a passphrase for what is there already.
  const twice = typing(init, []);
  expect(twice).toMatchObject({ status: 1 });
  expect(twice.shown).toContain("there is a keystore already");
  const opened = typing(["security", "--data", data], [["Passphrase of the keystore: ", `${passphrase}\r`]]);
  expect(opened.shown).toContain("vault, live keys, opened by its passphrase");
});

test("Ctrl-C and the end of the input leave the terminal as it was, and do nothing; so does a signal from outside", () => {
  const before = readFileSync(join(folder, "data/keystore.json"), "utf8");
  for (const [words, question] of [
    [["security"], "Passphrase of the keystore: "],
    [["keys", "list"], "Passphrase of the keystore: "],
  ] as const)
    for (const key of ["\u0003", "\u0004", "half of it\u0003"]) {
      const seen = typing(words, [[question, key]], true);
      expect(seen).toMatchObject({ ...quiet, status: 1, during: [false] });
      expect(seen.shown).toContain("interrupted; nothing was done");
    }
  for (const stdin of [true, false])
    expect(typing(["security"], [["Passphrase of the keystore: ", "TERM"]], stdin)).toMatchObject({
      ...quiet,
      status: -15,
    });
  expect(readFileSync(join(folder, "data/keystore.json"), "utf8")).toBe(before);
});

test("a token's PIN is asked for; a wrong one is shown to the token once, and its tries are the token's", () => {
  const { library, label, pin } = soft.access;
  const data = join(folder, "token");
  const words = (command: readonly string[]) => [
    ...command,
    "--security",
    "pkcs11",
    "--token",
    label,
    "--token-library",
    library,
  ];
  const run = (command: readonly string[], text: string) =>
    typing([...words(command), "--data", data], [[`PIN of token ${label}: `, text]]);
  expect(run(["keys", "init", "--environment", "test"], `${pin}\r`)).toMatchObject({ ...quiet, status: 0 });
  const wrong = run(["security"], "wrong one\r");
  expect(wrong).toMatchObject({ ...quiet, status: 1, during: [false] });
  expect(wrong.shown).toContain("the PIN was refused");
  expect(wrong.shown).toContain("not tried again by itself");
  expect(run(["keys", "list"], `${pin}\r`).shown).toContain("store-seal");
  expect(run(["keys", "list"], "\u0003").shown).toContain("interrupted; nothing was done");
});

test("wrong passphrases are told, counted, and lock the keystore; the lock outlives the program", () => {
  const ask = (words: readonly string[], text: string) =>
    typing(words, [["Passphrase of the keystore: ", `${text}\r`]]);
  for (let tries = 0; tries < 5; tries++) {
    // By whichever way: the line's module and the key office count together.
    const seen = ask(tries % 2 === 0 ? ["security"] : ["keys", "list"], "wrong one");
    expect(seen).toMatchObject({ ...quiet, status: 1 });
    expect(seen.shown).toContain("the passphrase does not open this keystore");
  }
  const locked = ask(["security"], passphrase);
  expect(locked).toMatchObject({ ...quiet, status: 1 });
  expect(locked.shown).toMatch(/locked after 5 wrong passphrases; the next one is heard in \d+ s/);
  // A wait that is over: as if the last wrong one had been a minute ago.
  const file = join(folder, "data/keystore.json.tries");
  const tries = JSON.parse(readFileSync(file, "utf8")) as { wrong: number; last: number };
  expect(tries.wrong).toBe(5);
  writeFileSync(file, JSON.stringify({ ...tries, last: tries.last - 60_000 }));
  expect(ask(["security"], passphrase)).toMatchObject({ ...quiet, status: 0 });
});

test("where there is no terminal it says what to do", () => {
  const none = (words: readonly string[]) => withoutTerminal([...words, "--data", join(folder, "data")]);
  const told = none(["security"]);
  expect(told.status).toBe(1);
  expect(told.stderr).toContain(
    "there is no terminal to ask at; give a file descriptor with --passphrase-fd",
  );
  expect(none(["keys", "list"]).stderr).toContain("there is no terminal to ask at");
});
