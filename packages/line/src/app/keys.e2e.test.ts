import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { take } from "../devices/hold.js";
import { root } from "./command.test.data.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-keys-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const program = join(root, "packages/line/bin/persoline.js");
const meyer = "meyer's own passphrase";
const novak = "novak's own passphrase";

/** Bash with `persoline` as its command and the folder as its place; a failing line ends it. */
function bash(script: string) {
  const head = `set -eu\npersoline() { "${process.execPath}" "${program}" "$@"; }\ncd "${folder}"\nexport PERSOLINE_DATA="${folder}/data"\n`;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", head + script], {
    encoding: "utf8",
    timeout: 240_000,
  });
  return { status, out: stdout, err: stderr };
}

/** Every file below the folder, as text. */
const files = (): [string, string][] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => [entry.name, readFileSync(join(entry.parentPath, entry.name), "latin1")]);

const [script = "", comeAndGo = ""] = [
  ...readFileSync(join(root, "docs/keys.md"), "utf8").matchAll(/```sh\n([\s\S]*?)```/g),
].map(([, text = ""]) => text);

describe("what is asked for at the wrong place or in vain", () => {
  it("a folder without a keystore is told where to look or how to make one; a lost one is to be put back", () => {
    const bare = bash("mkdir data\npersoline keys list");
    expect(bare.status).toBe(1);
    expect(bare.err).toContain(
      'there is no keystore here, nor keys of a token: name its data folder with --data, or make one with "persoline keys init"',
    );
    const lost = bash(`persoline keys init --environment test
persoline keys custodians add "A. Meyer" --custodian-fd 3 3<<<"${meyer}"
mv data/keystore.json .
persoline keys list`);
    expect(lost.status).toBe(1);
    expect(lost.err).toMatch(/keystore\.json is missing, .*audit\/ceremonies\.jsonl.*put keystore\.json/);
    // One key office at a time: another one (here it is this test) is told to whoever comes.
    const held = take(join(folder, "data/keystore.json.office"));
    const second = bash("mv keystore.json data\npersoline keys list");
    expect([second.status, second.err]).toEqual([
      1,
      expect.stringContaining(
        `keystore.json: another key office is open on these keys (process ${String(process.pid)}), and nothing was done`,
      ),
    ]);
    if ("release" in held) held.release();
    expect(bash("persoline keys list")).toMatchObject({ status: 0, err: "" });
    expect(readdirSync(join(folder, "data")).filter((name) => name.includes(".office"))).toEqual([]);
    // The block leaves with the last sitting, and --out belongs there.
    const early = bash('persoline keys export-block k1 --by "A. Meyer" --out x.block');
    expect(early.status).toBe(2);
    expect(early.err).toContain("the block leaves with the last custodian's sitting");
  });
});

