/** Real cameras against what stands for their hardware: a folder, and a server on the loopback address. Those behind ffmpeg: ffmpeg.e2e.test.ts. */
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import sharp from "sharp";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { folderSource } from "./folder.js";
import { httpSource } from "./http.js";
import { type ExposureSource, liveCamera } from "./live.js";
import type { Camera } from "./port.js";

const root = mkdtempSync(join(tmpdir(), "persoline-live-camera-"));
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const world = { now: () => 99 };
const camera = (
  source: ExposureSource,
  more: { present?: () => string | undefined; timeoutMs?: number } = {},
): Camera => {
  const made = liveCamera(source, { name: "camera", world, ...more });
  ends.push(() => made.close?.());
  return made;
};
let shades = 0;
/** A picture like no other: noise of its own. */
const jpeg = async (of: number = ++shades): Promise<Buffer> => {
  const pixels = Buffer.alloc(160 * 100);
  for (let i = 0; i < pixels.length; i++) pixels[i] = (i * 2654435761 * (of + 1)) >>> 24;
  return sharp(pixels, { raw: { width: 160, height: 100, channels: 1 } })
    .jpeg()
    .toBuffer();
};

describe("a watched folder", () => {
  let folders = 0;
  const set = (
    more: { ask?: boolean; most?: number; timeoutMs?: number; present?: () => string | undefined } = {},
  ) => {
    const folder = join(root, `folder-${String(++folders)}`);
    mkdirSync(folder);
    const ask = join(root, `ask-${String(folders)}`);
    const source = folderSource({
      name: "camera",
      folder,
      settleMs: 60,
      pollMs: 10,
      ...(more.ask === true ? { ask } : {}),
      ...(more.most === undefined ? {} : { most: more.most }),
    });
    const { timeoutMs = 1_500, present } = more;
    return {
      folder,
      ask,
      camera: camera(source, { timeoutMs, ...(present === undefined ? {} : { present }) }),
    };
  };
  const soon = async <T>(asked: Promise<T>, work: () => void | Promise<void>): Promise<T> => {
    asked.catch(() => undefined);
    await wait(40);
    await work();
    return asked;
  };

  test("takes the file that comes after the trigger, not what lay there, and keeps card and time with it", async () => {
    const { folder, camera } = set();
    writeFileSync(join(folder, "before.jpg"), await jpeg());
    const bytes = await jpeg();
    const picture = await soon(camera.capture("back", "S1"), () =>
      writeFileSync(join(folder, "next.jpg"), bytes),
    );
    expect(picture).toMatchObject({
      side: "back",
      card: "S1",
      takenAt: 99,
      width: 160,
      height: 100,
      frame: 1,
    });
    const grey = await sharp(bytes).greyscale().raw().toBuffer();
    expect(picture !== "no-picture" && Buffer.from(picture.grey).equals(grey)).toBe(true);
  });
  test("a file renamed into place is whole; one that is being written is waited for", async () => {
    const { folder, camera } = set();
    const whole = await jpeg();
    await expect(
      soon(camera.capture("front"), () => {
        writeFileSync(join(folder, "a.jpg.part"), whole);
        renameSync(join(folder, "a.jpg.part"), join(folder, "a.jpg"));
      }),
    ).resolves.toMatchObject({ frame: 1 });
    const slow = await jpeg();
    const picture = await soon(camera.capture("front"), async () => {
      writeFileSync(join(folder, "b.jpg"), slow.subarray(0, slow.length >> 1));
      // Longer than a file must rest: only its missing end shows that it is not whole.
      await wait(200);
      writeFileSync(join(folder, "b.jpg"), slow.subarray(slow.length >> 1), { flag: "a" });
    });
    expect(picture).toMatchObject({ frame: 2, height: 100 });
  });
  test("a file that never gets whole, and none at all: no picture", async () => {
    const { folder, camera } = set({ timeoutMs: 300 });
    const half = (await jpeg()).subarray(0, 900);
    expect(await soon(camera.capture("front"), () => writeFileSync(join(folder, "c.jpg"), half))).toBe(
      "no-picture",
    );
    expect(await camera.capture("front")).toBe("no-picture");
  });
  test("begun before the card came, or taken before: not its picture", async () => {
    const { folder, camera } = set({ timeoutMs: 400 });
    const [begun, older] = [await jpeg(), await jpeg()];
    writeFileSync(join(folder, "d.jpg.part"), begun.subarray(0, 500));
    expect(
      await soon(camera.capture("front"), () => {
        writeFileSync(join(folder, "d.jpg.part"), begun.subarray(500), { flag: "a" });
        renameSync(join(folder, "d.jpg.part"), join(folder, "d.jpg"));
      }),
    ).toBe("no-picture");
    await expect(
      soon(camera.capture("front"), () => {
        const away = join(root, "away.jpg");
        writeFileSync(away, older);
        utimesSync(away, new Date(Date.now() - 60_000), new Date(Date.now() - 60_000));
        renameSync(away, join(folder, "e.jpg"));
      }),
    ).rejects.toThrow(/older than its trigger/);
  });
  test("the same picture under another name, or in another wrapping: the camera is frozen", async () => {
    const { folder, camera } = set();
    const bytes = await jpeg();
    await soon(camera.capture("front"), () => writeFileSync(join(folder, "f.jpg"), bytes));
    await expect(
      soon(camera.capture("front"), () => writeFileSync(join(folder, "g.jpg"), bytes)),
    ).rejects.toThrow("frozen");
    const png = await sharp(bytes).png().toBuffer();
    await expect(
      soon(camera.capture("front"), () => writeFileSync(join(folder, "h.png"), png)),
    ).rejects.toThrow("same pixels");
  });
  test("two files for one card, links, folders and files too large are faults", async () => {
    const { folder, camera } = set({ most: 20_000 });
    const [one, two] = [await jpeg(), await jpeg()];
    await expect(
      soon(camera.capture("front"), () => {
        writeFileSync(join(folder, "i.jpg"), one);
        writeFileSync(join(folder, "j.jpg"), two);
      }),
    ).rejects.toThrow("2 pictures");
    const elsewhere = join(root, "elsewhere.jpg");
    await expect(
      soon(camera.capture("front"), () => {
        writeFileSync(elsewhere, two);
        symlinkSync(elsewhere, join(folder, "k.jpg"));
      }),
    ).rejects.toThrow("is a link");
    await expect(soon(camera.capture("front"), () => mkdirSync(join(folder, "l.jpg")))).rejects.toThrow(
      "no file",
    );
    await expect(
      soon(camera.capture("front"), () => {
        writeFileSync(join(folder, "m.jpg"), one);
        truncateSync(join(folder, "m.jpg"), 30_000);
      }),
    ).rejects.toThrow("larger than 20000");
    rmSync(folder, { recursive: true });
    await expect(camera.capture("front")).rejects.toMatchObject({ code: "unplugged" });
  });
  test("something that is no picture is refused", async () => {
    const { folder, camera } = set();
    await expect(
      soon(camera.capture("front"), () => writeFileSync(join(folder, "n.tif"), "no picture")),
    ).rejects.toThrow("no whole picture");
  });
  test("asks the capturing program, and takes what answers that question only", async () => {
    const { folder, ask, camera } = set({ ask: true });
    const asked: string[] = [];
    const answer = async (name: (question: string) => string): Promise<void> => {
      const question = readFileSync(ask, "utf8").trim();
      asked.push(question);
      writeFileSync(join(folder, name(question)), await jpeg());
    };
    await soon(camera.capture("front"), () => answer((question) => `${question.replace(" ", "-")}.jpg`));
    expect(existsSync(ask)).toBe(false);
    await expect(
      soon(camera.capture("back"), () => answer(() => `${asked[0]?.replace(" ", "-") ?? ""}.x.jpg`)),
    ).rejects.toThrow("asked for");
    const [first, second] = asked.map((one) => Number(one.split(" ")[0]));
    expect(second).toBe((first ?? 0) + 1);
    expect(asked.map((one) => one.split(" ")[1])).toEqual(["front", "back"]);
  });
  test("without a card there is nothing to see; one that changes during the exposure is a fault", async () => {
    let lying: string | undefined;
    const { folder, camera } = set({ present: () => lying });
    expect(await camera.capture("front")).toBe("no-picture");
    lying = "B-1";
    const bytes = await jpeg();
    await expect(
      soon(camera.capture("front"), () => {
        lying = "B-2";
        writeFileSync(join(folder, "o.jpg"), bytes);
      }),
    ).rejects.toThrow("change");
  });
});

