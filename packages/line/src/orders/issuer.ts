/** Records of an issuer's file as rows of an input, and how its data groupings are called among a record's fields. */
import {
  frameBody,
  type Instructions,
  type IssuerRecord,
  noInstructions,
  parsePreamble,
  parseRecord,
} from "@persoline/card/issuer-data";
import { IssuerDataProblem } from "@persoline/card/issuer-data";
import { hex } from "@persoline/card/bytes";
import type { Cell, Row } from "./columns.js";
import { sameHeader } from "./columns.js";
import type { Findings } from "./problem.js";
import type { OrderRecord } from "./types.js";

/** Files of this ending hold issuer data, in either form. */
export const issuerEnding = ".issuer";

/** Colons are in no field that a product declares. A grouping in clear is hexadecimal; a sealed one, base64, only the module can open. */
const clearMark = "dgi:";
const sealedMark = "sealed:";
const instructionMark = "sent:";

export const groupingOf = (aid: string, id: number): string =>
  `${aid}/${id.toString(16).toUpperCase().padStart(4, "0")}`;
export const clearField = (grouping: string): string => clearMark + grouping;
export const sealedField = (grouping: string): string => sealedMark + grouping;

/** How the issuer wants an application's groupings sent, as a field; `aid`: hexadecimal in capitals. */
export const instructionField = (aid: string): string => instructionMark + aid;

/** Nothing for groupings that simply go up by identifier. */
export const instructionFields = ({ applications }: IssuerRecord): Record<string, string> =>
  Object.fromEntries(
    applications.flatMap(({ aid, instructions }) =>
      Object.values(instructions).every((list: readonly unknown[]) => list.length === 0)
        ? []
        : [[instructionField(hex(aid)), JSON.stringify(instructions)] as const],
    ),
  );

/** As `instructionFields` wrote them; this program did. */
export function instructionsIn(fields: OrderRecord["fields"], aid: string): Instructions {
  const text = fields[instructionField(aid)];
  return typeof text === "string" ? (JSON.parse(text) as Instructions) : noInstructions;
}

/** The sealed groupings of a record, by "AID/grouping", for the security module; nothing for records that have none. */
export function sealedGroupings({
  fields,
}: Pick<OrderRecord, "fields">): Readonly<Record<string, Uint8Array>> | undefined {
  const sealed = Object.entries(fields).flatMap(([field, value]) =>
    field.startsWith(sealedMark) && typeof value === "string"
      ? [[field.slice(sealedMark.length), new Uint8Array(Buffer.from(value, "base64"))] as const]
      : [],
  );
  return sealed.length === 0 ? undefined : Object.fromEntries(sealed);
}

/** Groupings in clear as fields. */
export const clearFields = ({ applications }: IssuerRecord): Record<string, string> =>
  Object.fromEntries(
    applications.flatMap(({ aid, groupings }) =>
      groupings.flatMap(({ id, value, secret }) =>
        secret ? [] : [[clearField(groupingOf(hex(aid), id)), hex(value)] as const],
      ),
    ),
  );

/** Rows as of a table: the header is every column that any record has. The file was proved before. */
export function issuerRows(bytes: Uint8Array, columns: readonly string[], findings: Findings): Row[] {
  try {
    const { form, length } = parsePreamble(bytes);
    const records = frameBody(form, bytes.subarray(length)).records.map((record) =>
      parseRecord(form, record),
    );
    const names = records.flatMap(({ data }) => Object.keys(data).map(sameHeader));
    // A column that nobody fills in is there all the same.
    const header = [...new Set([...columns.map(sameHeader), ...names])];
    const cells = ({ data }: IssuerRecord): Cell[] => {
      const own = new Map(Object.entries(data).map(([name, value]) => [sameHeader(name), value]));
      return header.map((name) => {
        const value = own.get(name) ?? "";
        return typeof value === "string" ? value : { kind: "list", items: value };
      });
    };
    return [
      { row: 0, cells: header },
      ...records.map((record) => ({ row: record.number, cells: cells(record) })),
    ];
  } catch (problem) {
    if (!(problem instanceof IssuerDataProblem)) throw problem;
    findings.tell({ code: "issuer-data", message: problem.message, remedy: "ask the issuer for a new file" });
    return [];
  }
}