describe("the ceremony of the manual", () => {
  it("runs as it stands there, leaves signed records, and no secret anywhere", () => {
    const ran = bash(script);
    expect(ran.err).toBe("");
    expect(ran.status).toBe(0);
    expect(ran.out).toMatch(/zmk-bank +key-block +AES-256 +[0-9A-F]{6} +active .*components/);
    expect(ran.out).toMatch(/tk-bank +transport +AES-256 +[0-9A-F]{6} +active .*2099-01-01 +wrapped/);
    expect(ran.out).toMatch(/issuer-root +scp03 +AES-256 +[0-9A-F]{6} +destroyed/);
    expect(ran.out).toMatch(/issuer-root-2 +scp03 +AES-256 +[0-9A-F]{6} +active/);
    expect(readdirSync(join(folder, "data/ceremonies")).sort()).toEqual(
      [1, 2, 3, 4, 5, 6, 7].map((n) => `C-000${n}.json`),
    );
    const page = readFileSync(join(folder, "C-0003.html"), "utf8");
    expect(page).toContain("A. Meyer");
    expect(page).toContain("import from 2 components");
    expect(readFileSync(join(folder, "meyer.share"), "utf8")).toMatch(
      /^Share 1 of 2 .*\nPLS1-[0-9A-F]{8}-2-/,
    );

    // What an outsider makes of the two components opens the block that left.
    const outside = spawnSync("python3", ["-c", openBlock, join(folder, "tk-bank.block")], {
      encoding: "utf8",
    });
    expect(outside.stderr).toBe("");
    const [usage, kcv] = outside.stdout.trim().split(" ");
    expect(usage).toBe("K0AB");
    expect(ran.out).toMatch(new RegExp(`tk-bank +transport +AES-256 +${kcv} `));

    const secrets = [meyer, novak, "6B1D40C7", "6B1D 40C7", "F2A83C51", "F2A8 3C51"];
    for (const [name, content] of [...files(), ["output", ran.out] as const])
      for (const secret of secrets) expect([name, content.includes(secret)]).toEqual([name, false]);
  });

  it("an older keystore that is put back is known by the records beside it", () => {
    const [first = ""] = script.split("# The bank's transport key");
    expect(bash(first).status).toBe(0);
    copyFileSync(join(folder, "data/keystore.json"), join(folder, "old.json"));
    const by = (who: string, pass: string) => `--by "${who}" --custodian-fd 3 3<<<"${pass}"`;
    expect(
      bash(
        `persoline keys retire zmk-bank --reason lost ${by("A. Meyer", meyer)}; persoline keys confirm C-0004 ${by("B. Novak", novak)}`,
      ).status,
    ).toBe(0);
    copyFileSync(join(folder, "old.json"), join(folder, "data/keystore.json"));
    const back = bash("persoline keys list");
    expect(back.status).toBe(1);
    expect(back.err).toContain("an older copy of the keystore was put back");
  });

  it("custodians come and go as the manual says, and the records beside the keystore must be its own", () => {
    expect(bash(script).status).toBe(0);
    const ran = bash(comeAndGo);
    expect([ran.err, ran.status]).toEqual(["", 0]);
    expect(ran.out).toMatch(/C-0008 \(enrol custodian C\. Lang, key [0-9A-F-]{14}\) waits for 2 more/);
    expect(ran.out).toContain("Read the digits of this key to the two who confirm it");
    expect(ran.out).toMatch(/A\. Meyer may still have.*\n {2}component of key zmk-bank, check value 68ABE7/);
    expect(ran.out).not.toContain("of key issuer-root ");
    const [, list = ""] = ran.out.split("standing");
    expect(list).toMatch(/B\. Novak .*5 tries/);
    expect(list).toMatch(/C\. Lang .*5 tries/);
    expect(list).not.toContain("A. Meyer");
    const record = bash("persoline keys record C-0010").out;
    expect(record).toMatch(/Reason +has left the house/);
    expect(record).toMatch(/Still has +component of key zmk-bank/);
    expect(bash("persoline audit verify").status).toBe(0);
    const by = `--by "B. Novak" --custodian-fd 3`;
    const old = bash(`persoline keys retire zmk-bank --reason old ${by} 3<<<"${novak}"`);
    expect([old.status, old.err]).toEqual([1, expect.stringContaining("4 tries are left")]);
    for (const secret of [meyer, novak, "lang's own passphrase", "novak's new passphrase"])
      for (const [name, content] of files()) expect([name, content.includes(secret)]).toEqual([name, false]);

    const copy = join(folder, "data/ceremonies/C-0002.json");
    writeFileSync(copy, readFileSync(copy, "utf8").replace("B. Novak", "M. Mallory"));
    const other = bash("persoline keys list");
    expect([other.status, other.err]).toEqual([
      1,
      expect.stringContaining("one of the two was written anew"),
    ]);
  });

  it("an office of live keys that has only two is told to enrol a third, and what it is when one is left", () => {
    const enrol = (who: string, pass: string) =>
      `persoline keys custodians add "${who}" --custodian-fd 3 3<<<"${pass}"`;
    const head =
      "export PERSOLINE_SWAP=accepted\nopenssl genpkey -algorithm X25519 | openssl pkey -pubout -out p.pub\n";
    const two = bash(
      `${head}persoline keys init --environment live --key-file --letter-printer p.pub\n${enrol("A. Meyer", meyer)}\n${enrol("B. Novak", novak)}\npersoline keys list`,
    );
    // Told when it is made, and with every list.
    const warned = /^Live keys opened by the key file .*keystore\.key, which lies beside it in clear: .*\n/;
    expect([two.err.replace(warned, "").replace(warned, ""), two.status]).toEqual(["", 0]);
    expect(two.out).toMatch(/^Keystore for live cards, opened by the key file .*, revision 3\./m);
    expect(two.out).toContain("Only two custodians can sit here, and the keys are live");
    const wrong = `persoline keys generate k --use scp03 --by "B. Novak" --custodian-fd 3 3<<<"a wrong passphrase" || true\n`;
    const one = bash(`${head}${wrong.repeat(5)}persoline keys custodians list`);
    expect(one.err).toContain("B. Novak is locked out now");
    expect(one.out).toMatch(/B\. Novak .*locked out/);
    expect(one.out).toContain("Only A. Meyer can sit here: no ceremony can be held");
    const friend = bash(`${head}${enrol("M. Mallory", "mallory's passphrase")}`);
    expect([friend.status, friend.err]).toEqual([
      1,
      expect.stringContaining('docs/keys.md ("When there are not two") tells what remains'),
    ]);
  });

  it("on a disk without room nothing is done: no act without its entry, and the keystore stays whole", () => {
    const keystore = () => readFileSync(join(folder, "data/keystore.json"), "utf8");
    const acts = () =>
      readFileSync(join(folder, "data/audit/ceremonies.jsonl"), "utf8").trimEnd().split("\n").length;
    const enrol = (who: string, pass: string) =>
      `persoline keys custodians add "${who}" --custodian-fd 3 3<<<"${pass}"`;
    expect(bash(`persoline keys init --environment test; ${enrol("A. Meyer", meyer)}`).status).toBe(0);
    const before = keystore();
    // In blocks of 1,024 bytes: room for the beginning of the file, and no more.
    const full = bash(`ulimit -f 2; ${enrol("B. Novak", novak)}`);
    expect(full.status).toBe(1);
    expect(full.err).toContain("could not be written (EFBIG");
    expect([keystore() === before, acts()]).toEqual([true, 1]);
    expect(readdirSync(join(folder, "data")).filter((name) => name.endsWith(".new"))).toEqual([]);
    expect(bash(enrol("B. Novak", novak)).status).toBe(0);
    expect(acts()).toBe(2);
    expect(bash("persoline audit verify").out).toContain("The key office's acts are whole: 2");
  });
});

