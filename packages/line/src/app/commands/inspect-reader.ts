/** `card inspect --reader`: whatever card lies in a PC/SC reader. */
import { pcscReader } from "../../devices/reader/pcsc/reader.js";
import { realWorld } from "../../stations/world.js";
import { pcscSocket } from "../config.js";
import { inspectAt } from "../inspect.js";
import { inspectionText } from "../inspection-text.js";
import { readProduct } from "../job.js";
import { type CommonOptions, print, printJson } from "./options.js";

export type InspectWords = CommonOptions & { readonly product?: string; readonly reader?: string };

export async function inspectReader(options: InspectWords): Promise<void> {
  const { reader: name = "", product: file } = options;
  const product = file === undefined ? undefined : (await readProduct(file)).product;
  const reader = pcscReader({
    name,
    binding: { pcsc: name },
    world: realWorld(),
    socket: pcscSocket(),
    patienceMs: 0,
  });
  try {
    const found = await inspectAt(reader, product);
    if (options.json === true) printJson({ reader: name, simulated: false, ...found });
    else print(inspectionText(`The card in ${name}`, found));
  } finally {
    reader.close();
  }
}
