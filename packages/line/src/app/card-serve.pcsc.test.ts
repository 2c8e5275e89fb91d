import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeCommand } from "@persoline/card/apdu";
import { hex } from "@persoline/card/bytes";
import { blankTiming, estimate, plainSent } from "@persoline/card/program";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connectedReaders } from "../devices/reader/pcsc/reader.js";
import { type Daemon, slotNumber, startPcscd } from "../devices/reader/pcscd.test.data.js";
import { office } from "../plan/life.test.data.js";
import { persoline, program, root, smallOrder } from "./command.test.data.js";
import { Listener, Served } from "./served.test.data.js";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const chipNumber = "80CA00CF00";
const recordedFile = fileURLToPath(
  new URL("../../../card/vectors/traces/persoline-blank.jsonl", import.meta.url),
);
/** What the office product's test does longest. */
const segment = office.test.segments.at(-1) ?? { name: "none", channel: "plain", steps: [] };
const longest = segment.steps.map((step) => hex(encodeCommand(plainSent(step).command)));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-serve-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let open: { end(): unknown }[] = [];
afterEach(async () => {
  for (const one of open) await one.end();
  open = [];
});
function serve(...words: readonly string[]): Served {
  const served = new Served(words);
  open.push(served);
  return served;
}
async function listener(): Promise<Listener> {
  const made = new Listener();
  await made.listen();
  open.push({ end: () => made.close() });
  return made;
}
const at = (port: number): string => `127.0.0.1:${String(port)}`;

/** Orders of six cards whose bodies lie on a shop floor. */
const orders = { pkcs15: "2026-132" } as const;
const dataOf = (name: keyof typeof orders): string => join(folder, name);
const made = new Set<string>();
function issued(name: keyof typeof orders): string {
  const data = dataOf(name);
  if (!made.has(name)) {
    const order = join(root, "examples", name, "order.yaml");
    const { code, err } = persoline(["run", order, "--data", data, "--json"]);
    if (code !== 0) throw new Error(err);
    made.add(name);
  }
  const good = JSON.parse(persoline(["stock", "list", "--state", "good", "--data", data, "--json"]).out) as {
    readonly label: string;
  }[];
  return good[0]?.label ?? "";
}

