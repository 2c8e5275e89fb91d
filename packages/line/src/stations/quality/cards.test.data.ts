import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Picture } from "../../devices/camera/port.js";
import { type Conditions, kept } from "../../devices/camera/optics.js";
import { simulatedCamera } from "../../devices/camera/simulated.js";
import type { VisualFlaw } from "../../devices/marker/flaws.js";
import { simulatedEngraver } from "../../devices/marker/simulated.js";
import { chance } from "../../devices/shop-floor/random.js";
import { raiseLines } from "../../devices/shop-floor/faces.js";
import { writeGround } from "../../devices/shop-floor/wear.js";
import {
  compileLayout,
  embossLines,
  type FaceGround,
  type FaceRaster,
  type FieldValues,
  type GreyGround,
  layoutFace,
  parseEmboss,
  parseLayout,
  readFonts,
  renderFace,
  renderGround,
} from "../../plan/layout/index.js";
import { samplePhoto, sampleSignature } from "../../plan/layout/portraits.test.data.js";
import { readerIn } from "../../plan/layout/reader.test.data.js";
import type { EmbossLine, Face } from "../../plan/types.js";
import type { FaceVerdict } from "./finding.js";
import { judgeFace } from "./judge.js";
import type { JudgeOptions } from "./look.js";

const fonts = readFonts();
const offered = {
  texts: [
    ..."name department premises number validUntil cardNumber".split(" "),
    ..."surname given nativeName birth sex nationality category".split(" "),
    ..."customer embossedPan validFrom validThru embossedName".split(" "),
  ],
  photos: ["photo", "signature"],
  codes: ["cardNumber"],
};

const pick = <T>(list: readonly T[], i: number): T => {
  const one = list[i % list.length];
  if (one === undefined) throw new Error("an empty list");
  return one;
};
const names = [
  "Željko Đorđević-O’Brien",
  "Александра Владимировна Константинопольская-Щербакова",
  "Ann Li",
  "José María Núñez",
  "Siobhán Ó Briain",
  "Пётр Ильич Чайковский",
  "Zoë O0Q 8B1I",
  "Łukasz Szczepański",
  "Jean-Baptiste d’Arc",
  "Øyvind Ångström",
];
const departments = [
  "Extrusion and Tooling",
  "Отдел контроля качества",
  "IT",
  "Logistics",
  "Injection Moulding, Shift II",
];
const surnames = ["Đorđević", "Li", "Núñez-Castillo", "Ó Briain", "Ångström", "d’Arc", "Szczepański"];
const given = ["Ann Marie", "Željko", "Øyvind", "Siobhán", "Łukasz Jan"];
const premises = [["A1"], ["A1", "B2"], ["A1", "B2", "DOCK"], ["LAB", "YARD", "C3"]];
const letters = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789";

const firstNames = [
  ..."Ada Bruno Chloé Dag Elif Fatma Gábor Hélène Ines Jörg Kateřina Liam Maëlle Niko Oğuz Päivi".split(" "),
  ..."Quentin Renée Søren Tomáš Ursula Věra Willem Ximena Yannick Zoë".split(" "),
  ..."Алексей Борис Вера Галина Дмитрий Евгения Жанна Зоя Илья Ксения Лев Мария".split(" "),
];
const lastNames = [
  ..."Abbott Baumgärtner Castañeda Dvořák Eriksson Fitzgerald Grünwald Hjørnevik Iversen Jansen-Kuiper".split(
    " ",
  ),
  ..."Kowalczyk Lindqvist Müller Nagy O’Connor Petrović Quigley Rasmussen Şahin Tóth Ullmann Vásquez".split(
    " ",
  ),
  ..."Wójcik Xavier Yılmaz Žižka Ng Fox".split(" "),
];
const lastNamesCyrillic =
  "Абрамов Богданова Васильев Гончаренко Данилова Егоров Жуковский Зайцева Иванов Кузнецова-Орлова".split(
    " ",
  );

