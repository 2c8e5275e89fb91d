/** Captures of flawed and good cards in any number, each by its class, severity and number alone: for tests and for the bench. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { type Conditions, severities } from "../../devices/camera/optics.js";
import { reflection, simulatedCamera } from "../../devices/camera/simulated.js";
import type { VisualFlaw } from "../../devices/marker/flaws.js";
import { simulatedEmbosser, simulatedEngraver } from "../../devices/marker/simulated.js";
import { readFace } from "../../devices/shop-floor/faces.js";
import { readGround, readWear, writeGround } from "../../devices/shop-floor/wear.js";
import { chance } from "../../devices/shop-floor/random.js";
import type { Spoiler } from "../../devices/shop-floor/spoiler.js";
import type { GreyGround } from "../../plan/layout/index.js";
import type { EmbossLine } from "../../plan/types.js";
import { type Drawn, drawnCard, optionsOf, type Product, raisedLines, together } from "./cards.test.data.js";
import type { FaultOfFace } from "./finding.js";
import type { JudgeOptions } from "./look.js";

export type Severity = keyof typeof severities;
type Class = VisualFlaw["kind"] | "good" | "another-card" | Embossed;
/** Cards whose front is embossed, by worn wheels but for the first. */
type Embossed =
  | "emboss-good"
  | "emboss-missing"
  | "emboss-wrong-character"
  | "emboss-look-alike"
  | "emboss-shift";

/** What the wheels do wrong. */
const wheels: Readonly<
  Record<Embossed, "missing-line" | "wrong-character" | "look-alike" | "shift-field" | undefined>
> = {
  "emboss-good": undefined,
  "emboss-missing": "missing-line",
  "emboss-wrong-character": "wrong-character",
  "emboss-look-alike": "look-alike",
  "emboss-shift": "shift-field",
};
const isEmbossed = (kind: Class): kind is Embossed => kind in wheels;

/** Own findings of a class: one of these must be there, whatever else fired. */
export const ownFindings: Readonly<Record<Class, readonly FaultOfFace[]>> = {
  good: [],
  "missing-line": ["missing"],
  "wrong-text": ["wrong-glyph", "extra-ink", "missing"],
  "another-card": ["wrong-glyph"],
  "wrong-character": ["wrong-glyph"],
  "look-alike": ["wrong-glyph"],
  "wrong-photo": ["wrong-photo"],
  shift: ["displaced"],
  "shift-field": ["displaced"],
  faint: ["faint"],
  "faint-field": ["faint"],
  "wrong-code": ["wrong-code"],
  "unreadable-code": ["code-unreadable"],
  scratch: ["scratch"],
  spot: ["spot"],
  "upside-down": ["upside-down"],
  mirrored: ["mirrored"],
  "wrong-side": ["wrong-side"],
  "wrong-stock": ["wrong-stock"],
  "double-print": ["double-print"],
  "emboss-good": [],
  "emboss-missing": ["missing"],
  "emboss-wrong-character": ["wrong-glyph"],
  "emboss-look-alike": ["wrong-glyph"],
  "emboss-shift": ["displaced"],
};
export const classes = Object.keys(ownFindings) as readonly Class[];

const faces: readonly (readonly [Product, "front" | "back"])[] = [
  ["office-access", "front"],
  ["office-access", "back"],
  ["warehouse-access", "front"],
  ["warehouse-access", "back"],
  ["resident-card", "front"],
  ["resident-card", "back"],
];

/** Each with its back, where the lines are dents. */
const embossedFaces: readonly (readonly [Exclude<Product, "resident-card">, "front" | "back"])[] = [
  ["payment", "front"],
  ["office-access", "front"],
  ["warehouse-access", "front"],
  ["payment", "back"],
  ["office-access", "back"],
  ["warehouse-access", "back"],
];
/** Flaws of wheels are looked for in front; good cards must pass on both sides. */
const facesOf = (kind: Class): typeof faces =>
  isEmbossed(kind) ? (kind === "emboss-good" ? embossedFaces : embossedFaces.slice(0, 3)) : faces;

