/** A card's records in a machine's own escape-style form. */
import { bytesOf, type EscapeTemplate, recordFields } from "../../escape-template.js";
import type { StruckRecord } from "./records.js";

/** What a card's records are on the wire. Undefined when the machine lacks a wheel or a number has too many digits for its field. */
export function cardBytes(form: EscapeTemplate, records: readonly StruckRecord[]): Uint8Array | undefined {
  const parts = [form.begin];
  for (const { font, text, xMils, yMils } of records) {
    const wheel = form.wheels[font];
    if (wheel === undefined) return undefined;
    const values = { x: String(xMils), y: String(yMils), wheel, text };
    let fits = true;
    // Texts hold only what is on the wheel (records.ts), so that none can be taken for a control or a field.
    parts.push(
      form.line.replaceAll(recordFields, (_, field: keyof typeof values, digits?: string) => {
        const value = digits === undefined ? values[field] : values[field].padStart(Number(digits), "0");
        fits &&= digits === undefined || field === "text" || value.length === Number(digits);
        return value;
      }),
    );
    if (!fits) return undefined;
  }
  parts.push(form.end);
  return bytesOf(parts.join(""));
}
