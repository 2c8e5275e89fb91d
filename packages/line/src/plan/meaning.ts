import { unhex } from "@persoline/card/bytes";
import type { FileProblem, ReadYaml, Tell, YamlPath } from "../orders/yaml.js";
import { securityAttributes } from "./fcp.js";
import { checkContents } from "./meaning-contents.js";
import { checkPerson, checkRegister } from "./meaning-person.js";
import { checkPinMethod } from "./meaning-pin.js";
import { accessOf } from "./product-model.js";
import { type DfEntry, type EfEntry, isDf, type ProductFile } from "./product-schema.js";

/** What the card has room for (docs/card-os.md 1 and 5). */
const chip = { page: 64, bodyPages: 299, files: 40, descriptionBytes: 43 } as const;
const reserved = [0x0000, 0x3f00, 0x3fff, 0xffff];

type Problem = ReadYaml<unknown>["problem"];
const bodyOf = (ef: EfEntry): number => ("size" in ef ? ef.size : ef.record * ef.count);
const pagesOf = (bytes: number): number => Math.ceil(bytes / chip.page);

/** What the schema cannot say: sizes that do not fit, names that lead nowhere, things given twice. All of it at once. */
export function checkMeaning(product: ProductFile, problem: Problem): FileProblem[] {
  const found: FileProblem[] = [];
  const tell = (path: YamlPath, code: string, message: string, remedy: string): void => {
    found.push(problem(path, code, message, remedy));
  };
  checkAtr(product, tell);
  checkVersions(product, tell);
  checkFiles(product, tell);
  checkMemory(product, tell);
  checkPerson(product, tell);
  checkRegister(product, tell);
  checkContents(product, tell);
  checkQuality(product, tell);
  if (product.pin !== undefined) {
    const { level } = product.channel;
    checkPinMethod(
      product.pin,
      {
        person: product.person,
        ...(level === "33"
          ? {}
          : { noDrawing: `a card tells its PIN in a channel of level 33 only, and this one has ${level}` }),
      },
      tell,
    );
  }
  return found.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

function checkAtr(product: ProductFile, tell: Tell): void {
  for (const which of ["blank", "completed"] as const) {
    const atr = unhex(product.card.atr[which]);
    const check = atr.subarray(1).reduce((sum, byte) => sum ^ byte, 0);
    if (check !== 0) {
      tell(
        ["card", "atr", which],
        "atr-check",
        "the check character TCK does not agree with the other characters",
        "copy the ATR anew, without masking anything",
      );
    }
  }
}

function checkVersions(product: ProductFile, tell: Tell): void {
  const initial = Number.parseInt(product.completion["initial-version"], 16);
  const issuer = Number.parseInt(product.channel.version, 16);
  const outside = (kvn: number): boolean => kvn < 0x01 || kvn > 0x7f;
  const remedy = "use 01 to 7F (hexadecimal)";
  if (outside(initial))
    tell(["completion", "initial-version"], "key-version", "no such key version can be named", remedy);
  if (outside(issuer))
    tell(["channel", "version"], "key-version", "no such key version can be named", remedy);
  if (initial === issuer) {
    tell(
      ["channel", "version"],
      "key-version",
      "initial and issuer keys have the same version, so nobody could tell which of them a card has",
      "give the issuer's keys another version",
    );
  }
}

function checkFiles(product: ProductFile, tell: Tell): void {
  const names = new Set<string>();
  let df:
    | { readonly entry: DfEntry | undefined; readonly fids: Set<string>; readonly sfis: Set<number> }
    | undefined;
  const aids = new Set<string>();
  let mfFids: ReadonlySet<string> = new Set();
  product.files.forEach((entry, at) => {
    const path = ["files", at] as const;
    const name = isDf(entry) ? entry.name : entry.ef;
    if (names.has(name)) {
      tell(
        [...path, isDf(entry) ? "name" : "ef"],
        "name-twice",
        `there are two files named ${name}`,
        "rename one of them",
      );
    }
    names.add(name);
    if (entry.fid !== undefined && reserved.includes(Number.parseInt(entry.fid, 16))) {
      tell([...path, "fid"], "fid-reserved", "this file identifier is reserved", "choose another one");
    }
    if (isDf(entry)) {
      const aid = entry.df.toUpperCase();
      if (aids.has(aid))
        tell([...path, "df"], "aid-twice", "two applications have this AID", "give each its own");
      aids.add(aid);
      if (df !== undefined && df.entry === undefined) mfFids = df.fids;
      if (entry.fid !== undefined && mfFids.has(entry.fid.toUpperCase())) {
        tell([...path, "fid"], "fid-twice", "an EF of the MF has this identifier", "choose another one");
      }
      df = { entry, fids: new Set(), sfis: new Set() };
      checkKeyIds(entry, path, tell);
      return;
    }
    df ??= { entry: undefined, fids: new Set(), sfis: new Set() };
    const fid = entry.fid.toUpperCase();
    if (df.fids.has(fid))
      tell(
        [...path, "fid"],
        "fid-twice",
        `the file identifier ${fid} is given twice in this DF`,
        "choose another one",
      );
    df.fids.add(fid);
    if (df.sfis.has(entry.sfi))
      tell(
        [...path, "sfi"],
        "sfi-twice",
        `the short identifier ${entry.sfi} is given twice in this DF`,
        "choose another one, 1 to 30",
      );
    df.sfis.add(entry.sfi);
    checkRules(entry, df.entry, product, path, tell);
  });
}

function checkKeyIds(entry: DfEntry, path: YamlPath, tell: Tell): void {
  const inRange = (text: string, from: number, to: number): boolean =>
    Number.parseInt(text, 16) >= from && Number.parseInt(text, 16) <= to;
  if (!inRange(entry.gate, 0x01, 0x0f)) {
    tell(
      [...path, "gate"],
      "key-identifier",
      "keys that authenticate have the identifiers 01 to 0F",
      "choose one of them",
    );
  }
  if (!inRange(entry.proof, 0x10, 0x1f)) {
    tell(
      [...path, "proof"],
      "key-identifier",
      "keys that prove have the identifiers 10 to 1F",
      "choose one of them",
    );
  }
}

function checkRules(
  ef: EfEntry,
  df: DfEntry | undefined,
  product: ProductFile,
  path: YamlPath,
  tell: Tell,
): void {
  for (const act of ["read", "update", "append"] as const) {
    const rule = ef[act];
    if (rule === undefined) continue;
    const key = /auth\(([a-z-]+)\)/.exec(rule)?.[1];
    if (key !== undefined && key !== "gate") {
      tell(
        [...path, act],
        "unknown-key-name",
        `"${key}" is not a key of this DF`,
        "the key that authenticates is called gate: auth(gate)",
      );
    } else if (key !== undefined && df?.keys === undefined) {
      tell(
        [...path, act],
        "no-keys",
        "the DF has no keys to authenticate with",
        "give the DF a line `keys:`",
      );
    }
    if (rule.includes("pin") && (product.pin === undefined || pinDf(product) !== df?.name)) {
      tell([...path, act], "no-pin", "the DF has no PIN", "add a `pin:` for this DF, or another rule");
    }
  }
  if (ef.append !== undefined && ef.type === "transparent") {
    tell(
      [...path, "append"],
      "not-for-type",
      "a transparent EF has no records to append",
      "remove this line",
    );
  }
  const access = accessOf(ef);
  const described =
    securityAttributes(access, { pin: 0, gate: 0 }).length + (ef.type === "linear-variable" ? ef.count : 0);
  if (described > chip.descriptionBytes) {
    tell(
      [...path, "read"],
      "description-full",
      `rules and record lengths take ${described} bytes, the card keeps ${chip.descriptionBytes}`,
      "use simpler rules, or fewer records",
    );
  }
}

const pinDf = (product: ProductFile): string | undefined => product.pin?.df ?? product.files.find(isDf)?.name;

function checkMemory(product: ProductFile, tell: Tell): void {
  // The MF is a file too.
  if (product.files.length + 1 > chip.files) {
    tell(
      ["files"],
      "too-many-files",
      `the card has room for ${chip.files} files, MF included`,
      "join some of them",
    );
  }
  let pages = 2;
  product.files.forEach((entry, at) => {
    const before = pages;
    pages += isDf(entry) ? 2 : pagesOf(bodyOf(entry));
    if (before <= chip.bodyPages && pages > chip.bodyPages && !isDf(entry)) {
      const size = "size" in entry ? "size" : "count";
      tell(
        ["files", at, size],
        "too-big",
        `with this file the bodies need ${pages} pages of ${chip.page} bytes or more, the card has ${chip.bodyPages}`,
        `make files smaller: ${Math.max(0, chip.bodyPages - before)} pages (${Math.max(0, chip.bodyPages - before) * chip.page} bytes) are left here`,
      );
    }
  });
}

function checkQuality(product: ProductFile, tell: Tell): void {
  const names = product.files.flatMap((entry) => (isDf(entry) ? [] : [entry.ef]));
  const checks = ["atr", "card-state", "key-version", "access-key", "pin-state", ...names];
  product.quality.chip.forEach((check, at) => {
    const path = ["quality", "chip", at];
    if (!checks.includes(check))
      tell(path, "unknown-check", `"${check}" is not a check`, `use one of ${checks.join(", ")}`);
    if (check === "pin-state" && product.pin === undefined)
      tell(path, "no-pin", "this product has no PIN", "remove this check");
    if (check === "access-key" && !product.files.some((entry) => isDf(entry) && entry.keys !== undefined)) {
      tell(path, "no-keys", "no DF has keys", "remove this check, or give the DF a line `keys:`");
    }
  });
  let df: DfEntry | undefined;
  for (const entry of product.files) {
    if (isDf(entry)) df = entry;
    else if (product.quality.chip.includes(entry.ef) && entry.read !== "always" && df?.keys === undefined) {
      const at = product.quality.chip.indexOf(entry.ef);
      tell(
        ["quality", "chip", at],
        "no-keys",
        `EF ${entry.ef} cannot be read, and its DF has no key to prove it with`,
        "give the DF a line `keys:`",
      );
    }
  }
  if (
    product.pin?.df !== undefined &&
    !product.files.some((entry) => isDf(entry) && entry.name === product.pin?.df)
  ) {
    tell(["pin", "df"], "unknown-file", `there is no DF "${product.pin.df}"`, "name one of the DFs");
  }
}
