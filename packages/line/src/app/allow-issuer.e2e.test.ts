/** What opens the keys is heard once, also where an issuer's file is proved with them before custodians allow what it is used for. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { softToken, type SoftToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { root } from "./command.test.data.js";

const program = join(root, "packages/line/bin/persoline.js");
const example = join(root, "examples/issuer-access");
let folder: string;
let soft: SoftToken;

/** Pipes give what they have once; `vault` and `token` open the keys of a folder of their own each. */
function bash(script: string) {
  const head = `set -eu
persoline() { "${process.execPath}" "${program}" "$@"; }
vault() { persoline "$@" --data "${folder}/vault" --passphrase-fd 9 9< <(printf 'the passphrase of the keystore'); }
token() { persoline "$@" --data "${folder}/token" --security pkcs11 --token issuer --token-library "${soft.access.library}" --token-pin-fd 9 9< <(printf '%s' "${soft.access.pin}"); }
ann() { "$@" --by Ann --custodian-fd 3 3< <(printf "ann's own passphrase"); }
bob() { "$@" --by Bob --custodian-fd 3 3< <(printf "bob's own passphrase"); }
cd "${folder}"
`;
  const { status, stdout, stderr } = spawnSync("bash", ["--norc", "-c", head + script], {
    encoding: "utf8",
    timeout: 240_000,
    env: { PATH: "/usr/bin:/bin", ...soft.environment },
  });
  return { status, out: stdout, err: stderr };
}
const orderFile = (name: string, issuerFile: string): string => {
  const file = join(folder, name);
  const text = readFileSync(join(example, "order.yaml"), "utf8")
    .replaceAll("../", `${join(root, "examples")}/`)
    .replaceAll("cards.issuer", issuerFile);
  writeFileSync(file, text);
  return file;
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-allow-issuer-"));
  soft = softToken(folder, "issuer");
  copyFileSync(join(example, "cards.issuer"), join(folder, "cards.issuer"));
  const order = orderFile("order.yaml", "cards.issuer");
  const enrol = (where: string) => `${where} order import ${order}
${where} keys custodians add Ann --custodian-fd 3 3< <(printf "ann's own passphrase")
${where} keys custodians add Bob --custodian-fd 3 3< <(printf "bob's own passphrase")`;
  const { status, err } = bash(`${enrol("vault")}\n${enrol("token")}`);
  if (status !== 0) throw new Error(err);
});
afterAll(() => rmSync(folder, { recursive: true }));

test.each(["vault", "token"])("with keys in the %s an order with an issuer's file is allowed", (where) => {
  const { status, out, err } = bash(`ann ${where} keys allow order.yaml
bob ${where} keys confirm C-0003
${where} keys allowed
${where} audit verify`);
  expect([err, status]).toEqual(["", 0]);
  // When it is asked for, to whoever confirms it, and in the list.
  expect(out.split("the issuer's A000000876020101/8101 under DEK")).toHaveLength(4);
  expect(out).toContain("Ceremony C-0003");
  expect(out).toContain(
    'waits for 1 more custodian, who goes on with "persoline keys confirm C-0003 --by NAME"',
  );
  expect(out).toMatch(/SHA-256 [0-9a-f]{64}, C-0003/);
});

test.each(["vault", "token"])(
  "with keys in the %s an altered file is refused, and no ceremony begins",
  (where) => {
    const bytes = readFileSync(join(example, "cards.issuer"));
    bytes[bytes.length - 9] = (bytes[bytes.length - 9] ?? 0) ^ 1;
    writeFileSync(join(folder, "altered.issuer"), bytes);
    orderFile("altered.yaml", "altered.issuer");
    const { status, out, err } = bash(`ann ${where} keys allow altered.yaml`);
    expect([status, out]).toEqual([1, ""]);
    expect(err).toContain("the proof of the whole file is wrong");
    expect(bash(`${where} keys ceremonies --json`).out).toContain('"pending":[]');
  },
);
