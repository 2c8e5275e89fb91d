import { unhex } from "@persoline/card/bytes";
import type { FileProblem, ReadYaml, YamlPath } from "../orders/yaml.js";
import { fieldsOf, leastTlv, strayBrace, templateOf, type ValueForm } from "./content.js";
import { securityAttributes } from "./fcp.js";
import { accessOf } from "./product-model.js";
import type { ProductFile } from "./product-schema.js";

/** What the card has room for (docs/card-os.md 1 and 5). */
const chip = { page: 64, bodyPages: 299, files: 40, descriptionBytes: 43 } as const;
const reserved = [0x0000, 0x3f00, 0x3fff, 0xffff];

type Problem = ReadYaml<unknown>["problem"];
type EfEntry = Exclude<ProductFile["files"][number], { df: string }>;
type DfEntry = Extract<ProductFile["files"][number], { df: string }>;

const isDf = (entry: ProductFile["files"][number]): entry is DfEntry => "df" in entry;
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
  checkContents(product, tell);
  checkQuality(product, tell);
  return found.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

type Tell = (path: YamlPath, code: string, message: string, remedy: string) => void;

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
  let df: { readonly entry: DfEntry; readonly fids: Set<string>; readonly sfis: Set<number> } | undefined;
  const aids = new Set<string>();
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
      df = { entry, fids: new Set(), sfis: new Set() };
      checkKeyIds(entry, path, tell);
      return;
    }
    if (df === undefined) {
      tell(
        path,
        "no-df",
        `EF ${entry.ef} comes before any DF`,
        "put the line with `df:` first: files belong to the DF above them",
      );
      return;
    }
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

function checkRules(ef: EfEntry, df: DfEntry, product: ProductFile, path: YamlPath, tell: Tell): void {
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
    } else if (key !== undefined && df.keys === undefined) {
      tell(
        [...path, act],
        "no-keys",
        "the DF has no keys to authenticate with",
        "give the DF a line `keys:`",
      );
    }
    if (rule.includes("pin") && (product.pin === undefined || pinDf(product) !== df.name)) {
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

function checkPerson(product: ProductFile, tell: Tell): void {
  const columns = new Set<string>();
  for (const [field, rules] of Object.entries(product.person)) {
    const path = ["person", field] as const;
    if (["order", "record", "cardNumber"].includes(field)) {
      tell(path, "field-reserved", `"${field}" is filled in by the line`, "give the field another name");
    }
    if (columns.has(rules.column))
      tell([...path, "column"], "column-twice", "two fields use this column", "give each its own column");
    columns.add(rules.column);
    if (
      rules.from !== undefined &&
      rules.max !== undefined &&
      rules.from.some((one) => one.length > (rules.max ?? 0))
    ) {
      tell(
        [...path, "max"],
        "never-fits",
        "an allowed value is longer than this",
        "raise max, or shorten the value",
      );
    }
    if (rules.pattern !== undefined && !isPattern(rules.pattern)) {
      tell(
        [...path, "pattern"],
        "bad-pattern",
        "this is no regular expression",
        "correct it; it is matched against the whole value",
      );
    }
  }
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, "u") instanceof RegExp;
  } catch {
    return false;
  }
}

const known = (product: ProductFile): string[] => [
  ...Object.keys(product.person),
  "order",
  "record",
  "cardNumber",
];

function checkTemplate(text: string, path: YamlPath, product: ProductFile, tell: Tell): void {
  const stray = strayBrace(text);
  if (stray !== undefined) {
    tell(path, "bad-template", `a brace is left over at "${stray}"`, "write a field as {name}");
  }
  for (const field of fieldsOf(text)) {
    if (!known(product).includes(field)) {
      tell(path, "unknown-field", `there is no field "${field}"`, `use one of ${known(product).join(", ")}`);
    } else if (product.person[field]?.type === "photo") {
      tell(
        path,
        "photo-in-text",
        `"${field}" is a picture`,
        "pictures belong to the layout, not into a file",
      );
    }
  }
}

