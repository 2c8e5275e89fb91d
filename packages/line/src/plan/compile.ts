import {
  blankTiming,
  type CardProgram,
  type KeyRef,
  type SecureChannelSpec,
  type Segment,
  type Step,
  stepCost,
} from "@persoline/card/program";
import type { FileProblem, ReadYaml } from "../orders/yaml.js";
import { cutBlocks } from "./blocks.js";
import {
  activateSystem,
  chipNumber,
  chipStatus,
  createFile,
  loadBlock,
  loadKeys,
  romChecksum,
  selectMf,
  setStatus,
  terminateCard,
  testEeprom,
  testRam,
} from "./commands.js";
import { dfFcp, MF } from "./fcp.js";
import { type CompletionImage, crc32, readImage } from "./image.js";
import { createPages, dfPlans, mfPlace, personalPlan, writeSteps } from "./personal.js";
import type { Product } from "./product-model.js";
import type { AnyPlanned, PlannedProduct } from "./types.js";

/** LOAD BLOCK takes at most three pages. */
const mostLoaded = 192;
/** Nothing in initialisation is secret: commands and answers are authenticated, not encrypted. */
const initialLevel = 0x11;
/** Pages that TEST EEPROM may write: all but the chip's own. */
const tested = { first: 5, last: 511, most: 256 } as const;

/** What is wrong with a completion image for this product; nothing when it fits. */
export function imageProblems(
  product: Product,
  bytes: Uint8Array,
  problem: ReadYaml<unknown>["problem"],
): FileProblem[] {
  const image = readImage(bytes);
  const what = imageFault(product, image);
  if (what !== undefined || typeof image === "string") {
    const remedy = "name the image of this card's operating system";
    return [problem(["completion", "image"], "wrong-image", what ?? "", remedy)];
  }
  const lack = lackOf(product, image);
  const remedy = "name an image from 2.1 on and the ATR it brings, or write method: drawn";
  return lack === undefined ? [] : [problem(["pin", "method"], "cannot-draw", lack, remedy)];
}

function imageFault(product: Product, image: CompletionImage | string): string | undefined {
  if (typeof image === "string") return image;
  const { rom } = product;
  if (image.rom.major !== rom.major || image.rom.minor !== rom.minor) {
    return `the image is made for ROM ${image.rom.major}.${image.rom.minor}, the card has ${rom.major}.${rom.minor}`;
  }
  // The completed card says its version at the end of its historical bytes.
  const [major, minor] = product.atr.completed.subarray(-3);
  return major === image.os.major && minor === image.os.minor
    ? undefined
    : `the image brings version ${image.os.major}.${image.os.minor}, the completed ATR says ${major}.${minor}`;
}

/** Nothing when its cards can do what the product wants of them. */
function lackOf({ pin }: Product, { links, os }: CompletionImage): string | undefined {
  if (pin?.by.method !== "card" || links.has(DRAW_ROUTINE)) return undefined;
  return `the image brings version ${os.major}.${os.minor}, whose cards cannot draw a PIN (DRAW REFERENCE DATA is missing)`;
}

/** Number of the routine DRAW REFERENCE DATA (docs/card-os.md 10). */
const DRAW_ROUTINE = 0x2b;
/** Number of the routine SESSION GUARD (docs/card-os.md 11). */
const GUARD_ROUTINE = 0x2c;

/** What people should know of cards that are made all the same, one sentence each, without a full stop. */
export function noticedOf(planned: AnyPlanned): readonly string[] {
  if (!("guardsSessions" in planned) || planned.guardsSessions) return [];
  const { os, product } = planned;
  if (product.pin === undefined && product.dfs.every(({ keys }) => keys === undefined)) return [];
  return [
    `image ${os.major}.${os.minor}: other commands can lead a secure session's PIN or keys into another DF; make new cards with image 1.3 or 2.2`,
  ];
}

/**
 * Builds once what all cards of a product share. Pure. Throws RangeError for an image that does not fit (see `imageProblems`) and
 * ContentProblem for constants that do not.
 */
export function compile(product: Product, imageBytes: Uint8Array): PlannedProduct {
  const image = readImage(imageBytes);
  const wrong = imageFault(product, image);
  if (typeof image === "string" || wrong !== undefined) throw new RangeError(wrong);
  const lack = lackOf(product, image);
  if (lack !== undefined) throw new RangeError(lack);
  const { pin, channel, completion } = product;
  return {
    name: product.name,
    product,
    os: image.os,
    guardsSessions: image.links.has(GUARD_ROUTINE),
    columns: product.columns,
    pins: pin === undefined ? [] : [pin],
    atr: product.atr,
    test: test(product),
    completion: complete(product, image),
    initialisation: initialise(product, image),
    termination: terminate(product, "termination", channel.keys, channel.kvn),
    terminationInitial: terminate(
      product,
      "termination-initial",
      completion.initialKeys,
      completion.initialKvn,
    ),
    personal: personalPlan(product),
  };
}

