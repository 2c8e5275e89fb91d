/** Printers with what they really talk to: a cupsd of this test's own, and poppler, which reads what was printed (Debian: cups-daemon, cups-client, poppler-utils). */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DeviceFault } from "../../problem.js";
import type { PrintedSide, Side } from "../port.js";
import { cupsPrinter, type CupsPrinterOptions } from "./cups.js";
import { type Cupsd, startCupsd } from "./cupsd.test.data.js";
import { filePrinter } from "./files.js";
import { type PrintJob, printPdf } from "./job.js";

const root = mkdtempSync(join(tmpdir(), "persoline-printer-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A side with a bar of its own colour, half seen through, and nothing elsewhere. */
function printed(side: Side, bleed = 0, dpi = 300): PrintedSide {
  const [width, height] = [
    Math.round((85.6 / 25.4) * dpi) + 2 * bleed,
    Math.round((53.98 / 25.4) * dpi) + 2 * bleed,
  ];
  const pixels = new Uint8Array(4 * width * height);
  for (let y = bleed + 100; y < bleed + 200; y++)
    for (let x = 0; x < width; x++)
      pixels.set(side === "front" ? [200, 0, 40, 255] : [0, 60, 0, 128], 4 * (y * width + x));
  return { side, dpi, width, height, bleed, pixels };
}
const job = (...sides: PrintedSide[]): PrintJob => ({
  kind: "colour",
  side: sides[0]?.side ?? "front",
  sides,
});

/** Pages of a PDF as pdftoppm (poppler) sees them, and what pdfinfo says of the boxes. */
async function pagesOf(pdf: Uint8Array, dpi: number) {
  const file = join(root, "page.pdf");
  writeFileSync(file, pdf);
  const run = (program: string, ...words: string[]): string => {
    try {
      return execFileSync(program, words, { encoding: "utf8", stdio: "pipe" });
    } catch (cause) {
      throw new Error("this test needs poppler (Debian: apt-get install poppler-utils)", { cause });
    }
  };
  const info = run("pdfinfo", "-box", "-f", "1", "-l", "2", file);
  run("pdftoppm", "-r", String(dpi), "-png", file, join(root, "page"));
  const names = readdirSync(root)
    .filter((name) => /^page-\d+\.png$/.test(name))
    .sort();
  const pages = await Promise.all(
    names.map((name) => sharp(join(root, name)).removeAlpha().raw().toBuffer({ resolveWithObject: true })),
  );
  for (const name of names) rmSync(join(root, name));
  return { info, pages };
}

describe("documents", () => {
  test.each([300, 600])(
    "a PDF has a page a side as large as the card, dot for dot at %i dpi",
    async (dpi) => {
      const sides = [printed("front", 0, dpi), printed("back", 0, dpi)];
      const { info, pages } = await pagesOf(printPdf(job(...sides)), dpi);
      expect(info).toMatch(/Pages: +2\n/);
      const size = /Page +1 size: +([\d.]+) x ([\d.]+) pts/.exec(info);
      // To half a dot of the printer: 85.6 mm are no whole number of dots.
      expect(Math.abs((Number(size?.[1]) / 72) * 25.4 - 85.6)).toBeLessThan(25.4 / dpi / 2);
      expect(Math.abs((Number(size?.[2]) / 72) * 25.4 - 53.98)).toBeLessThan(25.4 / dpi / 2);
      sides.forEach(({ width, height }, i) => {
        const { data, info: seen } = pages[i] ?? { data: Buffer.alloc(0), info: { width: 0, height: 0 } };
        // poppler rounds a page up to whole dots.
        expect(Math.abs(seen.width - width) + Math.abs(seen.height - height)).toBeLessThanOrEqual(2);
        const at = (x: number, y: number): number[] => [
          ...data.subarray(3 * (y * seen.width + x), 3 * (y * seen.width + x) + 3),
        ];
        // Premultiplied: half a green over white.
        const colour = i === 0 ? [200, 0, 40] : [127, 187, 127];
        expect([at(500, 98), at(500, 102), at(500, 197), at(500, 202)]).toEqual([
          [255, 255, 255],
          colour,
          colour,
          [255, 255, 255],
        ]);
      });
    },
  );
  test("with a bleed the card is the page's TrimBox", async () => {
    const { info } = await pagesOf(printPdf(job(printed("front", 24))), 300);
    const box = (name: string): number[] =>
      (new RegExp(`${name}: +([\\d.]+) +([\\d.]+) +([\\d.]+) +([\\d.]+)`).exec(info) ?? [])
        .slice(1)
        .map(Number);
    expect(box("TrimBox")).toEqual([
      5.76,
      5.76,
      expect.closeTo(5.76 + 242.64, 2),
      expect.closeTo(5.76 + 153.12, 2),
    ]);
    expect(box("BleedBox")).toEqual(box("MediaBox"));
    expect(box("MediaBox")[2]).toBeCloseTo(1059 * 0.24, 1);
  });
  test("files come whole, one a card, in order, and never over another; the camera has to confirm them", async () => {
    for (const format of ["pdf", "png"] as const) {
      const folder = join(root, format);
      const printer = filePrinter({ name: "printer", folder, format });
      expect([printer.confirmedBy, printer.residue]).toEqual(["camera", expect.stringContaining("destroy")]);
      await printer.mark(job(printed("front"), printed("back")));
      await printer.mark(job(printed("back")));
      const names = readdirSync(folder).sort();
      expect(names.map((name) => name.replace(/^\d{8}T\d{6}-/, ""))).toEqual(
        format === "pdf"
          ? ["000001.pdf", "000002.pdf"]
          : ["000001-back.png", "000001-front.png", "000002-back.png"],
      );
      // A name that is there already: nothing is lost, and the card is no good.
      const [first = ""] = names;
      writeFileSync(join(folder, first.replace("000001", "000003").replace("-back", "-front")), "of another");
      await expect(printer.mark(job(printed("front")))).rejects.toBeInstanceOf(DeviceFault);
    }
    // Asked before a card: a dead run's file, and a folder that is none.
    const folder = join(root, "left");
    const printer = filePrinter({ name: "printer", folder, format: "pdf" });
    await printer.ready?.();
    await printer.mark(job(printed("front")));
    await printer.ready?.();
    writeFileSync(join(folder, "20260101T000000-000004.pdf"), "of a killed run");
    await expect(printer.ready?.()).rejects.toThrow("20260101T000000-000004.pdf");
    const nowhere = join(folder, "20260101T000000-000004.pdf");
    await expect(
      filePrinter({ name: "printer", folder: nowhere, format: "pdf" }).ready?.(),
    ).rejects.toMatchObject({ code: "unplugged" });
    const { width, height, density } = await sharp(
      join(root, "png", readdirSync(join(root, "png"))[0] ?? ""),
    ).metadata();
    expect([width, height, density]).toEqual([1011, 638, 300]);
  });
});

describe("a printer behind CUPS", () => {
  let cupsd: Cupsd;
  let queues = 0;
  beforeAll(async () => {
    cupsd = await startCupsd(mkdtempSync(join(tmpdir(), "persoline-cupsd-")));
  });
  afterAll(async () => {
    await cupsd.stop();
  });
  beforeEach(() => cupsd.behave("good"));
  const set = (more: Partial<CupsPrinterOptions> & { policy?: string } = {}) => {
    const { policy, ...options } = more;
    const queue = `cards${String(++queues)}`;
    cupsd.queue(queue, policy);
    return {
      queue,
      printer: cupsPrinter({
        name: "printer",
        queue,
        server: cupsd.server,
        pollMs: 50,
        timeoutMs: 20_000,
        ...options,
      }),
    };
  };
  const jobsOf = (queue: string): string[] =>
    ["not-completed", "completed"].flatMap((which) =>
      cupsd.command("lpstat", "-W", which, "-o", queue).split("\n").filter(Boolean),
    );

  test("prints each card once, as it was sent, and leaves nothing of it in CUPS", async () => {
    const { queue, printer } = set();
    const before = cupsd.printed().length;
    const card = job(printed("front"), printed("back"));
    await printer.mark(card);
    const documents = cupsd.printed().slice(before);
    expect(documents).toHaveLength(1);
    expect(documents[0]?.equals(Buffer.from(printPdf(card)))).toBe(true);
    expect([jobsOf(queue), cupsd.spooled()]).toEqual([[], []]);
    await printer.mark(job(printed("back")));
    expect(cupsd.printed()).toHaveLength(before + 2);
  });
  test("the end of a job is no proof of a card: the camera confirms, or a machine that counts sheets", async () => {
    expect(set().printer.confirmedBy).toBe("camera");
    const { printer } = set({ confirmedBy: "machine" });
    await printer.mark(job(printed("front")));
    cupsd.behave("no-count");
    await expect(printer.mark(job(printed("front")))).rejects.toThrow("counted no card");
  });
  test.each([
    ["jam", /media-jam-error/],
    ["ribbon-end", /marker-supply-empty-error/],
    ["breaks-off", /aborted/],
    ["retry", /aborted|stands still/],
  ] as const)("%s: the card is unknown, and the job is never printed again", async (how, message) => {
    const { queue, printer } = set();
    cupsd.behave(how);
    await expect(printer.mark(job(printed("front")))).rejects.toMatchObject({
      name: "DeviceFault",
      message: expect.stringMatching(message) as string,
    });
    expect([jobsOf(queue), cupsd.spooled()]).toEqual([[], []]);
    // The printer is mended: what was under way must not come out of it.
    cupsd.behave("good");
    const before = cupsd.printed().length;
    cupsd.command("cupsenable", queue);
    await wait(2_500);
    expect(cupsd.printed()).toHaveLength(before);
  });
  test("cancelled by somebody, and vanished: the card is unknown", async () => {
    for (const [words, message] of [
      [[], /cancelled|vanished/],
      [["-x"], /vanished|cancelled/],
    ] as const) {
      const { queue, printer } = set();
      cupsd.behave("hangs");
      const marking = printer.mark(job(printed("front")));
      marking.catch(() => undefined);
      while (jobsOf(queue).length === 0) await wait(30);
      cupsd.command("cancel", "-a", ...words, queue);
      await expect(marking).rejects.toThrow(message);
      expect(jobsOf(queue)).toEqual([]);
    }
  });
  test("a printer that hangs is given up in time, and its job taken away", async () => {
    const { queue, printer } = set({ timeoutMs: 800 });
    cupsd.behave("hangs");
    await expect(printer.mark(job(printed("front")))).rejects.toThrow("has not ended in 0.8 s");
    expect([jobsOf(queue), cupsd.spooled()]).toEqual([[], []]);
  });
  test("a ribbon that comes to its end is no fault yet", async () => {
    const { printer } = set();
    cupsd.behave("low");
    const before = cupsd.printed().length;
    await printer.mark(job(printed("front")));
    await printer.mark(job(printed("front")));
    expect(cupsd.printed()).toHaveLength(before + 2);
  });
  test("before a card is touched: a queue that prints again, stopped, empty or with strangers' jobs is not ready", async () => {
    for (const policy of ["retry-job", "stop-printer", "retry-current-job"])
      await expect(set({ policy }).printer.ready?.()).rejects.toThrow("printer-error-policy=abort-job");
    const before = cupsd.printed().length;
    const { queue, printer } = set();
    await expect(printer.ready?.()).resolves.toBeUndefined();
    cupsd.command("cupsdisable", queue);
    await expect(printer.ready?.()).rejects.toThrow("cupsenable");
    await expect(printer.mark(job(printed("front")))).rejects.toThrow("cupsenable");
    const file = join(root, "letter.txt");
    writeFileSync(file, "a letter");
    cupsd.command("lp", "-d", queue, file);
    cupsd.behave("hangs");
    cupsd.command("cupsenable", queue);
    await expect(printer.ready?.()).rejects.toThrow("1 other jobs wait");
    cupsd.command("cancel", "-a", queue);
    const empty = set();
    cupsd.behave("ribbon-end");
    await expect(empty.printer.mark(job(printed("front")))).rejects.toThrow("marker-supply-empty");
    await expect(empty.printer.ready?.()).rejects.toThrow("marker-supply-empty");
    expect(cupsd.printed()).toHaveLength(before);
  });
  test("another kind of job is refused, and nothing is printed", async () => {
    const { printer } = set();
    const before = cupsd.printed().length;
    const emboss = { kind: "emboss", side: "front", lines: [] } as const;
    await expect(printer.mark(emboss)).rejects.toMatchObject({ code: "refused" });
    expect(() => printer.duration(emboss)).toThrow(DeviceFault);
    expect(printer.duration(job(printed("front"), printed("back")))).toBeGreaterThan(
      printer.duration(job(printed("front"))),
    );
    expect(cupsd.printed()).toHaveLength(before);
  });
  test("no such queue, and no CUPS, are told", async () => {
    const options = { name: "printer", pollMs: 50 };
    await expect(cupsPrinter({ ...options, queue: "none", server: cupsd.server }).ready?.()).rejects.toThrow(
      "no queue called none",
    );
    await expect(cupsPrinter({ ...options, queue: "none", server: "127.0.0.1:9" }).ready?.()).rejects.toThrow(
      "cupsd",
    );
  });
});