describe("an HTTP snapshot", () => {
  const serve = async (answer: RequestListener): Promise<string> => {
    const server = createServer(answer);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    ends.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/snapshot.jpg?key=hidden`;
  };
  const over = async (
    answer: RequestListener,
    more: { discard?: number; most?: number; timeoutMs?: number } = {},
  ): Promise<Camera> => {
    const { timeoutMs = 1_000, ...rest } = more;
    return camera(httpSource({ name: "camera", url: await serve(answer), pauseMs: 10, ...rest }), {
      timeoutMs,
    });
  };

  test("never the frame the camera had when it was asked, but the one after", async () => {
    const frames = await Promise.all([jpeg(), jpeg(), jpeg(), jpeg()]);
    // The camera's stream makes a new frame with every second request.
    let requests = 0;
    const it = await over((_, response) => void response.end(frames[Math.floor(requests++ / 2)]));
    const grey = await sharp(frames[1]).greyscale().raw().toBuffer();
    const picture = await it.capture("front", "S2");
    expect(picture !== "no-picture" && Buffer.from(picture.grey).equals(grey)).toBe(true);
    expect(picture).toMatchObject({ card: "S2", side: "front" });
  });
  test("a camera that gives the same frame again and again is frozen", async () => {
    const frame = await jpeg();
    const it = await over((_, response) => void response.end(frame), { timeoutMs: 200 });
    await expect(it.capture("front")).rejects.toThrow("frozen");
  });
  test("one that exposes for each request is asked once, and its repeated picture refused", async () => {
    const frame = await jpeg();
    const it = await over((_, response) => void response.end(frame), { discard: 0 });
    expect(await it.capture("front")).toMatchObject({ frame: 1 });
    await expect(it.capture("front")).rejects.toThrow("frozen");
  });
  const bad: readonly (readonly [string, RequestListener, RegExp])[] = [
    [
      "a redirect",
      (_, response) => void response.writeHead(302, { location: "/other" }).end(),
      /another address/,
    ],
    ["a refusal", (_, response) => void response.writeHead(401).end(), /status 401/],
    [
      "a length too large",
      (_, response) => void response.writeHead(200, { "content-length": "99999" }).end(),
      /more than 50000/,
    ],
    [
      "an endless answer",
      (_, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(8_000)));
          if (!response.destroyed) response.once("drain", more);
        };
        more();
      },
      /more than 50000/,
    ],
    ["a page", (_, response) => void response.end("<html>busy</html>"), /no whole picture/],
    ["an answer out of a cache", (_, response) => void response.setHeader("age", "9").end("x"), /cache/],
    [
      "a picture of the day before",
      (_, response) =>
        void response
          .writeHead(200, {
            date: "Fri, 02 Jan 2026 10:00:00 GMT",
            "last-modified": "Thu, 01 Jan 2026 10:00:00 GMT",
          })
          .end("x"),
      /86400 s old/,
    ],
    ["silence", () => undefined, /not answered in time/],
    ["a connection that breaks off", (_, response) => void response.socket?.destroy(), /broke off/],
  ];
  test.each(bad)("%s is a fault, and tells nothing of the address's query", async (name, answer, message) => {
    // Silence alone is told by the clock: nothing else may be taken for it on a busy machine.
    const timeoutMs = name === "silence" ? 300 : 30_000;
    const it = await over(answer, { discard: 0, most: 50_000, timeoutMs });
    const problem: unknown = await it.capture("front").catch((thrown: unknown) => thrown);
    expect(problem).toMatchObject({ name: "DeviceFault", message: expect.stringMatching(message) as string });
    expect(String(problem)).not.toContain("hidden");
  });
  test("half a picture is no picture", async () => {
    const frame = await jpeg();
    const it = await over((_, response) => void response.end(frame.subarray(0, frame.length >> 1)), {
      discard: 0,
    });
    await expect(it.capture("front")).rejects.toThrow("no whole picture");
  });
  test("an address with a password, or of another kind, is refused", () => {
    for (const url of ["http://me:secret@cam/", "ftp://cam/x.jpg", "cam/x.jpg"]) {
      expect(() => httpSource({ name: "camera", url })).toThrow(/camera: its address/);
      expect(() => httpSource({ name: "camera", url })).not.toThrow(/secret/);
    }
  });
});
