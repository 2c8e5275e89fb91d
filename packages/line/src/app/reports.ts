/** The production report as three files: HTML for people, JSON and CSV with the same data. */
import { createWriteStream } from "node:fs";
import { open, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { reportCsv } from "../ledger/report-csv.js";
import { reportHtml } from "../ledger/report-html.js";
import { reportJson } from "../ledger/report-json.js";
import type { CardPicture, ProductionReport } from "../ledger/report.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import { driftsOf } from "./drifts.js";
import { overlayOf, type PictureViewer } from "./pictures.js";

export interface ReportFiles {
  readonly html: string;
  readonly json: string;
  readonly csv: string;
}

/** Cards shown with pictures of both sides; more would make the page heavy. */
const shown = 24;
/** Rejected sides shown as they were judged. */
export const shownRejects = 16;
/** Visits looked through for them. */
const rejectsSearched = 500;

interface WriteReports {
  readonly report: ProductionReport;
  readonly store: Store;
  readonly pictures: PictureViewer;
  readonly data: DataFolder;
  readonly order: string;
}

export async function writeReports(ask: WriteReports): Promise<ReportFiles> {
  const { report, store, data, order } = ask;
  const whole: ProductionReport = { ...report, drifts: await driftsOf(store, order) };
  const illustrated = report.accountNumbers === true ? whole : { ...whole, ...(await picturesOf(ask)) };
  const folder = data.reports(order);
  const files = {
    html: join(folder, "report.html"),
    json: join(folder, "report.json"),
    csv: join(folder, "cards.csv"),
  };
  await write(files.html, reportHtml(illustrated));
  await write(files.json, reportJson(whole));
  await write(files.csv, reportCsv(report));
  return files;
}

/** In clear: whoever has the page sees these cards. */
async function picturesOf({
  store,
  pictures,
  order,
}: WriteReports): Promise<Pick<ProductionReport, "pictures" | "judged">> {
  const shots: CardPicture[] = [];
  for (const { record, serial, side, file } of await store.reports.pictures(order, 2 * shown)) {
    // A picture that was lost or altered is missing from the page, and no reason to lose the page.
    const shownPicture = await pictures.show(file).catch(() => undefined);
    if (shownPicture === undefined) continue;
    const jpeg = Buffer.from(shownPicture).toString("base64");
    shots.push({ record, serial, side, source: `data:image/jpeg;base64,${jpeg}` });
  }
  const judged: CardPicture[] = [];
  for (const { record, serial, side, file } of await store.reports.pictures(
    order,
    rejectsSearched,
    "rejected",
  )) {
    if (judged.length >= shownRejects) break;
    // Only sides that did not pass have one, and not every reject was thrown out by its picture.
    const overlay = await pictures.show(overlayOf(file)).catch(() => undefined);
    if (overlay === undefined) continue;
    const jpeg = Buffer.from(overlay).toString("base64");
    judged.push({ record, serial, side, source: `data:image/jpeg;base64,${jpeg}` });
  }
  return { pictures: shots, judged };
}

/** Written under another name, synced, renamed: whoever finds the file finds it whole, after a power failure too. */
export async function write(file: string, text: AsyncIterable<string> | Iterable<string>): Promise<void> {
  const draft = `${file}.new`;
  await writeDraft(draft, text);
  await putInPlace(draft, file);
}

/** Whole and durable under a name that nobody reads yet. */
export async function writeDraft(
  draft: string,
  text: AsyncIterable<string> | Iterable<string>,
): Promise<void> {
  await pipeline(Readable.from(text), createWriteStream(draft, { mode: 0o600 }));
  await sync(draft);
}

/** A durable draft becomes the file; the name is durable as well when this resolves. */
export async function putInPlace(draft: string, file: string): Promise<void> {
  await rename(draft, file);
  await sync(dirname(file));
}

/** Makes a file's content, or the names in a folder, durable. */
async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
