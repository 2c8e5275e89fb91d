import { CardProblem, unhex } from "@persoline/card/bytes";
import { parseCertificate } from "@persoline/card/globalplatform";
import type { FileProblem, ReadYaml, Tell } from "../../orders/yaml.js";
import { plainForms, templateOf } from "../content.js";
import { checkCardNumber, checkTemplate } from "../meaning-contents.js";
import { checkPerson } from "../meaning-person.js";
import { checkGate, checkHolder, unknownPlace } from "../meaning-gate.js";
import { checkPinMethod } from "../meaning-pin.js";
import { checkPayment } from "./payment/meaning.js";
import type { GpProductFile } from "./schema.js";

/** What the schema cannot say of a GlobalPlatform product. All of it at once. */
export function checkGpMeaning(product: GpProductFile, problem: ReadYaml<unknown>["problem"]): FileProblem[] {
  const found: FileProblem[] = [];
  const tell: Tell = (path, code, message, remedy) => {
    found.push(problem(path, code, message, remedy));
  };
  checkAtr(product, tell);
  checkChannels(product, tell);
  checkCardNumber(product, tell);
  checkPerson(product, tell);
  checkApplications(product, tell);
  checkGpGate(product, tell);
  const { pin } = product;
  const names = product.applications.map(({ name }) => name);
  if (pin !== undefined && !names.includes(pin.application))
    unknownPlace(tell, ["pin", "application"], `application ${pin.application}`, names);
  if (pin !== undefined)
    checkPinMethod(
      pin,
      {
        person: product.person,
        noDrawing:
          "the access applet draws no PIN: of the cards here those with the Persoline OS do, from image 2.1 on",
      },
      tell,
    );
  checkPayment(product, tell);
  checkVisual(product, tell);
  for (const [name, form] of Object.entries(product.issuer)) {
    for (const plain of form === undefined ? [] : plainForms(form)) {
      const text = templateOf(plain);
      if (text !== undefined) checkTemplate(text, ["issuer", name], product, tell);
    }
  }
  return found.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

/** T=1 alone has no check character when T=0 is all there is; ours names T=1 (ISO/IEC 7816-3, 8.2.5). */
function checkAtr({ card }: GpProductFile, tell: Tell): void {
  const sum = unhex(card.atr)
    .subarray(1)
    .reduce((xor, byte) => xor ^ byte, 0);
  if (card.protocol === "T=1" && sum !== 0) {
    const remedy = "copy the ATR anew, without masking anything";
    tell(["card", "atr"], "atr-check", "the check character TCK does not agree with the others", remedy);
  }
}

function checkVisual({ visual }: GpProductFile, tell: Tell): void {
  if (visual === undefined || (visual.front === undefined) === (visual.back === undefined)) return;
  const [there, missing] = visual.front === undefined ? ["back", "front"] : ["front", "back"];
  tell(["visual", there], "one-face", `there is no ${missing}`, `add ${missing}, or remove ${there}`);
}

function checkChannels({ initial, channel }: GpProductFile, tell: Tell): void {
  const version = Number.parseInt(channel.version, 16);
  const first = Number.parseInt(initial.version, 16);
  const outside = (kvn: number): boolean => kvn < 0x01 || kvn > 0x7f;
  const named = "use 01 to 7F (hexadecimal)";
  if (outside(version))
    tell(["channel", "version"], "key-version", "no such key version can be named", named);
  if (outside(first) && (first !== 0xff || initial.protocol === "scp11"))
    tell(["initial", "version"], "key-version", "no such key version can be named", `${named}, or FF`);
  // A key pair and a key set of one version are two things.
  if (version === first && initial.protocol !== "scp11") {
    tell(
      ["channel", "version"],
      "key-version",
      "initial and issuer keys have the same version, so nobody could tell which of them a card has",
      "give the issuer's keys another version",
    );
  }
  if ((initial.isd ?? "") !== (channel.isd ?? "")) {
    const message = "both channels lead to one security domain, and it has one AID";
    tell(["channel", "isd"], "two-domains", message, "give both the same isd");
  }
  if (initial.protocol === "scp11") {
    if (outside(Number.parseInt(initial.host.authority, 16)))
      tell(["initial", "host", "authority"], "key-version", "no such key version can be named", named);
    checkCertificates(initial.host.certificates, tell);
  }
  for (const [name, one] of Object.entries({ initial, channel })) {
    if (one.protocol === "scp11") continue;
    const { protocol, i, level } = one;
    const [bits, wanted] = [Number.parseInt(i, 16), Number.parseInt(level, 16)];
    const rMac = (wanted & 0x10) !== 0 && (bits & 0x20) === 0;
    const rEncryption = (wanted & 0x20) !== 0 && (bits & 0x40) === 0;
    if (rMac || (protocol === "scp03" && rEncryption))
      tell(
        [name, "level"],
        "channel-level",
        `level ${level} is not possible with i = ${i}`,
        "use a lower level",
      );
  }
}

/** Each is one, for the use that its place has; whose signatures they bear only the card knows. */
function checkCertificates(certificates: readonly string[], tell: Tell): void {
  certificates.forEach((text, at) => {
    const path = ["initial", "host", "certificates", at] as const;
    const isLeaf = at === certificates.length - 1;
    try {
      const { use } = parseCertificate(unhex(text));
      if (use !== (isLeaf ? "agreement" : "verification"))
        tell(
          path,
          "certificate-use",
          `the certificate is for ${use}`,
          "the last one is the host's own (key agreement), those before it are authorities' (certificates)",
        );
    } catch (thrown) {
      if (!(thrown instanceof CardProblem)) throw thrown;
      tell(path, "certificate", thrown.message, "write the certificate as the authority gave it (7F21 ..)");
    }
  });
}

function checkApplications(product: GpProductFile, tell: Tell): void {
  const seen = { aid: new Set<string>(), name: new Set<string>() };
  product.applications.forEach((one, at) => {
    const path = ["applications", at] as const;
    for (const field of ["name", "aid"] as const) {
      const text = one[field].toUpperCase();
      if (seen[field].has(text))
        tell([...path, field], `${field}-twice`, `two applications have this ${field}`, "give each its own");
      seen[field].add(text);
    }
    for (const [id, content] of Object.entries(one.data)) {
      const where = [...path, "data", id];
      if ("records" in content) {
        tell(where, "no-records", "a data grouping has no records", "write it as tlv or value");
        continue;
      }
      const forms = "tlv" in content ? Object.values(content.tlv) : [content.value];
      for (const form of forms.flatMap(plainForms)) {
        const text = templateOf(form);
        if (text !== undefined) checkTemplate(text, where, product, tell);
      }
      if (/^(?:8[12]|90|7[EF])/.test(id))
        tell(
          where,
          "grouping-reserved",
          `${id} is for keys and PINs`,
          "name them under keys: and pin:, or use another grouping",
        );
    }
    const block = product.initial.protocol === "scp02" ? 8 : 16;
    for (const [id, { bytes, secret, pad }] of Object.entries(one.issuer)) {
      const where = [...path, "issuer", id];
      if (one.data[id] !== undefined)
        tell(where, "grouping-twice", `${id} stands under data: too`, "keep one of the two");
      if (secret && !pad && bytes % block !== 0)
        tell(
          where,
          "grouping-length",
          `${bytes} bytes are no whole blocks of ${block} under the session's data key`,
          "add pad: true where the application takes padding off, or correct the length",
        );
      if (!secret && pad) tell(where, "grouping-pad", "only a secret grouping is padded", "remove pad");
    }
    for (const [index, id] of one.read.entries()) {
      if (one.data[id] === undefined && (one.issuer[id] === undefined || one.issuer[id].secret))
        tell(
          [...path, "read", index],
          "unknown-grouping",
          `nothing is written into ${id}`,
          "name one under data:",
        );
    }
  });
}

/** The applet tells groupings 01xx to everybody and 02xx to whoever has proved a key (docs/gp-card.md 7). */
function checkGpGate(product: GpProductFile, tell: Tell): void {
  const fields = checkGate(product, tell);
  const { gate } = product;
  if (fields === undefined || gate === undefined) return;
  const app = product.applications.find(({ name }) => name === gate.application);
  if (app === undefined) {
    const names = product.applications.map(({ name }) => name);
    unknownPlace(tell, ["gate", "application"], `application ${gate.application}`, names);
    return;
  }
  const ids = app.keys?.ids ?? [];
  if (!ids.includes(gate.key)) unknownPlace(tell, ["gate", "key"], `key ${gate.key} in ${app.name}`, ids);
  for (const role of ["zones", "holder"] as const) {
    const id = gate[role];
    if (id === undefined) continue;
    const told = Object.keys(app.data).filter((one) => /^0[12]/.test(one));
    if (!told.includes(id)) unknownPlace(tell, ["gate", role], `grouping ${id} that a gate can read`, told);
    else if (role === "holder") checkHolder(app.data[id], ["gate", role], tell);
    else checkJoined(product, { id, content: app.data[id], field: fields.zones }, tell);
  }
}

/** All rights stand in one value, joined by ", ": each must be told from two. */
function checkJoined(
  { person }: GpProductFile,
  ask: {
    readonly id: string;
    readonly content: GpProductFile["applications"][number]["data"][string] | undefined;
    readonly field: string;
  },
  tell: Tell,
): void {
  const { id, content, field } = ask;
  if (content === undefined || !("value" in content) || content.value !== `{${field}}`)
    tell(
      ["gate", "zones"],
      "other-rights",
      `grouping ${id} is not the value of the register's field ${field} alone`,
      `name a grouping with value: "{${field}}"`,
    );
  const rights = person[field]?.from;
  if (rights === undefined || rights.some((right) => right.includes(",")))
    tell(
      ["person", field],
      "rights-alike",
      "the rights stand in one value, joined by commas: a gate must be able to tell them apart",
      "list them under from:, none with a comma",
    );
}
