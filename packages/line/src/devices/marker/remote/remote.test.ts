import { X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { wheelsGeometry } from "../geometry.js";
import { DeviceFault } from "../../problem.js";
import type { Marker, MarkJob, StruckLine } from "../port.js";
import { StationBook } from "./book.js";
import { authority, certificate, revocations } from "./certificates.test.data.js";
import { clearTrays, remoteEmbosser, type RemoteStation, remoteStation } from "./client.js";
import type { Answer, TrayCard } from "./protocol.js";
import { type EmbossStation, type EmbossStationOptions, embossStation, type FedCard } from "./station.js";
import { isSigned, listText, receiptText, signed } from "./signing.js";
import { readTls, type TlsFiles } from "./tls.js";

const root = mkdtempSync(join(tmpdir(), "persoline-remote-"));
let house: Record<"line" | "station" | "other" | "expired", TlsFiles>;
let foreign: TlsFiles;
beforeAll(() => {
  authority(root, "house");
  authority(root, "foreign");
  const of = (by: string, name: string) => readTls("test", certificate(root, by, name));
  house = {
    line: of("house", "line"),
    station: of("house", "room-2"),
    other: of("house", "other-line"),
    expired: readTls("test", certificate(root, "house", "line", "expired")),
  };
  foreign = of("foreign", "line");
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const line = (text: string): StruckLine => ({ text, font: "4B", x: 7.65, yFromBottom: 6.6, pitch: 2.54 });
const card = (serial: string, text: string): TrayCard => ({
  serial,
  record: Number.parseInt(serial, 16),
  attempt: 1,
  does: "emboss",
  side: "front",
  lines: [line(text)],
});

let folder: string;
let made = 0;
let bodies: { name: string; serial: string | undefined; atHead?: boolean }[];
let struck: string[];
/** Whether the machine can begin a card. */
let away: string | undefined;
/** What the machine does with a card. */
let machine: (job: MarkJob) => Promise<void>;
let station: EmbossStation;
const clients: RemoteStation[] = [];
const ends: (() => void)[] = [];

const marker: Marker = {
  name: "machine",
  kind: "simulated",
  does: "emboss",
  geometry: wheelsGeometry("emboss"),
  duration: () => 1,
  ready: () =>
    away === undefined ? Promise.resolve() : Promise.reject(new DeviceFault("machine", "unplugged", away)),
  mark: (job) => machine(job),
};
const feeder = () => {
  const given = new Set<string>();
  return {
    next(round: number): Promise<FedCard | undefined> {
      const body = bodies.find(({ name }) => !given.has(`${String(round)} ${name}`));
      if (body === undefined) return Promise.resolve(undefined);
      given.add(`${String(round)} ${body.name}`);
      const { name, ...rest } = body;
      return Promise.resolve({ body: name, ...rest, marker: () => marker });
    },
  };
};
const start = (more: Partial<EmbossStationOptions> = {}): Promise<EmbossStation> =>
  embossStation({
    name: "room-2",
    line: "line",
    tls: house.station,
    host: "127.0.0.1",
    port: 0,
    data: join(folder, "station"),
    feeder: feeder(),
    ready: () => marker.ready?.() ?? Promise.resolve(),
    lookMs: 10,
    ...more,
  });
const client = (port = station.port, tls = house.line, more: { station?: string } = {}) => {
  const one = remoteStation({
    name: "embosser",
    host: "127.0.0.1",
    port,
    station: "room-2",
    tls,
    leaseFile: join(folder, "lease"),
    answerMs: 1_000,
    ...more,
  });
  clients.push(one);
  return one;
};

beforeEach(async () => {
  folder = join(root, String(++made));
  bodies = [];
  struck = [];
  away = undefined;
  machine = (job) => {
    struck.push("lines" in job ? job.lines.map(({ text }) => text).join("|") : job.kind);
    return Promise.resolve();
  };
  station = await start();
});
afterEach(async () => {
  for (const one of clients.splice(0)) one.close();
  for (const end of ends.splice(0)) end();
  await station.close();
});

async function finished(one: RemoteStation, tray: string) {
  for (let tries = 0; tries < 300; tries++) {
    const state = await one.state(tray);
    if (state?.finished === true) return state;
    await sleep(10);
  }
  throw new Error(`tray ${tray} does not end`);
}

const keptLines = (): string[] => readdirSync(join(folder, "station", "lines"));
const journal = (): string => readFileSync(join(folder, "station", "journal.jsonl"), "utf8");

describe("a tray", () => {
  test("is counted out, struck by what each chip says, counted in, and erased", async () => {
    // Fed in another order than sent, with a stranger and a mute card among them.
    bodies = [
      { name: "1", serial: "0B" },
      { name: "2", serial: "FF" },
      { name: "3", serial: undefined },
      // The line's own, at a head of it.
      { name: "4", serial: "EE", atHead: true },
      { name: "5", serial: "0A" },
    ];
    const one = client();
    const sent = await one.countOut("T1", [card("0A", "ANNA KOVACS"), card("0B", "BELA TOTH")]);
    expect(sent).toMatchObject({ tray: "T1", finished: false, closed: false });
    expect(keptLines()).toEqual(["T1.json"]);
    const state = await finished(one, "T1");
    expect(struck).toEqual(["BELA TOTH", "ANNA KOVACS"]);
    expect(state).toMatchObject({
      strangers: 2,
      cards: [
        { serial: "0A", state: "struck" },
        { serial: "0B", state: "struck" },
      ],
    });
    const closed = await one.countIn("T1", state);
    expect(closed.closed).toBe(true);
    expect(keptLines()).toEqual([]);
    expect(journal()).not.toMatch(/ANNA|KOVACS|BELA|TOTH/);
    expect(await one.openTrays()).toEqual([]);
  });
  test("cards of a tray that was withdrawn and still lies there are no strangers of the next", async () => {
    bodies = [{ name: "1", serial: "0A" }];
    const one = client();
    await one.countOut("T1", [card("0A", "ANNA"), card("0B", "BELA")]);
    while (struck.length === 0) await sleep(5);
    await one.withdraw("T1");
    bodies.push({ name: "2", serial: "0B" }, { name: "3", serial: "0C" });
    await one.countOut("T2", [card("0C", "CILI")]);
    expect(await finished(one, "T2")).toMatchObject({ strangers: 0, cards: [{ state: "struck" }] });
    expect(struck).toEqual(["ANNA", "CILI"]);
  });
  test("a machine that does not confirm makes a reject, which is struck no second time", async () => {
    bodies = [{ name: "1", serial: "0A" }];
    machine = () => Promise.reject(new DeviceFault("machine", "timeout", "machine gave no answer"));
    const one = client();
    await one.countOut("T1", [card("0A", "ANNA")]);
    expect((await finished(one, "T1")).cards).toMatchObject([{ state: "rejected" }]);
    machine = () => Promise.resolve(void struck.push("again"));
    bodies.push({ name: "2", serial: "0A" });
    await sleep(60);
    expect(struck).toEqual([]);
  });
  test("other numbers than the station's close nothing and erase nothing", async () => {
    bodies = [{ name: "1", serial: "0A" }];
    const one = client();
    await one.countOut("T1", [card("0A", "ANNA")]);
    const state = await finished(one, "T1");
    await expect(one.countIn("T1", { ...state, cards: [] })).rejects.toThrow("not those of this station");
    expect(keptLines()).toEqual(["T1.json"]);
    expect((await one.countIn("T1", state)).closed).toBe(true);
    expect((await one.countIn("T1", state)).closed).toBe(true);
  });
  test("withdrawn, it leaves what is not begun untouched; only a finished one is counted in", async () => {
    bodies = [{ name: "1", serial: "0A" }];
    const one = client();
    const sent = await one.countOut("T1", [card("0A", "ANNA"), card("0B", "BELA")]);
    await expect(one.countIn("T1", sent)).rejects.toThrow("withdraw it first");
    while (struck.length === 0) await sleep(5);
    const state = await one.withdraw("T1");
    expect(state.cards.map((each) => each.state)).toEqual(["struck", "untouched"]);
    bodies.push({ name: "2", serial: "0B" });
    await sleep(60);
    expect(struck).toEqual(["ANNA"]);
    expect((await one.countIn("T1", state)).closed).toBe(true);
  });
});

describe("a machine that cannot begin", () => {
  test("costs no card: they wait, it is said why, and go on when it is there again", async () => {
    await station.close();
    const said: string[] = [];
    station = await start({ onEvent: (text) => said.push(text) });
    bodies = [
      { name: "1", serial: "0A" },
      { name: "2", serial: "0B" },
    ];
    away = "the port cannot be opened";
    const one = client();
    await one.countOut("T1", [card("0A", "ANNA"), card("0B", "BELA")]);
    await sleep(100);
    expect(await one.state("T1")).toMatchObject({
      stands: "the port cannot be opened",
      cards: [{ state: "waiting" }, { state: "waiting" }],
    });
    expect(journal()).not.toContain('"intent"');
    expect(said.filter((text) => text.includes("the port cannot be opened"))).toHaveLength(1);
    away = undefined;
    const state = await finished(one, "T1");
    expect(state.cards.map((each) => each.state)).toEqual(["struck", "struck"]);
    expect(state.stands).toBeUndefined();
  });
  test("withdrawn meanwhile, the card in hand is untouched", async () => {
    bodies = [{ name: "1", serial: "0A" }];
    away = "the port cannot be opened";
    const one = client();
    await one.countOut("T1", [card("0A", "ANNA")]);
    await sleep(50);
    const state = await one.withdraw("T1");
    expect(state).toMatchObject({ stands: "the port cannot be opened", cards: [{ state: "untouched" }] });
    away = undefined;
    await sleep(60);
    expect(struck).toEqual([]);
    expect((await one.countIn("T1", state)).stands).toBeUndefined();
  });
  test("cut off while it is waited for, the station begins nothing until the line is there again", async () => {
    bodies = [{ name: "1", serial: "0A" }];
    away = "the port cannot be opened";
    const one = client();
    await one.countOut("T1", [card("0A", "ANNA")]);
    await sleep(50);
    one.close();
    await sleep(50);
    away = undefined;
    await sleep(80);
    expect(struck).toEqual([]);
    expect((await finished(client(), "T1")).cards).toMatchObject([{ state: "struck" }]);
  });
  test("so many rejects in a row stop the station, and the rest of the tray is whole", async () => {
    bodies = ["0A", "0B", "0C", "0D", "0E"].map((serial) => ({ name: serial, serial }));
    let asked = 0;
    machine = () =>
      ++asked === 2
        ? Promise.resolve()
        : Promise.reject(new DeviceFault("machine", "refused", "the card is not as it should be"));
    await station.close();
    station = await start({ rejectsInARow: 2 });
    const one = client();
    await one.countOut(
      "T1",
      bodies.map(({ serial = "" }) => card(serial, "ANNA")),
    );
    await sleep(150);
    const state = await one.withdraw("T1");
    expect(state.cards.map((each) => each.state)).toEqual([
      "rejected",
      "struck",
      "rejected",
      "rejected",
      "untouched",
    ]);
    expect(state.stands).toContain("2 rejects in a row");
    await expect(one.ready("emboss")).rejects.toThrow("2 rejects in a row");
  });
  test("as a marker: the line asks before the card's intent, and not about a machine that is at work", async () => {
    const one = client();
    const embosser = remoteEmbosser(one, { name: "embosser", does: "emboss", order: "O-1", timeoutMs: 500 });
    away = "the port cannot be opened";
    await expect(embosser.ready?.()).rejects.toMatchObject({
      code: "refused",
      message: expect.stringContaining("the port cannot be opened") as string,
    });
    away = undefined;
    await embosser.ready?.();
    let release: () => void = () => undefined;
    machine = () => new Promise((resolve) => (release = resolve));
    bodies = [{ name: "1", serial: "0A" }];
    await one.countOut("T1", [card("0A", "ANNA")]);
    while (!journal().includes('"intent"')) await sleep(5);
    away = "it has a card in work";
    await one.ready("emboss");
    release();
    await finished(one, "T1");
  });
});

describe("what is remembered of trays", () => {
  test("a card that was left untouched may go out again, in another tray; one that was struck may not", async () => {
    bodies = [{ name: "1", serial: "0A" }];
    const one = client();
    await one.countOut("T1", [card("0A", "ANNA"), card("0B", "BELA")]);
    while (struck.length === 0) await sleep(5);
    await expect(one.countOut("T2", [card("0B", "BELA")])).rejects.toThrow("counted out before");
    await one.countIn("T1", await one.withdraw("T1"));
    await expect(one.countOut("T2", [card("0A", "ANNA"), card("0B", "BELA")])).rejects.toThrow(
      "counted out before",
    );
    bodies.push({ name: "2", serial: "0B" });
    await one.countOut("T2", [card("0B", "BELA")]);
    expect((await finished(one, "T2")).cards).toMatchObject([{ serial: "0B", state: "struck" }]);
    expect(struck).toEqual(["ANNA", "BELA"]);
  });
  test("a tray that is counted in is no longer in memory, and still known from the journal", async () => {
    bodies = [{ name: "1", serial: "0A" }];
    const one = client();
    await one.countOut("T1", [card("0A", "ANNA")]);
    await one.countIn("T1", await finished(one, "T1"));
    one.close();
    await station.close();
    const book = new StationBook(join(folder, "station"));
    expect(book.trays.size).toBe(0);
    expect(book.taken).toBe(1);
    expect(book.find("T1")).toMatchObject({ closed: true, cards: [{ serial: "0A", state: "struck" }] });
    expect(book.find("T2")).toBeUndefined();
    expect(book.knowsAny([card("0A", "")])).toBe(true);
    expect(book.knowsAny([card("0B", "")])).toBe(false);
    book.close();
    station = await start();
  });
  test("line and station sign: the list kept there is the line's, the receipt kept here the station's", async () => {
    bodies = [{ name: "1", serial: "0A" }];
    const one = client();
    const cards = [card("0A", "ANNA")];
    await one.countOut("T1", cards);
    const { signature } = JSON.parse(
      journal()
        .split("\n")
        .find((text) => text.includes('"event":"tray"')) ?? "{}",
    ) as { signature: string };
    const keyOf = (tls: TlsFiles) => new X509Certificate(tls.cert).publicKey;
    expect(isSigned(keyOf(house.line), listText("T1", cards), signature)).toBe(true);
    expect(isSigned(keyOf(house.line), listText("T1", [card("0A", "BELA")]), signature)).toBe(false);
    const { receipt = "", digest } = await one.countIn("T1", await finished(one, "T1"));
    const ends = [{ serial: "0A", state: "struck" as const }];
    expect(isSigned(keyOf(house.station), receiptText("T1", digest, ends), receipt)).toBe(true);
    expect(isSigned(keyOf(house.other), receiptText("T1", digest, ends), receipt)).toBe(false);
  });
});

describe("messages", () => {
  /** Speaks the protocol by hand. */
  const raw = async (): Promise<{
    socket: TLSSocket;
    say: (message: unknown) => Promise<Answer | "closed">;
  }> => {
    const socket = connect({ host: "127.0.0.1", port: station.port, ...house.line, servername: "room-2" });
    ends.push(() => socket.destroy());
    // Whoever is refused is cut off: what was still on its way then fails.
    socket.on("error", () => undefined);
    await new Promise((resolve) => socket.once("secureConnect", resolve));
    return {
      socket,
      say: (message) =>
        new Promise((resolve) => {
          socket.once("data", (part: Buffer) => resolve(JSON.parse(part.toString()) as Answer));
          socket.once("close", () => resolve("closed"));
          if (socket.destroyed) resolve("closed");
          socket.write(`${typeof message === "string" ? message : JSON.stringify(message)}\n`);
        }),
    };
  };
  const tray = (seq: number, name: string, cards: TrayCard[]) => ({
    ask: "tray",
    seq,
    tray: name,
    count: cards.length,
    cards,
    signature: signed(house.line.key, listText(name, cards)),
  });

  test("one that comes twice is refused, and so is one that came before its turn", async () => {
    let lease = 0;
    for (const seq of [2, 4, 1]) {
      const { say } = await raw();
      await say({ ask: "hello", seq: 1, lease: ++lease });
      expect(await say(tray(2, `T${String(seq)}`, [card(`A${String(seq)}`, "ANNA")]))).toMatchObject({
        answer: "tray",
      });
      expect(await say({ ask: "state", seq, tray: `T${String(seq)}` })).toMatchObject({
        code: "out-of-order",
      });
      expect(await say({ ask: "state", seq: 3, tray: `T${String(seq)}` })).toBe("closed");
    }
  });
  test("an old lease is heard no more, on the same connection or a new one", async () => {
    const first = await raw();
    expect(await first.say({ ask: "hello", seq: 1, lease: 7 })).toMatchObject({ answer: "welcome" });
    const second = await raw();
    expect(await second.say({ ask: "hello", seq: 1, lease: 8 })).toMatchObject({ answer: "welcome" });
    expect(await first.say({ ask: "open-trays", seq: 2 })).toBe("closed");
    const third = await raw();
    expect(await third.say({ ask: "hello", seq: 1, lease: 8 })).toMatchObject({ code: "old-lease" });
    const fourth = await raw();
    expect(await fourth.say({ ask: "open-trays", seq: 1 })).toMatchObject({ code: "no-hello" });
  });
  test("a tray said again changes nothing; with other contents, or its card in another tray, it is refused", async () => {
    bodies = [{ name: "1", serial: "0A" }];
    const one = client();
    await one.countOut("T1", [card("0A", "ANNA")]);
    const state = await finished(one, "T1");
    // Replayed before and after it is counted in, over a new connection as well.
    expect(await one.countOut("T1", [card("0A", "ANNA")])).toMatchObject({ finished: true });
    await one.countIn("T1", state);
    one.close();
    const two = client();
    expect(await two.countOut("T1", [card("0A", "ANNA")])).toMatchObject({ closed: true });
    await expect(two.countOut("T1", [card("0A", "BELA")])).rejects.toThrow("other contents");
    await expect(two.countOut("T2", [card("0A", "ANNA")])).rejects.toThrow("counted out before");
    bodies.push({ name: "2", serial: "0A" });
    await sleep(60);
    expect(struck).toEqual(["ANNA"]);
    expect(keptLines()).toEqual([]);
  });
  test("what is no message, or too long, or counts wrongly, is refused", async () => {
    const { say } = await raw();
    expect(await say('{"ask":"everything","seq":1}')).toMatchObject({ code: "not-understood" });
    const other = await raw();
    await other.say({ ask: "hello", seq: 1, lease: 50 });
    expect(await other.say({ ...tray(2, "T1", [card("0A", "ANNA")]), count: 2 })).toMatchObject({
      code: "wrong-count",
    });
    const signedByAnother = { ...tray(3, "T1", [card("0A", "ANNA")]), cards: [card("0A", "BELA")] };
    expect(await other.say(signedByAnother)).toMatchObject({ code: "wrong-signature" });
    const third = await raw();
    expect(await third.say("x".repeat(1_100_000))).toBe("closed");
  });
});

describe("who speaks", () => {
  test.each([
    ["without a certificate of the house", () => foreign],
    ["with another machine's certificate", () => house.other],
    ["with a certificate that has expired", () => house.expired],
  ])("%s is not heard", async (_, tls) => {
    await expect(client(station.port, { ...tls(), ca: house.line.ca }).openTrays()).rejects.toBeInstanceOf(
      DeviceFault,
    );
  });
  test("whose certificate the house took back is not heard from then on, nor spoken to, connected or not", async () => {
    const stolen = certificate(root, "house", "line");
    const crl = revocations(root, "house");
    await station.close();
    station = await start({ tls: { ...house.station, crl } });
    const thief = client(station.port, readTls("test", stolen));
    expect(await thief.openTrays()).toEqual([]);
    revocations(root, "house", stolen.cert);
    await expect(thief.openTrays()).rejects.toMatchObject({ code: "unplugged" });
    await expect(thief.openTrays()).rejects.toMatchObject({ code: "unplugged" });
    // Another certificate for the same name is heard.
    expect(await client(station.port, house.line).openTrays()).toEqual([]);
    // The other way round: a line with that list does not speak to a station that shows such a certificate.
    const theirs = certificate(root, "house", "room-2");
    await station.close();
    station = await start({ tls: readTls("test", theirs) });
    const wary = client(station.port, { ...house.line, crl });
    expect(await wary.openTrays()).toEqual([]);
    revocations(root, "house", theirs.cert);
    await expect(wary.openTrays()).rejects.toMatchObject({ code: "unplugged" });
    await expect(client(station.port, { ...house.line, crl }).openTrays()).rejects.toMatchObject({
      code: "unplugged",
    });
    // Nobody is heard when nobody can tell who was revoked.
    await station.close();
    station = await start({ tls: { ...house.station, crl } });
    rmSync(crl);
    await expect(client(station.port, house.line).openTrays()).rejects.toMatchObject({ code: "unplugged" });
  });
  test.each([
    ["TLS 1.2", "TLSv1.2"],
    ["TLS 1.1", "TLSv1.1"],
  ] as const)("nobody is heard by %s, nor in the clear", async (_, maxVersion) => {
    const end = await new Promise<string>((resolve) => {
      const socket = connect({
        host: "127.0.0.1",
        port: station.port,
        ...house.line,
        servername: "room-2",
        minVersion: maxVersion,
        maxVersion,
        ciphers: "DEFAULT:@SECLEVEL=0",
      });
      socket.once("secureConnect", () => resolve("connected"));
      socket.once("error", () => resolve("refused"));
    });
    expect(end).toBe("refused");
    const clear = await new Promise<string>((resolve) => {
      const socket = connectTcp(station.port, "127.0.0.1", () => {
        socket.write(`${JSON.stringify({ ask: "hello", seq: 1, lease: 99 })}\n`);
      });
      let said = "";
      socket.on("data", (part: Buffer) => (said += part.toString("latin1")));
      socket.once("error", () => undefined);
      socket.once("close", () => resolve(said));
    });
    expect(clear).not.toContain("welcome");
  });
  test("a line does not speak to a station whose certificate has expired", async () => {
    await station.close();
    station = await start({ tls: readTls("test", certificate(root, "house", "room-2", "expired")) });
    await expect(client().openTrays()).rejects.toMatchObject({ code: "unplugged" });
  });
  test("a line does not speak to a station of another house or another name", async () => {
    await expect(client(station.port, { ...house.line, ca: foreign.ca }).openTrays()).rejects.toMatchObject({
      code: "unplugged",
    });
    await expect(client(station.port, house.line, { station: "room-3" }).openTrays()).rejects.toMatchObject({
      code: "unplugged",
    });
  });
});

describe("interruptions", () => {
  /** A cable that can be cut: it carries bytes, or lets them vanish. */
  const cable = async () => {
    const pairs = new Set<[Socket, Socket]>();
    let state: "whole" | "cut" | "silent" = "whole";
    const server: Server = createServer((near) => {
      if (state === "cut") {
        near.destroy();
        return;
      }
      const far = connectTcp(station.port, "127.0.0.1");
      pairs.add([near, far]);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on("data", (part: Buffer) => {
          if (state === "whole") to.write(part);
        });
        from.on("error", () => undefined);
        from.on("close", () => to.destroy());
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ends.push(() => {
      server.close();
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    });
    const address = server.address();
    return {
      port: typeof address === "object" && address !== null ? address.port : 0,
      set: (to: "whole" | "cut" | "silent") => {
        state = to;
        if (to === "cut") for (const pair of pairs) for (const socket of pair) socket.destroy();
      },
    };
  };

  test("cut off, the station ends the card in hand and begins no other; then it goes on", async () => {
    bodies = ["0A", "0B", "0C"].map((serial) => ({ name: serial, serial }));
    let release: () => void = () => undefined;
    machine = (job) => {
      struck.push("lines" in job ? (job.lines[0]?.text ?? "") : "");
      return struck.length === 1 ? new Promise((resolve) => (release = resolve)) : Promise.resolve();
    };
    const wire = await cable();
    const one = client(wire.port);
    const cards = ["0A", "0B", "0C"].map((serial) => card(serial, `NAME ${serial}`));
    await one.countOut("T1", cards);
    while (struck.length === 0) await sleep(5);
    wire.set("cut");
    await sleep(50);
    release();
    await sleep(150);
    expect(struck).toEqual(["NAME 0A"]);
    await expect(one.state("T1")).rejects.toMatchObject({ code: "unplugged" });
    wire.set("whole");
    await one.countOut("T1", cards);
    expect((await finished(one, "T1")).cards.map(({ state }) => state)).toEqual([
      "struck",
      "struck",
      "struck",
    ]);
    expect(struck).toEqual(["NAME 0A", "NAME 0B", "NAME 0C"]);
  });

  test("as a marker: a cut in the middle of a card, or an answer that vanished, strikes it once and passes it", async () => {
    for (const how of ["cut", "silent"] as const) {
      struck = [];
      const serial = how === "cut" ? "0A" : "0B";
      bodies = [{ name: serial, serial }];
      let release: () => void = () => undefined;
      machine = () => {
        struck.push(serial);
        return new Promise((resolve) => (release = resolve));
      };
      const wire = await cable();
      const one = client(wire.port);
      const embosser = remoteEmbosser(one, {
        name: "embosser",
        does: "emboss",
        order: "O-1",
        timeoutMs: 10_000,
      });
      const job: MarkJob = { kind: "emboss", side: "front", lines: [line("ANNA")] };
      const marking = embosser.mark(job, { serial, record: Number.parseInt(serial, 16), attempt: 1 });
      while (struck.length === 0) await sleep(5);
      wire.set(how);
      await sleep(100);
      release();
      await sleep(100);
      wire.set("whole");
      await marking;
      expect(struck).toEqual([serial]);
      expect(keptLines()).toEqual([]);
      one.close();
    }
  });

  test("as a marker: a card that is not fed in its time is unknown, and its lines are erased before the next", async () => {
    bodies = [{ name: "1", serial: "0B" }];
    const one = client();
    const embosser = remoteEmbosser(one, { name: "embosser", does: "emboss", order: "O-1", timeoutMs: 200 });
    const job: MarkJob = { kind: "emboss", side: "front", lines: [line("ANNA")] };
    await expect(embosser.mark(job, { serial: "0A", record: 1, attempt: 1 })).rejects.toMatchObject({
      code: "timeout",
    });
    expect(struck).toEqual([]);
    await embosser.ready?.();
    await embosser.mark({ ...job, lines: [line("BELA")] }, { serial: "0B", record: 2, attempt: 1 });
    expect(struck).toEqual(["BELA"]);
    expect(keptLines()).toEqual([]);
    await expect(embosser.mark(job)).rejects.toThrow("whose card");
  });

  test("a journal cut short in its last line is read up to there; a card in work then is a reject", async () => {
    bodies = [{ name: "1", serial: "0A" }];
    const one = client();
    await one.countOut("T1", [card("0A", "ANNA"), card("0B", "BELA")]);
    while (struck.length === 0) await sleep(5);
    one.close();
    await station.close();
    const file = join(folder, "station", "journal.jsonl");
    const text = readFileSync(file, "utf8");
    // As if the kill had come in the middle of the line that says it was struck.
    const cut = text.slice(0, text.lastIndexOf('"struck"') + 4);
    writeFileSync(file, cut);
    writeFileSync(join(folder, "station", "lines", "stray.json"), "[]");
    station = await start();
    bodies = [{ name: "1", serial: "0A" }];
    const two = client();
    expect((await two.state("T1"))?.cards).toMatchObject([
      { serial: "0A", state: "rejected" },
      { serial: "0B", state: "waiting" },
    ]);
    expect(existsSync(join(folder, "station", "lines", "stray.json"))).toBe(false);
    await sleep(60);
    expect(struck).toEqual(["ANNA"]);
    await clearTrays(two);
    expect(keptLines()).toEqual([]);
  });
});