/** A name that only few others have: tests with hand-made people use the short list, captures in any number these. */
function nameOf(i: number): { readonly name: string; readonly given: string; readonly surname: string } {
  const luck = chance(`name ${String(i)}`);
  const one = (list: readonly string[]): string => pick(list, Math.floor(luck.next() * list.length));
  const first = one(firstNames);
  const cyrillic = /[А-я]/.test(first);
  const middle = !cyrillic && luck.next() < 0.2 ? ` ${one(firstNames.slice(0, 26))}` : "";
  const last = one(cyrillic ? lastNamesCyrillic : lastNames);
  return {
    name: `${first}${middle} ${last}`,
    given: `${one(firstNames.slice(0, 26))}${middle}`,
    surname: one(lastNames),
  };
}

/** People who differ in every field. */
function person(i: number): FieldValues {
  return { ...ofLists(i), ...(i < 1000 ? {} : nameOf(i)) };
}

function ofLists(i: number): FieldValues {
  const code = Array.from({ length: 12 }, (_, k) =>
    letters.charAt((i * 31 + k * 17 + ((i * i * 13 + k * 5) % 29)) % letters.length),
  ).join("");
  return {
    name: pick(names, i),
    department: pick(departments, i),
    premises: pick(premises, i),
    number: `PP-${String(100_000 + i * 7919).slice(-6)}`,
    validUntil: `20${String(27 + (i % 5))}-12-31`,
    surname: pick(surnames, i),
    given: pick(given, i >> 2),
    nativeName: "",
    birth: `19${String(50 + (i % 50))}-0${String(1 + (i % 9))}-1${String(i % 10)}`,
    sex: pick(["F", "M"], i),
    nationality: pick(["UTO", "DEU", "RUS", "FRA"], i),
    category: pick(["adult", "junior", "adult", "senior"], i >> 1),
    customer: `C-${String(10_000 + i * 37).slice(-5)}`,
    ...embossed(i),
    cardNumber: `${code.slice(0, 4)}-${code.slice(4, 8)}-${code.slice(8)}`,
  };
}

/** What a payment card raises: nobody's number. */
function embossed(i: number): FieldValues {
  const luck = chance(`account ${String(i)}`);
  const digits = Array.from({ length: 12 }, () => Math.floor(luck.next() * 10)).join("");
  const year = 26 + (i % 4);
  return {
    embossedPan: `9999${digits}`.match(/.{4}/g)?.join(" ") ?? "",
    validFrom: `0${String(1 + (i % 9))}/${String(year)}`,
    validThru: `1${String(i % 3)}/${String(year + 4)}`,
    embossedName: `${pick(firstNames.slice(0, 26), i)} ${pick(lastNames, i >> 1)}`,
  };
}

/** The raised lines of a person's card. */
export function raisedLines(product: Exclude<Product, "resident-card">, i: number): readonly EmbossLine[] {
  const file = new URL(`../../../../../examples/products/${product}/layout/emboss.yaml`, import.meta.url);
  const template = parseEmboss(readFileSync(file, "utf8"), "emboss.yaml", offered);
  return embossLines({ ...template, transliterate: "icao" }, person(i));
}

export type Product = "office-access" | "warehouse-access" | "resident-card" | "payment";
type Side = "front" | "back";

export interface Drawn {
  readonly face: Face;
  readonly raster: FaceRaster;
  readonly ground?: FaceGround;
  /** Lines that are embossed before it is photographed. */
  readonly raised?: readonly EmbossLine[];
}

const drawn = new Map<string, Promise<Drawn>>();

