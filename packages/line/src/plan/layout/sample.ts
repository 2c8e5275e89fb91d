/** Records of nobody, for looking at a layout before there is an order. */
import { Resvg } from "@resvg/resvg-js";
import type { ColumnRule, OrderRecord, Photo } from "../../orders/types.js";
import type { AlphabetName } from "./alphabets.js";

const names: Readonly<Record<AlphabetName, readonly string[]>> = {
  latin: ["Maria Lindqvist", "José Ángel Núñez de Balboa", "Łucja Szczepańska-Øvergård", "Ann Li"],
  "latin-extended": ["Nguyễn Thị Hoàng Phương", "Đặng Quỳnh"],
  cyrillic: ["Екатерина Щукина", "Ґеорґій Їжакевич"],
  greek: ["Ελένη Παπαδοπούλου", "Γιώργος Αντωνίου"],
  hebrew: ["מרים רוזנברג", "דוד בן־עמי"],
  arabic: ["فاطمة الزهراء", "محمد الخوارزمي"],
};

/** A text that a pattern of letters and digits allows, or undefined when the pattern is of another sort. */
export function patternText(pattern: string, most: boolean): string | undefined {
  const tokens = pattern
    .replace(/^\^|\$$/g, "")
    .matchAll(/(\[[^\]]+\]|\\d|\.|[^[\](){}?*+\\|.])(?:\{(\d+)(?:,(\d+))?\}|([?*+]))?/gy);
  let text = "";
  let read = 0;
  for (const [whole, what = "", low, high, sign] of tokens) {
    read += whole.length;
    const least = low === undefined ? (sign === "?" || sign === "*" ? 0 : 1) : Number(low);
    const greatest =
      high === undefined
        ? low === undefined
          ? sign === undefined || sign === "?"
            ? 1
            : 6
          : Number(low)
        : Number(high);
    const count = most ? greatest : Math.ceil((least + greatest) / 2);
    const letters =
      what === "\\d" || what.startsWith("[0")
        ? "4715908263"
        : what.startsWith("[")
          ? what.includes("A-Z")
            ? "UTO"
            : (what[1] ?? "A")
          : what === "."
            ? "x"
            : what;
    for (let i = 0; i < count; i++) text += letters.charAt(i % letters.length);
  }
  if (read !== pattern.replace(/^\^|\$$/g, "").length) return undefined;
  return new RegExp(`^(?:${pattern})$`, "u").test(text) ? text : undefined;
}

/** A head and shoulders that is nobody. */
export function samplePortrait(): Photo {
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="480" height="600" viewBox="0 0 480 600"><defs>` +
    `<linearGradient id="g" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#eceeef"/><stop offset="1" stop-color="#c9ced2"/></linearGradient>` +
    `<radialGradient id="f" cx="0.42" cy="0.36" r="0.75"><stop offset="0" stop-color="#b4a89d"/><stop offset="1" stop-color="#7c7169"/></radialGradient></defs>` +
    `<rect width="480" height="600" fill="url(#g)"/>` +
    `<path d="M30 600C40 480 130 445 195 425V365H285V425C350 445 440 480 450 600Z" fill="#55606b"/>` +
    `<path d="M195 425C215 470 265 470 285 425L275 352H205Z" fill="#8d8178"/>` +
    `<path d="M120 250C100 110 180 60 245 62C330 64 378 130 358 260C352 300 340 320 335 330L145 330C132 312 124 282 120 250Z" fill="#3f3a38"/>` +
    `<path d="M148 240C140 150 190 118 240 118C292 118 340 150 332 240C326 330 290 396 240 396C190 396 154 330 148 240Z" fill="url(#f)"/>` +
    `<path d="M146 232C160 170 215 150 262 152C300 154 326 180 334 232C340 150 300 100 240 100C180 100 138 150 146 232Z" fill="#3f3a38"/>` +
    `<g fill="#2f2a28"><ellipse cx="200" cy="246" rx="13" ry="7"/><ellipse cx="280" cy="246" rx="13" ry="7"/></g>` +
    `<path d="M240 250C232 285 228 298 244 300" fill="none" stroke="#5d534c" stroke-width="5" stroke-linecap="round"/>` +
    `<path d="M208 338C228 352 254 352 272 338" fill="none" stroke="#5c4540" stroke-width="7" stroke-linecap="round"/></svg>`;
  return picture(svg);
}

/** A hand that signs for nobody. */
export const sampleSignature = (): Photo =>
  picture(
    `<svg xmlns="http://www.w3.org/2000/svg" width="600" height="180" viewBox="0 0 600 180"><rect width="600" height="180" fill="#fff"/>` +
      `<path d="M40 120C70 20 110 20 96 90C86 140 60 150 66 110C76 60 140 60 150 100C154 130 126 130 134 100C150 60 190 80 190 110C192 130 214 90 226 84C214 130 240 128 254 92C262 70 270 60 262 110C276 80 300 84 296 116C300 130 330 100 344 60C350 30 320 60 326 110C334 140 372 96 390 96C372 134 402 130 420 100C470 60 520 60 560 50" fill="none" stroke="#1c2230" stroke-width="6" stroke-linecap="round" stroke-linejoin="round"/></svg>`,
  );

function picture(svg: string): Photo {
  const image = new Resvg(svg, { font: { loadSystemFonts: false } }).render();
  return { png: new Uint8Array(image.asPng()), width: image.width, height: image.height };
}

/** Sample records of a product: ordinary ones in each declared alphabet, and the one that fills most. */
export function sampleRecords(
  columns: readonly ColumnRule[],
  alphabets: readonly AlphabetName[],
  signatures: readonly string[],
): readonly OrderRecord[] {
  const people = (alphabets.length === 0 ? (["latin"] as const) : alphabets).flatMap((one) => names[one]);
  const photos = Object.fromEntries(
    columns
      .filter(({ type }) => type === "photo")
      .map(({ field }) => [field, signatures.includes(field) ? sampleSignature() : samplePortrait()]),
  );
  // A product with a field for names in their own script has the others in Latin.
  const native = columns.find(({ field }) => /native|script|local/i.test(field))?.field;
  const cut = (text: string, max = 200): string => Array.from(text).slice(0, max).join("").trim();
  return people.map((person, i) => {
    const latin = names.latin[i % names.latin.length] ?? "";
    const [given = "", ...rest] = (native === undefined ? person : latin).split(" ");
    const value = ({ field, type, from, list, max, pattern }: ColumnRule): string | readonly string[] => {
      if (type === "date") return /birth/i.test(field) ? "1989-04-23" : "2031-12-31";
      if (list !== undefined)
        return from === undefined ? ["A1", "B2"] : from.slice(0, i === 2 ? 6 : (i % 3) + 1);
      if (from !== undefined) return from[i % from.length] ?? "";
      if (pattern !== undefined) return patternText(pattern, i === 2) ?? cut("12345678", max);
      if (/surname|family|last/i.test(field)) return cut(rest.join(" "), max);
      if (/given|first/i.test(field)) return cut(given, max);
      if (/name|holder/i.test(field))
        return cut(
          native === undefined
            ? person
            : field !== native
              ? latin
              : names.latin.includes(person)
                ? ""
                : person,
          max,
        );
      if (/number|no$|id$|code/i.test(field)) return cut(`10${String(4711 + i)}`, max);
      return cut("Quality Laboratory", max);
    };
    return {
      number: i + 1,
      row: i + 2,
      photos,
      fields: Object.fromEntries(
        columns.filter(({ type }) => type !== "photo").map((rule) => [rule.field, value(rule)]),
      ),
    };
  });
}