/** Sizes of flaws: the harder, the smaller. */
const sizes: Readonly<Record<Severity, Partial<Record<Class, number>>>> = {
  mild: {
    shift: 0.7,
    "shift-field": 0.7,
    faint: 0.4,
    "faint-field": 0.4,
    "double-print": 0.6,
    scratch: 0.3,
    spot: 1.6,
  },
  middle: {
    shift: 0.5,
    "shift-field": 0.5,
    faint: 0.5,
    "faint-field": 0.5,
    "double-print": 0.5,
    scratch: 0.2,
    spot: 1,
  },
  hard: {
    shift: 0.45,
    "shift-field": 0.45,
    faint: 0.6,
    "faint-field": 0.6,
    "double-print": 0.4,
    scratch: 0.15,
    spot: 0.7,
  },
};

export interface Capture {
  readonly card: Drawn;
  /** JPEG as a camera sends it. */
  readonly jpeg: Uint8Array;
  readonly options: JudgeOptions;
  /** The card that was marked before, of classes that take something from it. */
  readonly other?: Drawn;
  /** Damage that differs from its ground by a quarter of the contrast over 0.6 mm² or more; of other classes always true. */
  readonly visible: boolean;
}

/** A side of the class can be spoiled so: codes and photos are not on all of them. */
const can = (kind: Class, { face }: Drawn, raised: readonly EmbossLine[]): boolean => {
  const has = (...kinds: readonly string[]): boolean =>
    face.fields.some((one) => kinds.includes(one.kind) && (one.layer === "laser" || one.layer === "code"));
  if (kind === "wrong-code" || kind === "unreadable-code") return has("code");
  if (kind === "wrong-photo") return face.fields.some((one) => one.kind === "photo");
  // Some names have no character that looks like another.
  if (kind === "emboss-look-alike") return raised.some(({ text }) => /[0-35-8BIOSZ]/.test(text));
  return true;
};

/** A line's belt is chosen to differ from what its cards carry at their edges. */
function beltFor(grounds: readonly GreyGround[], { belt }: Conditions, seed: string): number {
  const luck = chance(`${seed} belt`);
  const rim: number[] = [214];
  for (const { width, height, grey } of grounds) {
    const at = (x: number, y: number): number => ((grey[y * width + x] ?? 255) * 214) / 255;
    for (let x = 40; x < width - 40; x += 5) rim.push(at(x, 4), at(x, height - 5));
    for (let y = 40; y < height - 40; y += 5) rim.push(at(4, y), at(width - 5, y));
  }
  for (let i = 0; i < 8; i++) {
    const tone = luck.between(...belt);
    if (rim.every((one) => Math.abs(one - tone) > 40)) return tone;
  }
  return 8;
}

const world = { now: () => 0, sleep: () => Promise.resolve() };
const place = { at: "head", station: "visual", head: 0 } as const;

/**
 * People and exposures of two kinds: limits are set while looking at the first, figures are counted on the second alone. The third is what
 * tests take: a few people with odd names.
 */
export type Space = keyof typeof firstPerson;
const firstPerson = { training: 10_000, test: 500_000, few: 0 } as const;

/** Classes that take something from another person's card: it is marked before, on the same machine. */
const ofAnother: readonly Class[] = [
  "another-card",
  "wrong-text",
  "wrong-character",
  "look-alike",
  "wrong-photo",
  "wrong-code",
];

/** A class's capture of that number: faces take turns, and people and exposures are those of the space. */
export async function captureOf(
  kind: Class,
  severity: Severity,
  number: number,
  space: Space = "few",
): Promise<Capture> {
  const who = firstPerson[space] + number;
  for (let turn = 0; ; turn++) {
    const turns = facesOf(kind);
    const [product, side] = turns[(number + turn) % turns.length] ?? ["office-access", "front"];
    const card = await drawnCard(product, side, who);
    if (!can(kind, card, product === "resident-card" ? [] : raisedLines(product, who))) continue;
    const other = ofAnother.includes(kind) ? await drawnCard(product, side, who + 1013) : undefined;
    const taken = other === undefined ? {} : { other };
    return { card, ...taken, ...(await expose(kind, severity, who, product, card, other)) };
  }
}

