import {
  createApplication,
  deleteApplication,
  formatPicc,
  getApplicationIds,
  getFileIds,
  getFreeMemory,
  u24le,
} from "@persoline/card/desfire";
import { concat } from "@persoline/card/bytes";
import type { CardProgram, Segment } from "@persoline/card/program";
import { pageSize } from "../commands.js";
import type { CompiledProduct } from "../types.js";
import {
  aidText,
  askVersion,
  changedKey,
  dataPages,
  newFile,
  plainOf,
  select,
  status,
  stepOf,
  versionFrames,
} from "./commands.js";
import { type DesfireChannel, type DesfireProduct, MASTER_CHANGEABLE, OPEN_SETTINGS } from "./model.js";

/** What `compileDesfire` gives and `prepareDesfire` fills in. */
export interface PlannedDesfire extends CompiledProduct {
  readonly product: DesfireProduct;
  readonly termination: CardProgram;
  readonly terminationInitial: CardProgram;
}

/** Version of the random key that ends a card. */
export const DEAD = 0xff;

/** A session with the card itself under its maker's key, or with an application as it was created. */
export const initialChannel = ({ version, initial }: DesfireProduct): DesfireChannel => ({
  protocol: "desfire",
  version,
  aid: 0,
  keyNumber: 0,
  key: initial,
});
export const freshChannel = ({ version }: DesfireProduct, aid: number, keyNumber = 0): DesfireChannel => ({
  protocol: "desfire",
  version,
  aid,
  keyNumber,
  key: "default",
});
export const issuerChannel = ({ version, picc }: DesfireProduct): DesfireChannel => ({
  protocol: "desfire",
  version,
  aid: 0,
  keyNumber: 0,
  key: picc.key,
});

/** Builds once what all cards of a product share. Pure. */
export function compileDesfire(product: DesfireProduct): PlannedDesfire {
  return {
    name: product.name,
    product,
    columns: product.columns,
    pins: [],
    atr: product.atr,
    identity: product.picc.randomUid ? "random-uid" : "uid",
    test: test(product),
    // Its operating system is in the mask: there is nothing to complete.
    completion: { name: `${product.name}/completion`, segments: [] },
    initialisation: initialise(product),
    termination: terminate(product, "termination"),
    terminationInitial: terminate(product, "termination-initial"),
  };
}

/** Which chip this is, that all its memory is free, and that nobody's key is in it yet; nothing is written. */
function test({ name, hardware, freeMemory, initialVersion }: DesfireProduct): CardProgram {
  return {
    name: `${name}/test`,
    segments: [
      {
        name: "identify the chip",
        channel: "plain",
        steps: [
          ...versionFrames(hardware),
          {
            ...askVersion(0, initialVersion, "the card's own key is its maker's"),
            reject: "foreign-card",
          },
          plainOf(getApplicationIds, "GetApplicationIDs", {
            why: "there is no application yet",
            reject: "foreign-card",
          }),
          plainOf(getFreeMemory, "GetFreeMemory", {
            why: `all ${freeMemory} bytes are free`,
            answer: { value: u24le(freeMemory) },
            reject: "eeprom-fault",
          }),
        ],
      },
    ],
  };
}

/** Applications and files, all under the default keys. The first session begins with a formatted card, whatever an interrupted run left. */
function initialise(product: DesfireProduct): CardProgram {
  const { name, applications } = product;
  const created: Segment = {
    name: "create the applications",
    channel: initialChannel(product),
    steps: [
      stepOf(formatPicc, "FormatPICC", { why: "give all memory free again" }, 1),
      ...applications.map((app) =>
        stepOf(
          createApplication(app.aid, OPEN_SETTINGS, app.count),
          "CreateApplication",
          { why: `create application ${app.name} (${aidText(app.aid)}), ${app.count} AES keys` },
          2 + keyPairs(app.count),
        ),
      ),
    ],
    done: applications.map((app) => select(app.aid, `is application ${app.name} there?`)),
  };
  const filled = applications
    .filter(({ files }) => files.length > 0)
    .map(
      (app): Segment => ({
        name: `create the files of ${app.name}`,
        channel: freshChannel(product, app.aid),
        steps: app.files.map((file) => newFile(app.aid, file.spec, file.name)),
        done: [
          select(app.aid, `select application ${app.name}`),
          plainOf(getFileIds, "GetFileIDs", {
            why: "are all its files there?",
            answer: { value: Uint8Array.from(app.files, ({ spec }) => spec.file) },
          }),
        ],
      }),
    );
  return { name: `${name}/initialisation`, segments: [created, ...filled] };
}

/** Three keys in a page pair (docs/desfire-card.md 2). */
const keyPairs = (keys: number): number => Math.ceil(keys / 3);

/**
 * Everything the card holds is deleted, and its own key becomes one that nobody knows. Whose key it has is asked first, by its version:
 * none is tried. Where formatting is forbidden the applications are deleted one by one.
 */
function terminate(product: DesfireProduct, name: "termination" | "termination-initial"): CardProgram {
  const { picc, applications, generation, initialVersion } = product;
  const isIssued = name === "termination";
  const byOne = isIssued && picc.noFormat;
  const isChangeable = !isIssued || (picc.settings & MASTER_CHANGEABLE) !== 0;
  const emptied = byOne
    ? applications.map((app) => {
        const files = app.files.reduce((sum, { spec }) => sum + 1 + dataPages(spec), 0);
        return stepOf(
          deleteApplication(app.aid),
          "DeleteApplication",
          {
            why: `delete application ${app.name} with its keys and files`,
            again: "probe",
            probe: {
              ask: [select(app.aid, `is application ${app.name} gone?`, status(0xa0))],
              absent: status(0),
              instead: [],
            },
          },
          1 + files + 2 * keyPairs(app.count),
        );
      })
    : [
        stepOf(
          formatPicc,
          "FormatPICC",
          { why: "delete all applications with their keys and files" },
          1 + usedPages(product),
        ),
      ];
  const dead = { aid: 0, key: 0, version: DEAD, value: "random", isOwn: true } as const;
  return {
    name: `${product.name}/${name}`,
    segments: [
      {
        name: "whose key is in the card?",
        channel: "plain",
        steps: [
          select(0, "select the card itself"),
          askVersion(
            0,
            isIssued ? generation : initialVersion,
            isIssued ? "the issuer's key" : "the maker's key",
          ),
        ],
      },
      {
        name: "terminate",
        channel: isIssued ? issuerChannel(product) : initialChannel(product),
        steps: [...emptied, ...(isChangeable ? [changedKey(dead, "a key that nobody knows, for ever")] : [])],
        done: isChangeable
          ? [select(0, "select the card itself"), askVersion(0, DEAD, "has it the key that nobody knows?")]
          : applications.map((app) => select(app.aid, `application ${app.name} is gone`, status(0xa0))),
      },
    ],
  };
}

/** Pages that FormatPICC erases of a finished card. */
const usedPages = ({ applications }: DesfireProduct): number =>
  applications.reduce(
    (sum, app) =>
      sum +
      2 +
      2 * keyPairs(app.count) +
      app.files.reduce((pages, { spec }) => pages + 2 + dataPages(spec), 0),
    0,
  );

/** AIDs in the order in which they were created, as GetApplicationIDs answers them. */
export const applicationIds = ({ applications }: DesfireProduct): Uint8Array =>
  concat(...applications.map(({ aid }) => u24le(aid)));

/** Bytes that must be free for it, pages of keys and headers included. */
export const bytesNeeded = (product: DesfireProduct): number => pageSize * usedPages(product);