function checkContents(product: ProductFile, tell: Tell): void {
  for (const field of fieldsOf(product["card-number"])) {
    if (!["order", "record"].includes(field)) {
      tell(
        ["card-number"],
        "personal-number",
        `the card number names "${field}"`,
        "make it of {order} and {record} only: it stands in accounts and letters",
      );
    }
  }
  const efs = new Map(product.files.flatMap((entry) => (isDf(entry) ? [] : [[entry.ef, entry] as const])));
  for (const [name, content] of Object.entries(product.write)) {
    const path = ["write", name] as const;
    const ef = efs.get(name);
    if (ef === undefined) {
      tell(path, "unknown-file", `there is no EF "${name}"`, `use one of ${[...efs.keys()].join(", ")}`);
      continue;
    }
    if (ef.type === "cyclic" || ef.type === "linear-variable") {
      tell(
        path,
        "not-resumable",
        `records of a ${ef.type} EF cannot be written here: after an interruption nobody could tell how many there are`,
        "leave it empty, or make the EF linear-fixed",
      );
      continue;
    }
    if ("records" in content) checkRecords(content.records, ef, path, product, tell);
    else if ("record" in ef) {
      tell(path, "wrong-content", `EF ${name} has records`, "give `records:` for it");
    } else if ("tlv" in content) checkTlv(content.tlv, ef.size, path, product, tell);
    else checkValue(content.value, ef.size, [...path, "value"], product, tell);
  }
}

function checkTlv(
  objects: Readonly<Record<string, ValueForm>>,
  size: number,
  path: YamlPath,
  product: ProductFile,
  tell: Tell,
): void {
  let least = 0;
  for (const [tag, form] of Object.entries(objects)) {
    const at = [...path, "tlv", tag];
    const [first = 0, ...rest] = unhex(tag);
    const whole =
      (first & 0x1f) === 0x1f
        ? rest.length > 0 && rest.every((b, i) => b >= 0x80 === i < rest.length - 1)
        : rest.length === 0;
    if (first === 0 || !whole || (first & 0x20) !== 0) {
      tell(
        at,
        "bad-tag",
        `${tag} is not the tag of a primitive object`,
        "use tags as 5F20, DF01, 84 (b6 of the first byte 0)",
      );
    }
    least += leastTlv(tag, checkValue(form, size, at, product, tell));
  }
  if (least > size) {
    tell(
      path,
      "too-long",
      `the longest values take ${least} bytes or more, the EF has ${size}`,
      "make the EF larger, or the fields shorter",
    );
  }
}

/** Returns how many characters or bytes the longest value has at least. */
function checkValue(form: ValueForm, room: number, path: YamlPath, product: ProductFile, tell: Tell): number {
  const template = templateOf(form);
  if (template === undefined) {
    const bytes = typeof form === "object" && "hex" in form ? form.hex.length / 2 : 0;
    if (bytes > room)
      tell(
        path,
        "too-long",
        `${bytes} bytes do not fit in ${room}`,
        "make the EF larger, or the constant shorter",
      );
    return bytes;
  }
  checkTemplate(template, path, product, tell);
  if (typeof form === "object" && "date" in form) return 3;
  if (typeof form === "object" && "number" in form) return form.bytes;
  const characters = fieldsOf(template).reduce((sum, field) => {
    const rules = product.person[field];
    return sum + (rules?.list === undefined ? (rules?.max ?? 0) : 0);
  }, 0);
  const length = typeof form === "object" && "digits" in form ? Math.ceil(characters / 2) : characters;
  if (length > room) {
    tell(
      path,
      "too-long",
      `the field may have ${length} characters, the file has ${room} bytes`,
      "lower max, or make the file larger",
    );
  }
  return length;
}

function checkRecords(
  records: string | readonly ValueForm[],
  ef: EfEntry,
  path: YamlPath,
  product: ProductFile,
  tell: Tell,
): void {
  const at = [...path, "records"];
  if (!("record" in ef)) {
    tell(at, "wrong-content", `EF ${ef.ef} is transparent`, "give `tlv:` or `value:` for it");
    return;
  }
  if (typeof records !== "string") {
    records.forEach((form, index) => checkValue(form, ef.record, [...at, index], product, tell));
    if (records.length > ef.count)
      tell(at, "too-many-records", `${records.length} records do not fit in ${ef.count}`, "raise count");
    return;
  }
  const field = /^\{([A-Za-z][A-Za-z0-9-]*)\}$/.exec(records)?.[1];
  const rules = field === undefined ? undefined : product.person[field];
  if (rules?.list === undefined) {
    tell(
      at,
      "not-a-list",
      `"${records}" is not a list field`,
      'name one field with `list:`, as "{premises}", or give a list of values',
    );
    return;
  }
  const long = rules.from?.find((one) => new TextEncoder().encode(one).length > ef.record);
  if (long !== undefined)
    tell(
      at,
      "too-long",
      `"${long}" does not fit in a record of ${ef.record} bytes`,
      "make the EF's records longer",
    );
  if ((rules.from?.length ?? 0) > ef.count) {
    tell(
      at,
      "too-many-records",
      `a person may have all ${rules.from?.length ?? 0} values, the EF has ${ef.count} records`,
      "raise count",
    );
  }
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
