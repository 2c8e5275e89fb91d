import { unhex } from "@persoline/card/bytes";
import type { FileProblem, ReadYaml, Tell, YamlPath } from "../../orders/yaml.js";
import { checkCardNumber, checkRecords, checkTlv, checkValue } from "../meaning-contents.js";
import { checkPerson } from "../meaning-person.js";
import { bytesNeeded, DEAD } from "./compile.js";
import { checkDesfireGate } from "./meaning-gate.js";
import { readerOf, roomFor, writerOf } from "./contents.js";
import { type DesfireFile, type DesfireProduct, inputOf } from "./model.js";
import type { DesfireFileEntry, DesfireProductFile } from "./schema.js";

type ApplicationEntry = DesfireProductFile["applications"][number];

/** What the schema cannot say of a DESFire product. All of it at once. */
export function checkDesfireMeaning(
  file: DesfireProductFile,
  product: DesfireProduct,
  problem: ReadYaml<unknown>["problem"],
): FileProblem[] {
  const found: FileProblem[] = [];
  const tell: Tell = (path, code, message, remedy) => {
    found.push(problem(path, code, message, remedy));
  };
  checkAtr(file, tell);
  checkVersions(file, product, tell);
  checkMasters(file, tell);
  checkCardNumber(file, tell);
  checkPerson(file, tell);
  checkNames(file, tell);
  file.applications.forEach((app, at) => {
    checkApplication(app, ["applications", at], tell);
    app.files.forEach((one, index) => {
      const model = product.applications[at]?.files[index];
      if (model === undefined) return;
      const path = ["applications", at, "files", index];
      checkFile(one, model, app.keys.count, path, tell);
      checkContent(one, model, path, file, tell);
    });
  });
  checkDesfireGate(file, product, tell);
  if (file.visual !== undefined && file.picc["random-uid"])
    tell(
      ["picc", "random-uid"],
      "unknown-at-marking",
      "a card that hides its UID is marked without anybody knowing which card it is",
      "leave out random-uid, or visual",
    );
  const needed = bytesNeeded(product);
  if (needed > product.freeMemory)
    tell(
      ["card", "memory"],
      "too-large",
      `applications and files take ${needed} bytes, the card has ${product.freeMemory}`,
      "make files smaller, or use a larger card",
    );
  return found.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

function checkAtr({ card }: DesfireProductFile, tell: Tell): void {
  const sum = unhex(card.atr)
    .subarray(1)
    .reduce((xor, byte) => xor ^ byte, 0);
  if (sum === 0) return;
  const remedy = "copy the ATR anew, as the reader shows it";
  tell(["card", "atr"], "atr-check", "the check character TCK does not agree with the others", remedy);
}

function checkVersions({ initial }: DesfireProductFile, product: DesfireProduct, tell: Tell): void {
  const { generation, initialVersion } = product;
  const path = ["generation"];
  const remedy = "use another version, 01 to FE";
  if (generation === 0)
    tell(
      path,
      "key-version",
      "00 is the version of fresh keys, so nobody could tell whose a card has",
      remedy,
    );
  else if (generation === initialVersion)
    tell(
      path,
      "key-version",
      "the maker's key has this version, so nobody could tell whose a card has",
      remedy,
    );
  if (generation === DEAD) tell(path, "key-version", "FF is the version of cards that were ended", remedy);
  if (initialVersion === DEAD && initial !== undefined)
    tell(["initial", "version"], "key-version", "FF is the version of cards that were ended", remedy);
}

/** How often a master may make one key, and whether it makes different ones. */
function checkMasters({ initial, picc, applications }: DesfireProductFile, tell: Tell): void {
  const places = [
    ...(initial === undefined ? [] : [{ master: initial, path: ["initial"] as YamlPath }]),
    { master: picc, path: ["picc"] as YamlPath },
    ...applications.map(({ keys }, at) => ({ master: keys, path: ["applications", at, "keys"] as YamlPath })),
  ];
  const lengths = { uid: 7, aid: 3, key: 1 };
  for (const { master, path } of places) {
    const { input } = master;
    if (input === undefined) continue;
    const where = [...path, "input"];
    const length = inputOf(input).reduce(
      (sum, one) => sum + (typeof one === "string" ? lengths[one] : one.length),
      0,
    );
    if (length > 31)
      tell(
        where,
        "input-too-long",
        `the input has ${length} bytes, AN10922 takes 31`,
        "shorten the constants",
      );
    if (!input.includes("uid"))
      tell(
        where,
        "no-uid",
        "without the UID all cards get the same key",
        "name uid in it, or leave input: out",
      );
  }
  applications.forEach(({ keys }, at) => {
    if (keys.count > 1 && keys.input?.includes("key") !== true)
      tell(
        ["applications", at, "keys"],
        "keys-alike",
        `all ${keys.count} keys of this application would be the same`,
        "name key in the input",
      );
  });
  const issued = places.filter(({ path }) => path[0] !== "initial");
  for (const [at, { master, path }] of issued.entries()) {
    const twin = issued.slice(0, at).find(({ master: other }) => other.keys === master.keys);
    if (
      twin !== undefined &&
      (master.input?.includes("aid") !== true || twin.master.input?.includes("aid") !== true)
    )
      tell(
        [...path, "keys"],
        "keys-alike",
        `key ${master.keys} makes keys for another place of the card too, and nothing tells them apart`,
        "name aid in both inputs, or use another master",
      );
  }
}

function checkNames({ applications }: DesfireProductFile, tell: Tell): void {
  const twice = (seen: Set<string>, text: string, path: YamlPath, what: string): void => {
    if (seen.has(text)) tell(path, "twice", `${what} is there twice`, "give each its own");
    seen.add(text);
  };
  const [names, aids] = [new Set<string>(), new Set<string>()];
  applications.forEach((app, at) => {
    const path = ["applications", at] as const;
    twice(names, app.name, [...path, "name"], `application ${app.name}`);
    twice(aids, app.aid.toUpperCase(), [...path, "aid"], `AID ${app.aid}`);
    if (/^0+$/.test(app.aid))
      tell([...path, "aid"], "bad-aid", "000000 is the card itself", "give the application another AID");
    const [files, numbers] = [new Set<string>(), new Set<string>()];
    app.files.forEach((file, index) => {
      twice(files, file.name, [...path, "files", index, "name"], `file ${file.name}`);
      twice(numbers, String(file.file), [...path, "files", index, "file"], `file number ${file.file}`);
    });
  });
}

function checkApplication({ keys, settings }: ApplicationEntry, path: YamlPath, tell: Tell): void {
  const changer = settings["change-keys"];
  if (typeof changer === "number" && changer >= keys.count)
    tell(
      [...path, "settings", "change-keys"],
      "no-such-key",
      `there is no key ${changer}: the application has ${keys.count}`,
      "name another, or raise count",
    );
}

function checkFile(
  file: DesfireFileEntry,
  model: DesfireFile,
  count: number,
  path: YamlPath,
  tell: Tell,
): void {
  for (const [name, right] of Object.entries(file.rights)) {
    if (typeof right === "number" && right >= count)
      tell(
        [...path, "rights", name],
        "no-such-key",
        `there is no key ${right}: the application has ${count}`,
        "name another, or raise count",
      );
  }
  if (file.type === "value") {
    if (file.lower > file.value || file.value > file.upper)
      tell(path, "value-limits", "the value is not between its limits", "correct lower, value and upper");
    return;
  }
  if (file.type === "cyclic" && file.count < 2)
    tell([...path, "count"], "too-few-records", "a cyclic file has 2 records or more", "raise count");
  if (file.content === undefined) return;
  if (writerOf(model) === undefined) {
    const needed = "record" in file ? "read-write (records are emptied before they are written)" : "write";
    tell(
      [...path, "rights"],
      "nobody-writes",
      "nobody may write what is to stand here",
      `give a key ${needed}`,
    );
  }
  if (readerOf(model) === undefined)
    tell(
      [...path, "rights"],
      "nobody-reads",
      "nobody may read it, so it could not be compared",
      "give a key read",
    );
}

function checkContent(
  file: DesfireFileEntry,
  { spec }: DesfireFile,
  path: YamlPath,
  product: DesfireProductFile,
  tell: Tell,
): void {
  if (file.type === "value" || file.content === undefined) return;
  const where = [...path, "content"];
  const { content } = file;
  if ("record" in file) {
    if (!("records" in content)) {
      tell(where, "wrong-content", `file ${file.name} has records`, "give `records:` for it");
      return;
    }
    const room = spec.kind === "linear" || spec.kind === "cyclic" ? roomFor(spec) : 0;
    checkRecords(content.records, { ef: file.name, record: file.record, count: room }, where, product, tell);
    return;
  }
  if ("records" in content)
    tell(where, "wrong-content", `file ${file.name} has no records`, "give `tlv:` or `value:` for it");
  else if ("tlv" in content) checkTlv(content.tlv, file.size, where, product, tell);
  else checkValue(content.value, file.size, [...where, "value"], product, tell);
}
