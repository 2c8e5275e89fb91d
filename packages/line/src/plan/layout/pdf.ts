/** PDF 1.4 files of pages that all have one size: drawing operators and pictures. */
import { deflateSync } from "node:zlib";

export interface PdfPage {
  /** Operators of the page's content, in points from the lower left corner. */
  readonly draw: string;
  /** Pictures by the name they are drawn by: their keys of the image dictionary, and their samples, not yet compressed. */
  readonly images: Readonly<Record<string, { readonly head: string; readonly bytes: Uint8Array }>>;
}

/** Millimetres as points. */
export const points = (length: number): string => ((length / 25.4) * 72).toFixed(3);

/** `size` in mm. */
export function pdfDocument(
  size: { readonly width: number; readonly height: number },
  pages: readonly PdfPage[],
): Uint8Array {
  const objects: Buffer[] = [];
  const add = (head: string, stream?: Uint8Array): number => {
    const packed = stream === undefined ? undefined : deflateSync(stream, { level: 9 });
    objects.push(
      packed === undefined
        ? Buffer.from(head)
        : Buffer.concat([
            Buffer.from(`<< ${head} /Filter /FlateDecode /Length ${String(packed.length)} >>\nstream\n`),
            packed,
            Buffer.from("\nendstream"),
          ]),
    );
    return objects.length;
  };
  const [catalog, tree] = [add(`<< /Type /Catalog /Pages 2 0 R >>`), add("")];
  const kids = pages.map(({ draw, images }) => {
    const named = Object.entries(images).map(
      ([name, { head, bytes }]) =>
        `/${name} ${String(add(`/Type /XObject /Subtype /Image ${head}`, bytes))} 0 R`,
    );
    const content = add("", Buffer.from(draw, "latin1"));
    return add(
      `<< /Type /Page /Parent ${String(tree)} 0 R /MediaBox [0 0 ${points(size.width)} ${points(size.height)}] ` +
        `/Resources << /XObject << ${named.join(" ")} >> >> /Contents ${String(content)} 0 R >>`,
    );
  });
  objects[tree - 1] = Buffer.from(
    `<< /Type /Pages /Count ${String(kids.length)} /Kids [${kids.map((kid) => `${String(kid)} 0 R`).join(" ")}] >>`,
  );
  const parts: Buffer[] = [Buffer.from("%PDF-1.4\n%\u00e2\u00e3\u00cf\u00d3\n", "latin1")];
  const offsets: number[] = [];
  let length = parts[0]?.length ?? 0;
  objects.forEach((object, i) => {
    offsets.push(length);
    const part = Buffer.concat([Buffer.from(`${String(i + 1)} 0 obj\n`), object, Buffer.from("\nendobj\n")]);
    length += part.length;
    parts.push(part);
  });
  const table = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  parts.push(
    Buffer.from(
      `xref\n0 ${String(objects.length + 1)}\n0000000000 65535 f \n${table}trailer\n<< /Size ${String(objects.length + 1)} /Root ${String(catalog)} 0 R >>\nstartxref\n${String(length)}\n%%EOF\n`,
    ),
  );
  return new Uint8Array(Buffer.concat(parts));
}