describe("card serve, to whoever listens as vpcd does", () => {
  test("a blank: its number, lengths and commands byte by byte, off and on again", async () => {
    const reader = await listener();
    const [one] = await serve("--vpcd", at(reader.port)).serving();
    expect(one).toMatchObject({ port: reader.port, label: "SERVED-000001" });
    expect(await reader.powered()).toBe("3B98968131FE45806650534C520100FF");
    const told = `CF0A${one?.serial ?? "none"}9000`;
    expect(await reader.ask(chipNumber)).toBe(told);
    expect(await reader.ask(chipNumber, true)).toBe(told);
    reader.control("off");
    reader.control("on");
    expect(await reader.ask("04", true)).toBe("3B98968131FE45806650534C520100FF");
    reader.control("reset");
    expect(await reader.ask(chipNumber)).toBe(told);
  });

  test("is there before the reader, and comes back when the reader was away; it is the same card", async () => {
    const reader = new Listener();
    const port = await reader.listen();
    reader.close();
    const served = serve("--vpcd", at(port));
    await served.serving();
    await pause(600);
    const late = new Listener();
    open.push({ end: () => late.close() });
    await late.listen(port);
    await late.powered();
    const before = await late.ask(chipNumber);
    expect(before).toMatch(/^CF0A.*9000$/);
    late.drop();
    await pause(50);
    expect(await late.powered()).toMatch(/^3B98/);
    expect(late.connections).toBe(2);
    expect(await late.ask(chipNumber)).toBe(before);
    expect(await served.end()).toBe(0);
  });

  test("--fault: silent at the second question, and back as a new card; another ATR; what no fault is is refused", async () => {
    const reader = await listener();
    serve("--vpcd", at(reader.port), "--fault", '{ kind: mute-at, ins: "CA", nth: 2 }');
    await reader.powered();
    expect(await reader.ask(chipNumber)).toMatch(/9000$/);
    expect(await reader.ask(chipNumber)).toBeUndefined();
    expect(await reader.powered()).toMatch(/^3B98/);
    const other = await listener();
    serve("--vpcd", at(other.port), "--fault", "{ kind: wrong-atr, atr: 3B00 }");
    expect(await other.powered()).toBe("3B00");
    const refused = persoline(["card", "serve", "--vpcd", "127.0.0.1:1", "--fault", "{ kind: sulks }"]);
    expect(refused.code).not.toBe(0);
    expect(refused.err).toContain("--fault");
  });

  test("--timed: the card takes its own time", async () => {
    const times: number[] = [];
    for (const words of [[], ["--timed"]]) {
      const reader = await listener();
      serve("--vpcd", at(reader.port), ...words);
      await reader.powered();
      await reader.ask(chipNumber);
      const began = performance.now();
      // Both chessboards over the whole memory: nothing else of a blank takes so long.
      for (const command of longest) expect(await reader.ask(command)).toMatch(/9000$/);
      times.push(performance.now() - began);
    }
    const [free = 0, timed = 0] = times;
    const planned = estimate({ name: "longest", segments: [segment] }, blankTiming).ms;
    // The plan counts a visit's reset and its questions too.
    expect(timed).toBeGreaterThan(0.75 * planned);
    expect(free).toBeLessThan(timed);
  });

  test("--issued: the card itself, extended lengths too, and what does not go together is refused", async () => {
    const label = issued("pkcs15");
    const reader = await listener();
    const [one] = await serve(
      "--vpcd",
      at(reader.port),
      "--issued",
      label,
      "--data",
      dataOf("pkcs15"),
    ).serving();
    expect(one?.label).toBe(label);
    await reader.powered();
    expect(await reader.ask("00A4040C 00000C A000000063504B43532D3135")).toBe("9000");
    // The certificate is longer than a short answer.
    const certificate = await reader.ask("00B08500 000190");
    expect(certificate).toMatch(/^3082/);
    expect((certificate?.length ?? 0) / 2).toBeGreaterThan(300);
    const data = ["--data", dataOf("pkcs15")];
    const wrong = persoline([
      "card",
      "serve",
      "--vpcd",
      "127.0.0.1:1",
      "--issued",
      label,
      "--count",
      "2",
      ...data,
    ]);
    expect(wrong.err).toContain("--issued names cards that are there already");
    const nobody = persoline(["card", "serve", "--vpcd", "127.0.0.1:1", "--issued", "X-000001", ...data]);
    expect(nobody.err).toContain("there is no body X-000001");
  });

  test("one body lies in one reader: nobody else may serve it, look at it or record it meanwhile", async () => {
    const label = issued("pkcs15");
    const data = ["--data", dataOf("pkcs15")];
    const first = serve("--vpcd", at((await listener()).port), "--issued", label, ...data);
    await first.serving();
    for (const words of [
      ["serve", "--vpcd", "127.0.0.1:1", "--issued", label],
      ["inspect", label],
      ["trace", "record", label, join(folder, "twice.jsonl")],
    ]) {
      const second = persoline(["card", ...words, ...data]);
      expect(second.code).toBe(1);
      expect(second.err).toContain(`${label} lies in a reader`);
    }
    await first.end();
    expect(persoline(["card", "inspect", label, ...data]).code).toBe(0);
  });

  test("--keep and --first: a blank is served again as it was left, and the next one is another", async () => {
    const keep = join(folder, "kept");
    const reader = await listener();
    const words = ["--vpcd", at(reader.port), "--keep", keep];
    const memory = (label: string) => readFileSync(join(keep, label, "chip.eeprom"));
    const one = serve(...words);
    const [first] = await one.serving();
    await reader.powered();
    for (const command of longest) await reader.ask(command);
    await one.end();
    const left = memory("SERVED-000001");
    const again = serve(...words, "--count", "1");
    expect(await again.serving()).toEqual([first]);
    await again.end();
    expect(memory("SERVED-000001").equals(left)).toBe(true);
    const [second] = await serve(...words, "--first", "2").serving();
    expect(second?.label).toBe("SERVED-000002");
    expect(memory("SERVED-000002").equals(left)).toBe(false);
    const rows = [first, second].map((row) => `${row?.label ?? ""},${row?.serial ?? ""}\n`);
    expect(readFileSync(join(keep, "delivery.csv"), "utf8")).toBe(`label,serial\n${rows.join("")}`);
  });

  test("a card that connects is inspected and recorded; one that leaves on the way is told, with the command", async () => {
    const reader = await listener();
    reader.close();
    const words = ["--vpcd", String(reader.port), "--json"];
    serve("--vpcd", at(reader.port));
    const file = join(folder, "connected.jsonl");
    expect(persoline(["card", "trace", "record", file, ...words])).toMatchObject({ code: 0 });
    expect(readFileSync(file, "utf8")).toContain("80CA00CF00");
    expect(persoline(["card", "inspect", ...words])).toMatchObject({ code: 0 });
    for (const one of open) await one.end();
    serve("--vpcd", at(reader.port), "--fault", '{ kind: mute-at, ins: "CA", nth: 1 }');
    const torn = persoline(["card", "inspect", ...words]);
    expect(torn.code).toBe(1);
    expect((JSON.parse(torn.out) as { ended: string }).ended).toMatch(/; it was asked [0-9A-F]{2}CA/);
    for (const one of open) await one.end();
    serve("--vpcd", at(reader.port), "--fault", '{ kind: mute-at, ins: "CA", nth: 3 }');
    const tornFile = join(folder, "torn.jsonl");
    const told = persoline(["card", "trace", "record", tornFile, ...words.slice(0, 2)]);
    expect(told.code).toBe(1);
    expect(told.out).toMatch(/: \d+ exchanges\nthe rest is missing: .*; it was asked [0-9A-F]{2}CA/);
  });

  test("a trace is compared with the card that connects: its own, another, a silent one", async () => {
    const reader = await listener();
    reader.close();
    const words = ["--vpcd", String(reader.port), "--json"];
    const keep = join(folder, "compared");
    const compared = async (file: string, ...more: readonly string[]) => {
      const served = serve("--vpcd", at(reader.port), "--keep", keep, ...more);
      await served.serving();
      const { code, out } = persoline(["card", "trace", "replay", file, ...words]);
      await served.end();
      const found = JSON.parse(out) as {
        readonly asked: number;
        readonly exchanges: number;
        readonly ended?: string;
        readonly results: readonly { command: string; now: string; same: boolean | null }[];
      };
      const different = found.results.filter(({ same }) => same === false);
      return {
        code,
        asked: `${String(found.asked)} of ${String(found.exchanges)}`,
        different: different.map(({ command, now }) => [command, now]),
        ended: found.ended,
      };
    };
    const file = join(folder, "first.jsonl");
    const first = serve("--vpcd", at(reader.port), "--keep", keep);
    await first.serving();
    const own = persoline([
      "card",
      "trace",
      "record",
      file,
      ...words,
      "--apdu",
      "80CADF0100",
      chipNumber,
      chipNumber,
    ]);
    expect(own).toMatchObject({ code: 0 });
    await first.end();
    expect(await compared(file)).toEqual({ code: 0, asked: "3 of 3", different: [] });
    const second = await compared(file, "--first", "2");
    const another = [chipNumber, expect.stringMatching(/^CF0A/)];
    expect(second).toEqual({ code: 1, asked: "3 of 3", different: [another, another] });
    const silent = ["--first", "3", "--fault", '{ kind: mute-at, ins: "CA", nth: 2 }'];
    expect(await compared(file, ...silent)).toEqual({
      code: 1,
      asked: "2 of 3",
      different: [[chipNumber, "mute"]],
      ended: expect.stringContaining(`; it was asked ${chipNumber}`) as string,
    });
  });

  test("wrong usage ends with 2 and says what is needed", () => {
    const at1 = ["card", "serve", "--vpcd", "127.0.0.1:1"];
    const wrong = [
      [[...at1, "--count", "0"], "1 or more"],
      [[...at1, "--issued", "X-000001", "--count", "3"], "are for blanks"],
      [[...at1, "--keys", "keys.yaml"], "belong together"],
      [["card", "inspect"], "name either a body"],
      [["card", "inspect", "X-000001", "--vpcd", "41000"], "name either a body"],
      [["card", "inspect", "--vpcd", "0"], "1 to 65535"],
      [["card", "trace", "record", "X-000001"], "name a body and a new file"],
      [["card", "trace", "record", "X-000001", "t.jsonl", "--reader", "R"], "only the new file"],
      [["card", "trace", "replay", recordedFile, "X-000001", "--vpcd", "41000"], "name either a body"],
      [["card", "trace", "replay", recordedFile, "--vpcd", "0"], "1 to 65535"],
      [["card", "write", "--product", "product.yaml"], "name either a PC/SC reader"],
    ] as const;
    for (const [words, text] of wrong) {
      const { code, err } = persoline([...words]);
      expect({ words, code, told: err.includes(text) }).toEqual({ words, code: 2, told: true });
    }
  });

  test("--product of cards that come with a key everybody knows needs no key list", async () => {
    const reader = await listener();
    const product = join(root, "examples/products/desfire-access/product.yaml");
    const [one] = await serve("--vpcd", at(reader.port), "--product", product).serving();
    expect(one?.serial).toMatch(/^[0-9A-F]{14}$/);
    expect(await reader.powered()).toMatch(/^3B/);
  });

  test("--product: a blank that the product's line makes an office card of, over vpcd-direct", async () => {
    const reader = await listener();
    reader.close();
    const data = join(folder, "made");
    const [one] = await serve(
      "--vpcd",
      at(reader.port),
      "--product",
      join(root, "examples/products/office-access/product.yaml"),
      "--keys",
      join(root, "examples/keys/test-keys.yaml"),
    ).serving();
    const delivery = join(folder, "delivery.csv");
    writeFileSync(delivery, `label,serial\n${one?.label ?? ""},${one?.serial ?? ""}\n`);
    expect(persoline(["stock", "receive", "S1", delivery, "--data", data]).code).toBe(0);
    const line = join(folder, "desk.yaml");
    const desk = readFileSync(join(root, "examples/lines/desk.yaml"), "utf8");
    writeFileSync(line, desk.replace(/reader: \{.*\}/, `reader: { vpcd: ${String(reader.port)} }`));
    const words = ["run", smallOrder(folder, 1), "--line", line, "--data", data, "--json"];
    const run = spawn(process.execPath, [program, ...words], { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let err = "";
    run.stdout.on("data", (bytes: Buffer) => (out += bytes.toString()));
    run.stderr.on("data", (bytes: Buffer) => {
      err += bytes.toString();
      if (err.includes("GOOD: Take card SERVED-000001")) for (const served of open) void served.end();
    });
    const code = await new Promise((resolve) => run.once("close", resolve));
    expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
    expect(JSON.parse(out)).toMatchObject({ produced: 1, balanced: true });
  });

  test("--product and --keys belong together, and cards of other makers are not simulated", () => {
    const words = ["card", "serve", "--vpcd", "127.0.0.1:1"];
    const product = join(root, "examples/products/foreign-badge/product.yaml");
    const office = join(root, "examples/products/office-access/product.yaml");
    expect(persoline([...words, "--product", office]).err).toContain("belong together");
    const keys = ["--keys", join(root, "examples/keys/test-keys.yaml")];
    expect(persoline([...words, ...keys]).err).toContain("belong together");
    // The product is the reason, whatever keys stand beside it.
    for (const more of [[], keys]) {
      const { code, err } = persoline([...words, "--product", product, ...more]);
      expect(code).toBe(1);
      expect(err).toMatch(
        /^\S*foreign-badge\/product\.yaml: foreign-badge is made on cards of another maker/,
      );
      expect(err).not.toContain("test-keys");
    }
    expect(persoline([...words.slice(0, 3), "nowhere"]).err).toContain("HOST:PORT");
    expect(persoline([...words.slice(0, 3), "127.0.0.1:65535", "--count", "2"]).err).toContain(
      "not so many ports",
    );
  });
});

describe("card serve through pcscd, for tools that strangers wrote", () => {
  const first = slotNumber(0).address.port;
  let pcscd: Daemon;
  beforeAll(async () => {
    pcscd = await startPcscd(4);
  });
  afterAll(() => pcscd.stop());
  beforeEach(() => leftAlone());

  /** pcscd looks every 400 ms: a card that is put in before its next look does not count as another one. */
  async function leftAlone(): Promise<void> {
    while ((await connectedReaders()).some(({ card }) => card !== "none")) await pause(250);
    await pause(500);
  }
  async function present(cards: number): Promise<void> {
    while ((await connectedReaders()).filter(({ card }) => card === "present").length < cards)
      await pause(250);
  }

  async function ran(command: string, words: readonly string[], input = "") {
    // OpenSC takes a card whose ATR it does not know only when it is told to.
    const conf = join(folder, "opensc.conf");
    writeFileSync(conf, "app default { card_drivers = default; enable_default_driver = true; }\n");
    const env = { PATH: "/usr/bin:/bin", HOME: "/nonexistent", OPENSC_CONF: conf };
    const child = spawn(command, words, { stdio: ["pipe", "pipe", "pipe"], env });
    let out = "";
    const keep = (bytes: Buffer): void => {
      out += bytes.toString();
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.stdin.end(input);
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { code, out };
  }

  test("three blanks in three slots, each with its own number", async () => {
    const serving = await serve("--vpcd", at(first), "--count", "3").serving();
    expect(serving.map(({ port }) => port - first)).toEqual([0, 1, 2]);
    await present(3);
    for (const [reader, { serial = "" }] of serving.entries()) {
      const { out } = await ran("opensc-tool", ["-r", String(reader), "-a", "-s", chipNumber]);
      expect(out.replaceAll(/[\s:]/g, "").toUpperCase()).toContain("3B98968131FE45806650534C520100FF");
      expect(out.replaceAll(" ", "")).toContain(`CF0A${serial}`);
    }
  });

  test("an issued card of the file products: ATR, SELECT, the whole directory of ISO/IEC 7816-15, its files", async () => {
    await serve("--vpcd", at(first), "--issued", issued("pkcs15"), "--data", dataOf("pkcs15")).serving();
    await present(1);
    const { code, out: asked } = await ran("opensc-tool", ["-r", "0", "-a", "-s", "00A4000C023F00"]);
    expect(code).toBe(0);
    expect(asked.replaceAll(":", "").toUpperCase()).toContain("3B9C968131FE458073F621C06650534C4F020283");
    expect(asked).toContain("SW1=0x90, SW2=0x00");

    const { code: dumped, out: dump } = await ran("pkcs15-tool", ["--reader", "0", "-D"]);
    expect(dumped).toBe(0);
    expect(dump).toMatch(/PKCS#15 Card \[Membership SR-100[1-6]\]/);
    expect(dump).toMatch(/Manufacturer ID\s*: Persoline/);
    expect(dump).toMatch(/PIN \[PIN\]/);
    expect(dump).toMatch(/\n\s*ID\s*: 01/);
    expect(dump).toMatch(/Reference\s*: 129/);
    expect(dump).toMatch(/Pad char\s*: 0xFF/);
    expect(dump).toMatch(/X\.509 Certificate \[Issuer CA\]/);
    expect(dump).toMatch(/Data object 'Holder'[^]*Auth ID:\s*01/);
    expect(dump).not.toMatch(/error|failed/i);

    const { out: read } = await ran("sh", [
      "-c",
      "pkcs15-tool --reader 0 --read-certificate 45 | openssl x509 -noout -subject",
    ]);
    expect(read).toContain("Example Issuer CA");

    // OpenSC knows the listing commands of some makers only; what it asks of any other card is the MF.
    const { out: files } = await ran("opensc-tool", ["-r", "0", "-f"]);
    expect(files).toMatch(/^3f00 type: DF/m);
    expect(files).toContain("sc_list_files() failed: Not supported");
    const walk = "info 2F00\ncd 5015\ninfo 4501\ncat 5031\nquit\n";
    const { out: walked } = await ran("opensc-explorer", ["-r", "0"], walk);
    expect(walked).toMatch(/Elementary File[^]*2F00[^]*File size: +64 bytes/);
    expect(walked).toMatch(/4501[^]*File size: +400 bytes/);
  });

  const client = (name: string): string =>
    fileURLToPath(new URL(`../../foreign/${name}.py`, import.meta.url));
  const reader = "Persoline vpcd A 00 00";

  test.each([
    ["visa2", "15"],
    ["emv-cps", "55"],
    ["visa2", "35"],
    ["emv-cps", "75"],
  ])(
    "an independent SCP02 client opens a blank of a GlobalPlatform product, %s, i = %s",
    async (diversify, i) => {
      const master = "404142434445464748494A4B4C4D4E4F";
      const product = readFileSync(join(root, "examples/products/gp-access/product.yaml"), "utf8").replace(
        /^initial: .*$/m,
        `initial: { protocol: scp02, i: "${i}", level: "03", keys: gp-fab, version: "FF", diversify: ${diversify} }`,
      );
      const keys = readFileSync(join(root, "examples/keys/gp-test-keys.yaml"), "utf8");
      writeFileSync(join(folder, "scp02.yaml"), product);
      writeFileSync(
        join(folder, "scp02-keys.yaml"),
        keys.replace("name: gp-fab, use: scp03", "name: gp-fab, use: scp02"),
      );
      const words = ["--product", join(folder, "scp02.yaml"), "--keys", join(folder, "scp02-keys.yaml")];
      const [one] = await serve("--vpcd", at(first), ...words).serving();
      await present(1);
      const say = async (ask: object) => {
        const input = JSON.stringify({ reader, master, diversify, kvn: 0, ...ask });
        const { code, out } = await ran("/usr/bin/python3", [client("scp02_client")], input);
        if (code !== 0) throw new Error(out);
        return JSON.parse(out) as unknown;
      };
      const answersProven = i === "35" || i === "75";
      for (const [level, image] of [
        [0x01, "AABBCCDD"],
        [0x03, "00112233445566778899"],
        ...(answersProven
          ? ([
              [0x11, "0102"],
              [0x13, "030405"],
            ] as const)
          : []),
      ] as const) {
        const object = `45${(image.length / 2).toString(16).padStart(2, "0")}${image}`;
        const store = `80E29000${(object.length / 2).toString(16).padStart(2, "0")}${object}`;
        const commands = [store, "80CA004500", "80F2800002 4F00 00".replaceAll(" ", "")];
        const told = await say({ level, commands });
        expect(told).toMatchObject({
          cryptogram: "right",
          answers: [
            { data: "", sw: "9000" },
            { data: object.toUpperCase(), sw: "9000" },
            { data: expect.stringContaining("A000000151000000") as string, sw: "9000" },
          ],
        });
      }
      expect(one?.serial).toMatch(/^504C/);
      // What is refused has its MAC too, and a response that gets lost shows at the next one. Where i has no R-MAC, no such level opens.
      const missing = "80CA004600";
      const asked = { level: 0x13, commands: [missing, missing, chipNumber] };
      const refused = "EXTERNAL AUTHENTICATE: 6";
      const inWords = (answer: unknown): string =>
        typeof answer === "string" ? answer : JSON.stringify(answer);
      const sws = '"sw":"6A88"},{"data":"","sw":"6A88"},';
      expect(inWords(await say(asked).catch(String))).toContain(answersProven ? sws : refused);
      expect(inWords(await say({ ...asked, deaf: true }).catch(String))).toContain(
        answersProven ? "the response MAC is wrong" : refused,
      );
      // A card that another master does not fit loses no try by it.
      for (let times = 0; times < 12; times++)
        expect(await say({ master: "00".repeat(16), level: 3, commands: [] })).toMatchObject({
          cryptogram: "wrong",
        });
      expect(await say({ level: 3, commands: [chipNumber] })).toMatchObject({ cryptogram: "right" });
    },
  );
});