/** X9.143 version D, written from the standard with another library: prints usage, algorithm, mode, and the key's check value. */
const openBlock = `
import sys
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
x = bytes.fromhex("6B1D40C792AE35F80C5BE1D47789A6F2D0E34B951C2A8F763D08B9C154E79A20")
y = bytes.fromhex("F2A83C516E07D94B85C02F7D19B6E3845A1C98EF7064D23BC6F10E5DA8934B7A")
kbpk = bytes(a ^ b for a, b in zip(x, y))
def mac(key, data):
    c = CMAC(algorithms.AES(key)); c.update(data); return c.finalize()
def derive(usage):
    return b"".join(mac(kbpk, bytes([n]) + usage + b"\\0\\0\\4\\1\\0") for n in (1, 2))
block = open(sys.argv[1]).read().strip()
assert block[0] == "D" and int(block[1:5]) == len(block)
at = 16
for _ in range(int(block[12:14])):
    at += int(block[at + 2:at + 4], 16)
body = bytes.fromhex(block[at:])
data, tag = body[:-16], body[-16:]
d = Cipher(algorithms.AES(derive(b"\\0\\0")), modes.CBC(tag)).decryptor()
clear = d.update(data) + d.finalize()
assert mac(derive(b"\\0\\1"), block[:at].encode() + clear) == tag
key = clear[2:2 + int.from_bytes(clear[:2], "big") // 8]
e = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
print(block[5:9], e.update(b"\\1" * 16)[:3].hex().upper())
`;
