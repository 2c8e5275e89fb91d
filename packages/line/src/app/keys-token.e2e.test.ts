/** Key ceremonies on a token (SoftHSM 2): the same commands, and values that never leave again. */
import { spawnSync } from "node:child_process";
import { createPublicKey, verify } from "node:crypto";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { hex, unhex } from "@persoline/card/bytes";
import { openKeyBlock } from "@persoline/card/keyblock";
import { nodeCrypto } from "@persoline/card/node";
import { type KeyRef, type Serial } from "@persoline/card/program";
import { orderOfSteps } from "../devices/hsm/order.test.data.js";
import { openToken } from "../devices/hsm/pkcs11/pkcs11.js";
import { type SoftToken, softToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { Token } from "../devices/hsm/pkcs11/token.js";
import { root } from "./command.test.data.js";

const program = join(root, "packages/line/bin/persoline.js");
const ann = "ann's own passphrase";
const bob = "bob's own passphrase";
const components = [
  "6B1D40C792AE35F80C5BE1D47789A6F2D0E34B951C2A8F763D08B9C154E79A20",
  "F2A83C516E07D94B85C02F7D19B6E3845A1C98EF7064D23BC6F10E5DA8934B7A",
] as const;
const zone = unhex(components[0]).map((byte, at) => byte ^ (unhex(components[1])[at] ?? 0));
const serial = "50530000000000000042" as Serial;

let folder: string;
let soft: SoftToken;
const data = (...parts: string[]) => join(folder, "data", ...parts);

/** The script with `persoline` for a command of this token; Ann and Bob sit by `ann` and `bob` after it. */
function bash(script: string, hours = "") {
  const head = `set -eu
persoline() { "${process.execPath}" "${program}" "$@" --data "${folder}/data" --security pkcs11 --token ceremony --token-library "${soft.access.library}" --token-pin-fd 9 9<<<"${soft.access.pin}"; }
ann() { persoline "$@" --by Ann --custodian-fd 3 3<<<"${ann}"; }
bob() { persoline "$@" --by Bob --custodian-fd 3 3<<<"${bob}"; }
cd "${folder}"
`;
  const ran = spawnSync("bash", ["--norc", "-c", head + script], {
    encoding: "utf8",
    timeout: 240_000,
    env: { PATH: "/usr/bin:/bin", ...soft.environment, PERSOLINE_CEREMONY_HOURS: hours },
  });
  return { status: ran.status, out: ran.stdout, err: ran.stderr };
}
function done(script: string): string {
  const ran = bash(script);
  expect([ran.err, ran.status]).toEqual(["", 0]);
  return ran.out;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-keys-token-"));
  soft = softToken(folder, "ceremony");
  for (const [name, value] of Object.entries(soft.environment)) vi.stubEnv(name, value);
  done(`persoline keys init --environment test
persoline keys custodians add Ann --custodian-fd 3 3<<<"${ann}"
persoline keys custodians add Bob --custodian-fd 3 3<<<"${bob}"`);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** Looks into the token itself. */
async function inToken<T>(look: (token: Token) => T): Promise<T> {
  const token = await Token.open(soft.access);
  try {
    return look(token);
  } finally {
    token.disconnect();
  }
}

describe("a ceremony on a token", () => {
  it("brings keys in, wraps one at its birth, replaces and destroys: and none may leave the token", async () => {
    const out = done(`
ann keys import zmk --use key-block --algorithm AES-256 --components 2 --kcv D3C948 --piece-kcv 68ABE7 --piece-fd 4 4<<<${components[0]}
bob keys confirm C-0003 --piece-kcv 50C5AD --piece-fd 4 4<<<${components[1]}
ann keys generate gate --use application --under zmk
bob keys confirm C-0004 --out gate.block
ann keys generate root-1 --use scp03 --algorithm AES-256 --shares 2-of-2 --piece-out-fd 4 4>ann.share
bob keys confirm C-0005 --piece-out-fd 4 4>bob.share
ann keys generate fab --use scp02
bob keys confirm C-0006
ann keys rotate root-1 --to root-2 --use scp03
bob keys confirm C-0007
bob keys destroy root-1 --reason "no card was made with it"
ann keys confirm C-0008
ann keys export-block gate
bob keys confirm C-0009 --out again.block
persoline keys list`);
    expect(out).toMatch(/zmk +key-block +AES-256 +D3C948 +active +components/);
    expect(out).toMatch(/gate +application +AES-128 +[0-9A-F]{6} +active +wrapped/);
    expect(out).toMatch(/root-1 +scp03 +AES-256 +[0-9A-F]{6} +destroyed +split/);
    expect(out).toMatch(/fab +scp02 +3DES +[0-9A-F]{6} +active +drawn/);

    const block = readFileSync(join(folder, "gate.block"), "utf8").trim();
    expect(readFileSync(join(folder, "again.block"), "utf8").trim()).toBe(block);
    const opened = openKeyBlock({ crypto: nodeCrypto, kbpk: zone, block });
    expect(opened.header).toMatchObject({ version: "D", usage: "E6", exportability: "N" });
    const kcv = hex(nodeCrypto.aes(opened.key).encrypt(new Uint8Array(16).fill(1)).slice(0, 3));
    expect(out).toMatch(new RegExp(`gate +application +AES-128 +${kcv} `));

    const attributes = await inToken((token) =>
      ["zmk", "gate", "root-1", "root-2", "fab"].map((name) => [
        name,
        token
          .find(name, "secret")
          .map((key) => token.wrongAttributes(key, name === "fab" ? "des-master" : "master")),
      ]),
    );
    expect(attributes).toEqual([
      ["zmk", [undefined]],
      ["gate", [undefined]],
      // Its object is gone.
      ["root-1", []],
      ["root-2", [undefined]],
      ["fab", [undefined]],
    ]);
    const secrets = [ann, bob, soft.access.pin, ...components, hex(zone), hex(opened.key)];
    const outside = readdirSync(data(), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1").toUpperCase());
    expect(outside.length).toBeGreaterThan(5);
    for (const secret of secrets)
      expect(outside.filter((text) => text.includes(secret.toUpperCase()))).toEqual([]);
  });

  it("takes a block in under a key that is in the token, and refuses what a token cannot do or must not", async () => {
    const block = readFileSync(join(folder, "gate.block"), "utf8").trim();
    const refused = (script: string, why: string) => {
      const ran = bash(script);
      expect(ran.status).toBe(1);
      expect(ran.err).toContain(why);
    };
    refused("ann keys export-block root-2", "key root-2 cannot leave");
    refused("ann keys import pub --use card-authority --public gate.block", "are kept in the vault only");
    refused("ann keys generate host --use scp11", "are kept in the vault only");
    // The same value under another name would give it a second purpose.
    refused(
      "ann keys import twin --use application --block gate.block --under zmk",
      "this is the value of key gate",
    );
    writeFileSync(
      join(folder, "bent.block"),
      `${block.slice(0, 60)}${block[60] === "0" ? "1" : "0"}${block.slice(61)}`,
    );
    refused("ann keys import bent --use application --block bent.block --under zmk", "MAC is wrong");
    expect(await inToken((token) => [token.find("twin", "secret"), token.find("bent", "secret")])).toEqual([
      [],
      [],
    ]);
  });

  it("the line heeds the states: suspended keys do nothing, retired ones still know old cards", async () => {
    const gate = async () => {
      const hsm = await openToken(
        { file: data("token-keys.json"), unlock: soft.access },
        { environment: soft.environment },
      );
      const keys = "gate" as KeyRef;
      try {
        const channel = { protocol: "scp03", keys: "root-2" as KeyRef, kvn: 1, level: 1 } as const;
        const order = await orderOfSteps(hsm, channel, []);
        const made = await hsm
          .openSession({ channel, serial, order })
          .then(async ({ session, open }) => {
            const data = new Uint8Array(29);
            data.set(unhex(serial));
            data.set([1, 3, 0x60], 10);
            const ready = await hsm.authenticate({
              session,
              answer: { data, sw: 0x9000 as never },
              steps: [],
            });
            return ready.ok || open.ins !== 0x50 ? "made" : ready.code;
          })
          .catch((problem: Error) => problem.message);
        const known = await hsm.openMutual({ keys, kid: 1, serial, cardChallenge: new Uint8Array(16) }).then(
          () => "known",
          (problem: Error) => problem.message,
        );
        return [made, known];
      } finally {
        await hsm.close();
      }
    };
    // The keys answer: the card's cryptogram of zeros is judged, and found wrong.
    expect(await gate()).toEqual(["card-cryptogram", "known"]);
    done(`ann keys suspend root-2 --reason audit; bob keys confirm C-0010
ann keys retire gate --reason "end of its period"; bob keys confirm C-0011`);
    expect(await gate()).toEqual([expect.stringContaining("key root-2 is suspended"), "known"]);
    done(`ann keys compromise gate --reason "seen elsewhere"; bob keys confirm C-0012`);
    expect((await gate())[1]).toContain("key gate is compromised");
  });

  it("an older register that is put back is known, an altered one too", () => {
    copyFileSync(data("token-keys.json"), join(folder, "old.json"));
    done(`ann keys activate root-2 --reason "audit is over"; bob keys confirm C-0013`);
    copyFileSync(data("token-keys.json"), join(folder, "new.json"));
    copyFileSync(join(folder, "old.json"), data("token-keys.json"));
    expect(bash("persoline keys list").err).toContain("an older copy");
    const altered = readFileSync(join(folder, "new.json"), "utf8").replace('"compromised"', '"active"');
    writeFileSync(data("token-keys.json"), altered);
    expect(bash("persoline keys list").err).toContain("was altered");
    copyFileSync(join(folder, "new.json"), data("token-keys.json"));
    expect(bash("persoline keys list").status).toBe(0);
  });

  it("what waits too long ends by the next look; every act is in the audit, and a cut or an edit shows", () => {
    done("ann keys suspend root-2 --reason audit");
    expect(done("persoline keys ceremonies")).toContain("C-0014");
    expect(bash("persoline keys ceremonies", "0.0001").out).not.toMatch(/^C-0014/m);
    expect(done("persoline keys record C-0014")).toContain("Expired, nothing was made");

    const file = data("audit", "ceremonies.jsonl");
    const whole = readFileSync(file, "utf8");
    const lines = whole.trimEnd().split("\n");
    expect(done("persoline audit verify")).toContain(
      `The key office's acts are whole: ${String(lines.length)}, each signed`,
    );
    expect(whole).toContain("ceremony.expire");
    expect(whole).toContain("refused");
    for (const [content, why] of [
      [`${lines.slice(0, -1).join("\n")}\n`, "its end was cut off"],
      [whole.replace("Ann", "Eve"), "act 1 of the key office was altered"],
      [`${lines.filter((_, at) => at !== 3).join("\n")}\n`, "before act 4 of the key office one is missing"],
      ["", "its end was cut off"],
      [whole.replace("{", "["), "line 1 is no act"],
    ] as const) {
      writeFileSync(file, content);
      const ran = bash("persoline audit verify");
      expect([ran.status, ran.out]).toEqual([1, expect.stringContaining(why)]);
    }
    writeFileSync(file, whole);
    expect(bash("persoline audit verify").status).toBe(0);
  });

  it("keeps issuers' payment keys, transport keys and keys of MACs, each for what it alone may do", async () => {
    const begun = (words: string) =>
      `number=$(ann keys ${words} --json | node_of); bob keys confirm "$number" `;
    done(`node_of() { "${process.execPath}" -p 'JSON.parse(require("fs").readFileSync(0, "utf8")).ceremony.number'; }
${begun("generate pay-cvk --use emv-cvk --under zmk")} --out cvk.block
${begun("generate pay-ac --use emv-ac")}
${begun("generate pay-issuer --use emv-issuer")}
${begun("generate tk --use transport --algorithm AES-256 --under zmk")} --out tk.block
${begun("generate tk-des --use transport --algorithm 3DES")}
${begun("generate files --use file-mac")}
persoline keys request pay-issuer --out request.json`);
    const { proof, ...request } = JSON.parse(readFileSync(join(folder, "request.json"), "utf8")) as Record<
      string,
      string
    >;
    const n = Buffer.from(request["modulus"] ?? "", "hex").toString("base64url");
    const open = createPublicKey({ key: { kty: "RSA", n, e: "Aw" }, format: "jwk" });
    const told = Buffer.from(JSON.stringify(request));
    expect(verify("sha256", told, open, Buffer.from(proof ?? "", "hex"))).toBe(true);

    const kinds = [
      ["pay-cvk", "des-master"],
      ["pay-cvk/single", "des-master"],
      ["pay-ac", "des-master"],
      ["pay-issuer", "signer"],
      ["tk", "transport"],
      ["tk-des", "des-transport"],
      ["files", "mac-master"],
    ] as const;
    const found = () =>
      inToken((token) =>
        kinds.map(([name, kind]) =>
          token
            .find(name, kind === "signer" ? "private" : "secret")
            .map((key) => token.wrongAttributes(key, kind) ?? kind),
        ),
      );
    expect(await found()).toEqual(kinds.map(([, kind]) => [kind]));
    // The module finds each of them by what it is, and takes the certificates' place in.
    const hsm = await openToken(
      { file: data("token-keys.json"), unlock: soft.access },
      { environment: soft.environment },
    );
    const keys = await hsm.keys();
    await hsm.close();
    expect(keys.find(({ name }) => name === "pay-issuer")?.issuer?.modulus).toBe(request["modulus"]);
    const block = readFileSync(join(folder, "tk.block"), "utf8").trim();
    const value = openKeyBlock({ crypto: nodeCrypto, kbpk: zone, block }).key;
    const kcv = hex(nodeCrypto.aes(value).encrypt(new Uint8Array(16).fill(1)).slice(0, 3));
    expect(keys.find(({ name }) => name === "tk")?.kcv).toBe(kcv);

    // A value has one name, also where its key does not encrypt.
    const twin =
      bash(`ann keys import tk-2 --use transport --algorithm AES-256 --block tk.block --under zmk --json >begun.json
bob keys confirm "$("${process.execPath}" -p 'JSON.parse(require("fs").readFileSync("begun.json", "utf8")).ceremony.number')"`);
    expect([twin.status, twin.err]).toEqual([1, expect.stringContaining("this is the value of key tk:")]);

    done(`node_of() { "${process.execPath}" -p 'JSON.parse(require("fs").readFileSync(0, "utf8")).ceremony.number'; }
for name in pay-cvk pay-issuer tk; do for act in retire destroy; do
number=$(ann keys $act $name --reason "never used" --json | node_of); bob keys confirm "$number"
done; done`);
    expect(await found()).toEqual([[], [], ["des-master"], [], [], ["des-transport"], ["mac-master"]]);
    expect(bash("persoline keys request pay-issuer").err).toContain("is destroyed");
  });
});