/** First who the chip is, without changing it; then its memory. */
function test(product: Product): CardProgram {
  const ranges: { readonly first: number; readonly count: number }[] = [];
  const pages = tested.last - tested.first + 1;
  const pieces = Math.ceil(pages / tested.most);
  for (let first = tested.first, left = pieces; left > 0; left--) {
    const count = Math.ceil((tested.last - first + 1) / left);
    ranges.push({ first, count });
    first += count;
  }
  return {
    name: `${product.name}/test`,
    segments: [
      {
        name: "identify and test the chip",
        channel: "plain",
        steps: [
          chipNumber(),
          chipStatus(
            {
              phase: 0x01,
              rom: product.rom,
              os: { major: 0, minor: 0 },
              loaderTries: 3,
              memory: true,
              cardState: 0x00,
            },
            "an untouched chip in its first phase, with all loader tries",
          ),
          testRam(),
          romChecksum(product.rom.checksum),
        ],
      },
      {
        name: "test the EEPROM",
        channel: "plain",
        steps: (["chessboard", "inverse"] as const).flatMap((pattern) =>
          ranges.map(({ first, count }) => testEeprom(pattern, first, count)),
        ),
      },
    ],
  };
}

function complete(product: Product, image: CompletionImage): CardProgram {
  const { loaderKey, initialKeys, initialKvn } = product.completion;
  const channel: SecureChannelSpec = { protocol: "loader", keys: loaderKey };
  const block = (offset: number, length: number): Step =>
    loadBlock(offset, image.bytes.subarray(offset - image.start, offset - image.start + length));
  const blocks = cutBlocks({
    offset: image.start,
    length: image.bytes.length,
    most: mostLoaded,
    cost: (one) => stepCost(block(one.offset, one.length), channel, blankTiming).ms,
  });
  return {
    name: `${product.name}/completion`,
    segments: [
      {
        name: "complete the operating system",
        channel,
        steps: [
          ...blocks.map(({ offset, length }) => block(offset, length)),
          loadKeys(initialKeys, initialKvn),
          activateSystem(image.start, image.bytes.length, crc32(image.bytes)),
        ],
        done: [chipStatus({ phase: 0x03, os: image.os }, "is the operating system completed?")],
      },
    ],
  };
}

/** A DF's description, and the page pair of its keys and PIN erased. */
const dfPages = 3;

/** All files and what all cards have in them, in one session; the card state comes last and tells that all is there. */
function initialise(product: Product, image: CompletionImage): CardProgram {
  const { initialKeys, initialKvn } = product.completion;
  const channel = { protocol: "scp03", keys: initialKeys, kvn: initialKvn, level: initialLevel } as const;
  const initialised = chipStatus({ phase: 0x03, os: image.os, cardState: 0x07 }, "is the card initialised?");
  const steps = dfPlans(product).flatMap((df, at) => [
    // The MF is there, and current, before its own files.
    ...(at === 0 ? [] : [selectMf()]),
    ...(df.model.aid === undefined ? [] : [createFile(df.place, df.fcp, dfPages)]),
    ...df.files.map((file) => createFile(file.place, file.fcp, createPages(file.model))),
    ...df.files.flatMap((file) =>
      file.common === undefined ? [] : writeSteps(file, file.common, channel, "common"),
    ),
  ]);
  return {
    name: `${product.name}/initialisation`,
    // The first reset after ACTIVATE erases the older copy of the loader key.
    resetPages: 1,
    segments: [
      {
        name: "create the files",
        channel,
        steps: [createFile(mfPlace, dfFcp({ fid: MF }), dfPages), ...steps, setStatus(0x07, initialised)],
        done: [initialised],
      },
    ],
  };
}

function terminate(product: Product, name: string, keys: KeyRef, kvn: number): CardProgram {
  const segment: Segment = {
    name: "terminate",
    channel: { protocol: "scp03", keys, kvn, level: initialLevel },
    // The MF counts, whether the product names it or not.
    steps: [terminateCard(1 + product.dfs.filter(({ aid }) => aid !== undefined).length)],
    done: [chipStatus({ phase: 0x0f }, "is the card terminated?")],
  };
  return { name: `${product.name}/${name}`, segments: [segment] };
}