async function expose(
  kind: Class,
  severity: Severity,
  number: number,
  product: Product,
  card: Drawn,
  other: Drawn | undefined,
): Promise<Omit<Capture, "card" | "other">> {
  const root = mkdtempSync(join(tmpdir(), "persoline-capture-"));
  try {
    const { side } = card.face;
    const chip = product === "resident-card" ? "none" : "front";
    const seed = `${kind} ${severity} ${String(number)}`;
    let body = join(root, "before");
    const bodyAt = (): string => body;
    const size = sizes[severity][kind];
    const printedPhoto = card.face.fields.some((one) => one.kind === "photo" && one.layer === "colour");
    const planted =
      kind !== "good" &&
      kind !== "another-card" &&
      !isEmbossed(kind) &&
      !(kind === "wrong-photo" && printedPhoto);
    const nth = other === undefined ? 1 : 2;
    const flaws = planted ? [{ kind, side, nth, ...(size === undefined ? {} : { size }) }] : [];
    const engraver = simulatedEngraver({ name: "engraver", place, bodyAt, world, seed, flaws });
    if (other !== undefined) await engraver.mark(other.raster);
    body = join(root, "card");
    const made = kind === "another-card" ? (other ?? card) : card;
    const ground = kind === "wrong-photo" && printedPhoto ? other?.ground : made.ground;
    if (ground !== undefined) writeGround(body, side, together(ground));
    const blank = await drawnCard(product, side === "front" ? "back" : "front", number);
    if (blank.ground !== undefined) writeGround(body, blank.face.side, blank.ground.common);
    await engraver.mark(made.raster);
    const lines = isEmbossed(kind) && product !== "resident-card" ? raisedLines(product, number) : undefined;
    if (lines !== undefined && isEmbossed(kind)) {
      const flaw = wheels[kind];
      const spoiler: Spoiler = {
        next: ({ kinds }) => kinds.find((one) => one === flaw),
        made: () => undefined,
      };
      // Every other card is topped with foil.
      const topped = chance(`${seed} foil`);
      const foil = topped.next() < 0.5 ? {} : { foil: topped.between(0.25, 0.9) };
      const embosser = simulatedEmbosser({ name: "embosser", place, bodyAt, world, seed, spoiler, ...foil });
      await embosser.mark({ kind: "emboss", side: "front", lines });
    }
    const grounds = [ground, blank.ground].flatMap((one) => (one === undefined ? [] : [together(one)]));
    const tone = beltFor(grounds, severities[severity], seed);
    const conditions: Conditions = { ...severities[severity], belt: [tone, tone] };
    const picture = await simulatedCamera({
      name: "camera",
      place,
      bodyAt,
      world,
      seed,
      conditions,
      chip,
    }).capture(side);
    if (picture === "no-picture") throw new Error("the simulated camera saw nothing");
    const jpeg = await sharp(picture.grey, {
      raw: { width: picture.width, height: picture.height, channels: 1 },
    })
      .jpeg({ quality: 90 })
      .toBuffer();
    const options = {
      ...optionsOf(card),
      chip,
      ...(blank.ground === undefined ? {} : { otherGround: blank.ground.common }),
      ...(lines === undefined ? {} : { raised: { lines, must: true } }),
    } as const;
    const visible = kind !== "scratch" && kind !== "spot" ? true : damageShows(body, side, chip);
    return { jpeg: new Uint8Array(jpeg), options, visible };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function damageShows(body: string, side: "front" | "back", chip: "front" | "none"): boolean {
  const worn = readWear(body, side);
  const look = (damage: typeof worn.damage) =>
    reflection(readFace(body, side), side, chip, { ...worn, damage }, readGround(body, side)).grey;
  const [whole, hurt] = [look([]), look(worn.damage)];
  let dots = 0;
  for (let i = 0; i < hurt.length; i++) if (Math.abs((hurt[i] ?? 0) - (whole[i] ?? 0)) > 43) dots++;
  return dots * (25.4 / 300) ** 2 >= 0.6;
}
