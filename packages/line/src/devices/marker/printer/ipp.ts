/** The Internet Printing Protocol's encoding (RFC 8010) as far as a client of one queue needs it. */

export const operations = {
  printJob: 0x0002,
  cancelJob: 0x0008,
  getJob: 0x0009,
  getPrinter: 0x000b,
} as const;

const tags = {
  integer: 0x21,
  boolean: 0x22,
  enum: 0x23,
  name: 0x42,
  keyword: 0x44,
  uri: 0x45,
  charset: 0x47,
  naturalLanguage: 0x48,
  mimeMediaType: 0x49,
} as const;
const groups = { operation: 0x01, job: 0x02, end: 0x03 } as const;

export interface IppAttribute {
  readonly name: string;
  readonly tag: keyof typeof tags;
  readonly values: readonly (string | number | boolean)[];
}

export interface IppRequest {
  readonly operation: number;
  readonly request: number;
  /** After charset and language, which are always the same. */
  readonly attributes: readonly IppAttribute[];
  readonly job?: readonly IppAttribute[];
  readonly document?: Uint8Array;
}

function valueOf(tag: keyof typeof tags, value: string | number | boolean): Buffer {
  if (typeof value === "string") return Buffer.from(value);
  if (tag === "boolean") return Buffer.of(value === true ? 1 : 0);
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(Number(value));
  return bytes;
}

function attributeOf({ name, tag, values }: IppAttribute): Buffer {
  return Buffer.concat(
    values.flatMap((value, i) => {
      // Further values of an attribute have no name (RFC 8010, 3.1.5).
      const [own, bytes] = [Buffer.from(i === 0 ? name : ""), valueOf(tag, value)];
      const lengths = [own, bytes].map((part) => {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(part.length);
        return length;
      });
      return [Buffer.of(tags[tag]), lengths[0] ?? own, own, lengths[1] ?? own, bytes];
    }),
  );
}

export function ippRequest({ operation, request, attributes, job = [], document }: IppRequest): Uint8Array {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(0x0200, 0);
  head.writeUInt16BE(operation, 2);
  head.writeUInt32BE(request, 4);
  const common: readonly IppAttribute[] = [
    { name: "attributes-charset", tag: "charset", values: ["utf-8"] },
    { name: "attributes-natural-language", tag: "naturalLanguage", values: ["en"] },
  ];
  return Buffer.concat([
    head,
    Buffer.of(groups.operation),
    ...[...common, ...attributes].map(attributeOf),
    ...(job.length === 0 ? [] : [Buffer.of(groups.job), ...job.map(attributeOf)]),
    Buffer.of(groups.end),
    document ?? new Uint8Array(),
  ]);
}

export interface IppAnswer {
  /** RFC 8011, 13.1: below 0x0100 all is well. */
  readonly status: number;
  readonly request: number;
  readonly attributes: ReadonlyMap<string, readonly (string | number | boolean)[]>;
}

/** Throws RangeError when the bytes end too early or are none of this protocol. Of an attribute that comes in two groups the first counts. */
export function ippAnswer(bytes: Uint8Array): IppAnswer {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [status, request] = [view.readUInt16BE(2), view.readUInt32BE(4)];
  const attributes = new Map<string, (string | number | boolean)[]>();
  let at = 8;
  let list: (string | number | boolean)[] = [];
  const text = (): Buffer => {
    const length = view.readUInt16BE(at);
    if (at + 2 + length > view.length) throw new RangeError("an IPP answer ends within a value");
    at += 2 + length;
    return view.subarray(at - length, at);
  };
  for (;;) {
    const tag = view.readUInt8(at++);
    if (tag === groups.end) return { status, request, attributes };
    if (tag < 0x10) continue;
    const name = text().toString();
    const value = text();
    if (name !== "") {
      list = [];
      if (!attributes.has(name)) attributes.set(name, list);
    }
    if (tag === tags.integer || tag === tags.enum) list.push(value.readInt32BE(0));
    else if (tag === tags.boolean) list.push(value.readUInt8(0) === 1);
    else if (tag >= 0x40 && tag <= 0x4f) list.push(value.toString());
  }
}
