/** `card inspect --reader` or `--vpcd`: whatever card lies there. */
import { inspectAt } from "../inspect.js";
import { inspectionText } from "../inspection-text.js";
import { readAnyProduct } from "../job.js";
import { type CommonOptions, print, printJson } from "./options.js";
import { type ReaderWords, realReader } from "./real-reader.js";

export type InspectWords = CommonOptions & ReaderWords & { readonly product?: string };

/** Answers whether the card stayed to the end. */
export async function inspectReader(options: InspectWords): Promise<boolean> {
  const { product: file } = options;
  const product = file === undefined ? undefined : (await readAnyProduct(file)).product;
  const reader = realReader(options);
  try {
    const found = await inspectAt(reader, product);
    if (options.json === true) printJson({ reader: reader.name, simulated: false, ...found });
    else print(inspectionText(`The card in ${reader.name}`, found));
    return found.ended === undefined;
  } finally {
    reader.close();
  }
}
