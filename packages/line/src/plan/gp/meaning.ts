import { unhex } from "@persoline/card/bytes";
import type { FileProblem, ReadYaml, Tell } from "../../orders/yaml.js";
import { plainForms, templateOf } from "../content.js";
import { checkCardNumber, checkTemplate } from "../meaning-contents.js";
import { checkPerson } from "../meaning-person.js";
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
  if (outside(first) && first !== 0xff)
    tell(["initial", "version"], "key-version", "no such key version can be named", `${named}, or FF`);
  if (version === first) {
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
  for (const [name, { protocol, i, level }] of Object.entries({ initial, channel })) {
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
      if (/^(?:81|90|7F)/.test(id))
        tell(
          where,
          "grouping-reserved",
          `${id} is for keys`,
          "name the key under keys:, or use another grouping",
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
