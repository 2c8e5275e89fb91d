/** The metal yard's cards are embossed in another room: two real processes, each with its own journal, and a cable between them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach } from "vitest";
import { authority, certificate } from "../devices/marker/remote/certificates.test.data.js";
import { idealLine, program, root } from "./command.test.data.js";

export interface RunEnd {
  readonly produced: number;
  readonly held?: number;
  readonly balanced: boolean;
  readonly rejects: { readonly serial: string; readonly station: string; readonly code: string }[];
}
export const gone = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
};
export async function until(what: () => boolean, during: { readonly child: ChildProcess }): Promise<void> {
  for (let tries = 0; tries < 3_000; tries++) {
    if (what()) return;
    if (during.child.exitCode !== null) break;
    await sleep(20);
  }
  throw new Error("it does not come to that");
}

/** For each test a new one. `cards` of a tray; 1: each card goes there from its head. `seconds`: how long no card may come to its end. */
export function embosserRoom({
  people,
  cards,
  seconds,
}: {
  readonly people: number;
  readonly cards: number;
  readonly seconds: number;
}) {
  let folder: string;
  let data: string;
  let order: string;
  let line: string;
  const processes: ChildProcess[] = [];
  const ends: (() => void)[] = [];

  /** Carries bytes between line and station, until it is cut. */
  async function cable(): Promise<{
    port: number;
    to: (port: number) => void;
    cut: (is: boolean) => void;
    seen: () => string;
  }> {
    let target = 0;
    let cut = false;
    let seen = "";
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      if (cut || target === 0) {
        near.destroy();
        return;
      }
      const far = connectTcp(target, "127.0.0.1");
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(from);
        from.on("data", (part: Buffer) => {
          seen += part.toString("latin1");
          to.write(part);
        });
        from.on("error", () => undefined);
        from.on("close", () => to.destroy());
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ends.push(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    const address = server.address();
    return {
      port: typeof address === "object" && address !== null ? address.port : 0,
      to: (port) => (target = port),
      cut: (is) => {
        cut = is;
        if (is) for (const socket of sockets) socket.destroy();
      },
      seen: () => seen,
    };
  }

  /** Starts the station's process; resolves with its port once it listens. */
  async function station(): Promise<{ child: ChildProcess; port: number; said: () => string }> {
    const child = spawn(
      process.execPath,
      [
        program,
        "station",
        "emboss",
        join(folder, "room.yaml"),
        "--listen",
        "127.0.0.1:0",
        "--data",
        join(folder, "room"),
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    processes.push(child);
    let said = "";
    child.stderr.on("data", (part: Buffer) => (said += part.toString()));
    const port = await new Promise<number>((resolve, reject) => {
      child.stdout.on("data", (part: Buffer) => {
        said += part.toString();
        const found = /listens at \S+:(\d+)/.exec(said);
        if (found !== null) resolve(Number(found[1]));
      });
      child.once("exit", () => reject(new Error(`the station ended: ${said}`)));
    });
    return { child, port, said: () => said };
  }

  const journal = (): string => readFileSync(join(folder, "room/stations/room-2/journal.jsonl"), "utf8");
  const lines = (): string[] => readdirSync(join(folder, "room/stations/room-2/lines"));
  const struckIn = (): string[] =>
    journal()
      .split("\n")
      .flatMap((text) => (text === "" ? [] : [JSON.parse(text) as { event: string; serial?: string }]))
      .flatMap(({ event, serial = "" }) => (event === "struck" ? [serial] : []));

  /** Started; the cable lives in this process, so nobody waits for it here. */
  function started(): { child: ChildProcess; end: (code?: number) => Promise<RunEnd> } {
    const child = spawn(process.execPath, [program, "run", order, "--line", line, "--data", data, "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    processes.push(child);
    let out = "";
    let err = "";
    child.stdout.on("data", (part: Buffer) => (out += part.toString()));
    child.stderr.on("data", (part: Buffer) => (err += part.toString()));
    return {
      child,
      end: async (code = 0) => {
        await gone(child);
        if (child.exitCode !== code) throw new Error(`${err}${out}`);
        return JSON.parse(out) as RunEnd;
      },
    };
  }

  let wire: Awaited<ReturnType<typeof cable>>;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "persoline-room-"));
    data = join(folder, "data");
    authority(folder, "house");
    const own = certificate(folder, "house", "metal-line");
    const theirs = certificate(folder, "house", "room-2");
    wire = await cable();
    line = idealLine(folder, "warehouse", (text) =>
      text
        .replace(
          "heads: 3, queue: 3, reader: simulated, engraver: simulated, embosser: simulated",
          `heads: 2, queue: 3, reader: simulated, engraver: simulated, embosser: { remote: "127.0.0.1:${String(wire.port)}", station: room-2, ca: ${own.ca}, cert: ${own.cert}, key: ${own.key}, cardSeconds: ${String(seconds)}${cards === 1 ? ", cards: 1" : `, cards: ${String(cards)}, trays: 2`} }`,
        )
        .replace(/count: 60[\s\S]*/, "count: 30\n"),
    );
    writeFileSync(
      join(folder, "room.yaml"),
      `station: room-2
line: metal-line
ca: ${theirs.ca}
cert: ${theirs.cert}
key: ${theirs.key}
reader: { shopFloor: ${data}, station: visual }
embosser: simulated
`,
    );
    const example = join(root, "examples/warehouse-access");
    const rows = readFileSync(join(example, "employees.csv"), "utf8")
      .trimEnd()
      .split(/\r?\n/)
      .slice(0, people + 1);
    writeFileSync(join(folder, "employees.csv"), `${rows.join("\n")}\n`);
    order = join(folder, "order.yaml");
    writeFileSync(
      order,
      readFileSync(join(example, "order.yaml"), "utf8")
        .replace(/product: .*/, `product: ${join(root, "examples/products/warehouse-access/product.yaml")}`)
        .replace(/photos: .*/, `photos: ${join(example, "photos")}`)
        .replace(/^records: .*\n/m, "")
        .replace(/line: .*/, `line: ${line}`)
        .replace(/keys: .*/, `keys: ${join(root, "examples/keys/test-keys.yaml")}`),
    );
  });
  afterEach(() => {
    for (const child of processes.splice(0)) child.kill("SIGKILL");
    for (const end of ends.splice(0)) end();
    rmSync(folder, { recursive: true, force: true });
  });

  return {
    station,
    started,
    journal,
    lines,
    struckIn,
    get wire() {
      return wire;
    },
    get folder() {
      return folder;
    },
    get data() {
      return data;
    },
    /** Line and station have begun a card. */
    begun: (): boolean =>
      existsSync(join(folder, "room/stations/room-2/journal.jsonl")) && journal().includes('"intent"'),
  };
}
