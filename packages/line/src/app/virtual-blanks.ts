/** The stock of a line of simulated devices: blanks with a published key, received into the accounts by themselves. */
import { unhex } from "@persoline/card/bytes";
import { scp11Kids } from "@persoline/card/program";
import type { GlobalPlatformFab } from "../devices/shop-floor/silicon.js";
import { DataProblem } from "../orders/problem.js";
import type { GpKeyChannel } from "../plan/gp/model.js";
import type { AnyProduct } from "../plan/product.js";
import type { Store } from "../store/store.js";
import type { AssembledLine } from "./assemble-line.js";
import type { Job } from "./job.js";
import { readKeyFile } from "./key-file.js";

/** How the line's virtual blanks are made. Throws DataProblem. */
export const fabOf = ({ order, planned: { product } }: Job): Promise<Fab> => fabFor(product, order);

export interface Fab {
  readonly loaderMaster: Uint8Array;
  readonly globalPlatform?: GlobalPlatformFab;
  readonly desfire?: true;
}

/** Whether such blanks are made with a key of a key list: those of DESFire-style cards come with a published one of their own. */
export const needsKeys = (product: AnyProduct): boolean =>
  product.kind === "persoline-os" || product.kind === "globalplatform";

/**
 * Virtual blanks are made with a published key; the fab and the security module both know it. `files`: where product and keys were read
 * from, for what is wrong in them. Throws DataProblem.
 */
export async function fabFor(
  product: AnyProduct,
  files: { readonly product: string; readonly keys: string },
): Promise<Fab> {
  const { keys: keyFile } = files;
  if (product.kind === "persoline-os")
    return { loaderMaster: await published(keyFile, product.completion.loaderKey, "loader") };
  if (product.kind === "iso7816") {
    const message = `${product.name} is made on cards of another maker, and there are no simulated blanks of these`;
    const remedy =
      "use a line with real readers (transport: { kind: operator }), or a virtual card of that maker, such as Debian's vicc (docs/cards-and-readers.md)";
    throw new DataProblem([{ file: files.product, code: "no-such-blanks", message, remedy }]);
  }
  if (product.kind === "desfire") {
    if (product.initial === "default") return { loaderMaster: new Uint8Array(16), desfire: true };
    const message = `virtual blanks of this kind come with the published default key, and ${product.name} names another`;
    const remedy = "leave out initial: in the product, or use a line with real blanks";
    throw new DataProblem([{ file: files.product, code: "initial-key", message, remedy }]);
  }
  const { initial, isd } = product;
  if (initial.protocol === "scp11") {
    const authority = await published(keyFile, initial.authority, "authority's");
    const { variant, kvn, authorityName, host } = initial;
    return {
      loaderMaster: new Uint8Array(16),
      globalPlatform: {
        authority,
        authorityName: authorityName ?? new TextEncoder().encode("maker"),
        kid: scp11Kids[variant],
        kvn,
        authorityKvn: host?.authorityKvn ?? 0x01,
        isd,
      },
    };
  }
  const master = await published(keyFile, initial.keys, "initial");
  return { loaderMaster: new Uint8Array(16), globalPlatform: globalPlatformFab(initial, isd, master) };
}

function globalPlatformFab(initial: GpKeyChannel, isd: Uint8Array, master: Uint8Array): GlobalPlatformFab {
  const common = { master, kvn: initial.kvn, isd };
  return initial.protocol === "scp02"
    ? { ...common, algorithm: "3des", diversify: initial.diversify, i02: initial.i }
    : {
        ...common,
        algorithm: "aes",
        diversify: initial.diversify ?? "kdf3",
        ...(initial.i === undefined ? {} : { i03: initial.i }),
      };
}

async function published(file: string, name: string, what: string): Promise<Uint8Array> {
  const key = (await readKeyFile(file)).keys.find((one) => one.name === name);
  if (key?.published !== undefined) return unhex(key.published);
  throw new DataProblem([
    {
      file,
      code: "loader-key",
      message: `virtual blanks need a published ${what} key, and ${name} has none`,
      remedy: "give it a published value, or use a line with real blanks",
    },
  ]);
}

/** A line of simulated devices brings its blanks; they are received once. */
export async function receiveStock(assembled: AssembledLine, store: Store, by: string): Promise<void> {
  const known = new Set((await store.stock.lots()).map(({ lot }) => lot));
  for (const { lot, items } of assembled.deliver()) {
    if (!known.has(lot))
      await store.stock.receive({ lot, blanks: items, by, note: "virtual blanks of the line file" });
  }
}
