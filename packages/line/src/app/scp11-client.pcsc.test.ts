import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hex, unhex } from "@persoline/card/bytes";
import { type CertificateContent, makeCertificate } from "@persoline/card/globalplatform";
import { nodeP256 } from "@persoline/card/node";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { connectedReaders } from "../devices/reader/pcsc/reader.js";
import { type Daemon, slotNumber, startPcscd } from "../devices/reader/pcscd.test.data.js";
import { root } from "./command.test.data.js";
import { Served } from "./served.test.data.js";

/** A client of SCP11 that nobody here shares code with, on a blank of the product, through the PC/SC daemon. */
const client = fileURLToPath(new URL("../../foreign/scp11_client.py", import.meta.url));
const productText = readFileSync(join(root, "examples/products/gp-certified/product.yaml"), "utf8");
const keyList = join(root, "examples/keys/gp-certified-test-keys.yaml");
const published = (name: string): Uint8Array =>
  unhex(
    new RegExp(`name: ${name}, .*published: "([0-9A-F]{64})"`).exec(readFileSync(keyList, "utf8"))?.[1] ?? "",
  );
const authority = published("maker-authority");
const authorityPoint = hex(nodeP256.publicKeyOf(authority));
const host = nodeP256.generate();
const text = (name: string): Uint8Array => new TextEncoder().encode(name);

const signed = (
  by: Uint8Array,
  content: Pick<CertificateContent, "authority" | "subject" | "use" | "publicKey">,
): string =>
  hex(
    makeCertificate(
      {
        serialNumber: unhex("02"),
        expires: "20991231",
        // Longer than one command: it is chained.
        discretionary: new Uint8Array(110).fill(0x2a),
        ...content,
      },
      (message) => nodeP256.sign(by, message),
    ),
  );
/** The authority's, one below it, and the client's own. */
function chainUnder(root: Uint8Array): string[] {
  const below = nodeP256.generate();
  return [
    signed(root, {
      authority: text("PL TEST CA"),
      subject: text("BELOW"),
      use: "verification",
      publicKey: below.publicKey,
    }),
    signed(below.privateKey, {
      authority: text("BELOW"),
      subject: text("CLIENT"),
      use: "agreement",
      publicKey: host.publicKey,
    }),
  ];
}

let folder: string;
let pcscd: Daemon;
let served: Served | undefined;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-scp11-client-"));
  pcscd = await startPcscd(1);
});
afterAll(async () => {
  await pcscd.stop();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await served?.end();
  while ((await connectedReaders()).some(({ card }) => card !== "none")) await pause(250);
  // The daemon looks every 400 ms.
  await pause(500);
});
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function insert(variant: "a" | "c"): Promise<string> {
  const product = join(folder, `${variant}.yaml`);
  writeFileSync(product, productText.replace("variant: a", `variant: ${variant}`));
  const at = `127.0.0.1:${String(slotNumber(0).address.port)}`;
  served = new Served(["--vpcd", at, "--product", product, "--keys", keyList]);
  const [one] = await served.serving();
  while (!(await connectedReaders()).some(({ card }) => card === "present")) await pause(250);
  return one?.serial ?? "";
}

async function say(ask: object): Promise<unknown> {
  const env = { PATH: "/usr/bin:/bin", HOME: "/nonexistent", PYTHONDONTWRITEBYTECODE: "1" };
  const child = spawn("/usr/bin/python3", [client], { stdio: ["pipe", "pipe", "pipe"], env });
  let out = "";
  const keep = (bytes: Buffer): void => {
    out += bytes.toString();
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  child.stdin.end(JSON.stringify(ask));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(out);
  return JSON.parse(out);
}

const keys = ["10", "20", "30"].map((byte) => byte.repeat(16));
const common = {
  reader: "Persoline vpcd A 00 00",
  kvn: 3,
  level: 0x33,
  length: 16,
  authority: authorityPoint,
  host: hex(host.privateKey),
  certificates: chainUnder(authority),
  anchor: 1,
  keys,
};

describe.each(["a", "c"] as const)("an independent SCP11%s client", (variant) => {
  test("believes the blank, is believed, writes, reads, and puts keys in", async () => {
    const serial = await insert(variant);
    for (const [level, length, newkvn] of [
      [0x11, 16, 0x31],
      [0x33, 16, 0x32],
      [0x33, 32, 0x33],
    ] as const) {
      const image = `45${"0A"}${"00112233445566778899"}`;
      const commands = [`80E290000C${image}`, "80CA004500", "80F28000024F0000"];
      const told = await say({ ...common, variant, level, length, newkvn, commands });
      expect(told).toMatchObject({
        certificate: "right",
        subject: serial,
        host: "9000",
        receipt: "right",
        answers: [
          { data: "", sw: "9000" },
          { data: image, sw: "9000" },
          { data: expect.stringContaining("A000000151000000") as string, sw: "9000" },
        ],
        put: {
          data: expect.stringMatching(new RegExp(`^${newkvn.toString(16)}[0-9A-F]{18}$`)) as string,
          sw: "9000",
        },
      });
    }
  });

  test("another authority on either side: nobody goes on", async () => {
    await insert(variant);
    const other = nodeP256.generate();
    const ask = { ...common, variant, newkvn: 0x31, commands: [] };
    expect(await say({ ...ask, authority: hex(other.publicKey) })).toMatchObject({ certificate: "wrong" });
    expect(await say({ ...ask, certificates: chainUnder(other.privateKey) })).toEqual({
      certificate: "right",
      subject: expect.stringMatching(/^504C/) as string,
      host: "6300",
    });
    // The certificates are right, the private key is not theirs.
    expect(await say({ ...ask, host: hex(other.privateKey) })).toMatchObject({
      host: "9000",
      receipt: "wrong",
    });
    expect(await say(ask)).toMatchObject({ receipt: "right" });
  });
});