/** The side of a person's card as the engraver gets it. */
export function drawnCard(product: Product, side: Side, i: number, change: FieldValues = {}): Promise<Drawn> {
  const key = JSON.stringify([product, side, i, change]);
  const known = drawn.get(key);
  if (known !== undefined) return known;
  const folder = new URL(`../../../../../examples/products/${product}/layout/`, import.meta.url);
  const text = readFileSync(new URL(`${side}.yaml`, folder), "utf8");
  const layout = compileLayout(parseLayout(text, `${side}.yaml`, offered, readerIn(folder)), fonts);
  const face = layoutFace(
    layout,
    { ...person(i), ...change },
    { photo: samplePhoto(i), signature: sampleSignature(i) },
  );
  const made = Promise.all([renderFace(face, 300), renderGround(face, 300)]).then(([raster, ground]) => ({
    face,
    raster,
    ...(ground === undefined ? {} : { ground }),
  }));
  const [oldest] = drawn.keys();
  if (drawn.size > 400 && oldest !== undefined) drawn.delete(oldest);
  drawn.set(key, made);
  return made;
}

const world = { now: () => 0, sleep: () => Promise.resolve() };
const place = { at: "head", station: "visual", head: 0 } as const;

/** The blank's print and the printer's on it: what the camera sees under the marks. */
export const together = ({ common, own }: FaceGround): GreyGround =>
  own === undefined
    ? common
    : { ...common, grey: common.grey.map((value, i) => (value * (own.grey[i] ?? 255)) / 255) };

/** Engraves one card after another on a machine with these flaws and takes a picture of each. */
export async function photographed(
  cards: readonly Drawn[],
  flaws: readonly VisualFlaw[],
  seed: string,
  conditions: Conditions = kept,
): Promise<Picture[]> {
  const root = mkdtempSync(join(tmpdir(), "persoline-quality-"));
  try {
    let at = 0;
    const bodyAt = (): string => join(root, String(at));
    const engraver = simulatedEngraver({ name: "engraver", place, bodyAt, world, seed, flaws });
    const camera = simulatedCamera({ name: "camera", place, bodyAt, world, seed, conditions });
    const pictures: Picture[] = [];
    for (const { raster, ground, raised = [] } of cards) {
      if (ground !== undefined) writeGround(bodyAt(), raster.side, together(ground));
      await engraver.mark(raster);
      if (raised.length > 0) await raiseLines(bodyAt(), "front", raised, () => Promise.resolve());
      const picture = await camera.capture(raster.side);
      if (picture === "no-picture") throw new Error("the simulated camera saw nothing");
      pictures.push(picture);
      at++;
    }
    return pictures;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

export interface Series {
  readonly product: Product;
  readonly side: Side;
  readonly people: readonly number[];
  readonly seed: string;
}

const cardsOf = ({ product, side, people }: Series): Promise<Drawn[]> =>
  Promise.all(people.map((i) => drawnCard(product, side, i)));

/** Whatever is printed on the card is told to the judge. */
export const optionsOf = ({ ground }: Drawn): JudgeOptions =>
  ground === undefined
    ? {}
    : { ground: ground.common, ...(ground.own === undefined ? {} : { printed: ground.own }) };

async function judgeAll(cards: readonly Drawn[], pictures: readonly Picture[]): Promise<FaceVerdict[]> {
  const verdicts: FaceVerdict[] = [];
  for (const [i, card] of cards.entries())
    verdicts.push(await judgeFace(pick(pictures, i), card.face, card.raster, optionsOf(card)));
  return verdicts;
}

export async function goodCards(series: Series): Promise<FaceVerdict[]> {
  const cards = await cardsOf(series);
  return judgeAll(cards, await photographed(cards, [], series.seed));
}

/** Every card of the series with the flaw; a good card goes before them, so that "another person's" is another's. */
export async function flawedCards(
  series: Series,
  kind: VisualFlaw["kind"],
  field?: string,
): Promise<FaceVerdict[]> {
  const cards = await cardsOf(series);
  const first = await drawnCard(series.product, series.side, Math.max(...series.people) + 1);
  const flaws = cards.map((_, i) => ({
    kind,
    side: series.side,
    nth: i + 2,
    ...(field === undefined ? {} : { field }),
  }));
  const pictures = await photographed([first, ...cards], flaws, series.seed);
  return judgeAll(cards, pictures.slice(1));
}
