/** What gates have to know of the cards, taken from their products. */
import type { AppletCard, FileCard, GateCard, HolderTags, NativeCard } from "../access/gate-card.js";
import { mostRead } from "../plan/desfire/commands.js";
import type { DesfireFile, DesfireProduct } from "../plan/desfire/model.js";
import type { GpProduct } from "../plan/gp/model.js";
import type { AnyProduct, ContentModel, Product } from "../plan/product.js";
import { Refusal } from "./problem.js";

/** Throws Refusal for cards that could open no gate. */
export function gateCard(product: AnyProduct, file: string): GateCard {
  switch (product.kind) {
    case "persoline-os":
      return fileCard(product, file);
    case "globalplatform":
      return appletCard(product, file);
    case "desfire":
      return nativeCard(product, file);
    case "iso7816":
      throw new Refusal(
        `${file}: cards of ${product.name} have no keys, so they could prove nothing at a gate`,
      );
  }
}

/** The first application with keys and what a gate may read of it. */
function fileCard(product: Product, file: string): FileCard {
  const df = product.dfs.find(({ keys }) => keys !== undefined);
  const aid = df?.aid;
  if (df?.keys === undefined || aid === undefined)
    throw new Refusal(`${file}: cards of ${product.name} have no application with keys for gates`);
  const readable = df.files.filter(({ access }) =>
    access.read.every((one) => one === "always" || one === "gate"),
  );
  const zones = readable.find(({ content }) => content?.kind === "list");
  const reference = referenceOf(product);
  const holder = readable.find(({ content }) => tagOf(content, reference) !== undefined);
  return {
    kind: "persoline-os",
    product: product.name,
    atr: product.atr.completed,
    aid,
    keys: df.keys.master,
    kid: df.keys.gate,
    ...(zones === undefined ? {} : { zones: { sfi: zones.sfi, count: zones.count } }),
    ...(holder === undefined
      ? {}
      : { holder: { sfi: holder.sfi, size: holder.size, ...tags(product, holder.content) } }),
  };
}

function appletCard(product: GpProduct, file: string): AppletCard {
  const { gate } = product;
  const app = product.applications.find(({ name }) => name === gate?.application);
  if (gate === undefined || app?.keys === undefined) throw withoutGate(product, file);
  const holder = gate.holder;
  const content = app.data.find(({ id }) => id === holder)?.content;
  return {
    kind: "globalplatform",
    product: product.name,
    atr: product.atr.completed,
    aid: app.aid,
    keys: app.keys.master,
    kid: gate.kid,
    ...(gate.zones === undefined ? {} : { zones: gate.zones }),
    ...(holder === undefined ? {} : { holder: { grouping: holder, ...tags(product, content) } }),
  };
}

function nativeCard(product: DesfireProduct, file: string): NativeCard {
  const { gate, version } = product;
  const app = product.applications.find(({ name }) => name === gate?.application);
  if (gate === undefined || app === undefined) throw withoutGate(product, file);
  const find = (name: string | undefined): DesfireFile | undefined =>
    app.files.find((one) => name !== undefined && one.name === name);
  const [zones, holder, number] = [find(gate.zones), find(gate.holder), find(gate.number)];
  // By key in the file's own mode; by everybody's right in clear.
  const modeOf = ({ spec: { comm, rights } }: DesfireFile) =>
    rights.read === gate.key || rights.readWrite === gate.key ? comm : ("plain" as const);
  const [data, open] = [holder?.spec, number?.spec];
  return {
    kind: "desfire",
    product: product.name,
    atr: product.atr.completed,
    version,
    aid: app.aid,
    keyNumber: gate.key,
    key: app.key,
    ...(open !== undefined && "size" in open ? { number: { file: open.file, size: open.size } } : {}),
    ...(zones !== undefined && "recordSize" in zones.spec
      ? { zones: { file: zones.spec.file, recordSize: zones.spec.recordSize, comm: modeOf(zones) } }
      : {}),
    ...(holder !== undefined && data !== undefined && "size" in data
      ? {
          holder: {
            file: data.file,
            size: data.size,
            comm: modeOf(holder),
            most: mostRead(version, modeOf(holder)),
            ...tags(product, holder.content),
          },
        }
      : {}),
  };
}

const withoutGate = ({ name }: Pick<AnyProduct, "name">, file: string): Refusal =>
  new Refusal(
    `${file}: product ${name} does not say how a gate reads its cards: add "register:" and "gate:" to it (docs/products.md)`,
  );

const referenceOf = ({ columns }: Pick<AnyProduct, "columns">): string | undefined =>
  columns.find(({ unique }) => unique === true)?.field;

function tags(product: AnyProduct, content: ContentModel | undefined): HolderTags {
  const { register } = product;
  const until = register === "none" ? undefined : register?.validUntil;
  const [validUntil, reference] = [tagOf(content, until), tagOf(content, referenceOf(product))];
  return {
    ...(validUntil === undefined ? {} : { validUntil }),
    ...(reference === undefined ? {} : { reference }),
  };
}

/** The tag under which a file holds just this field. */
function tagOf(content: ContentModel | undefined, field: string | undefined): number | undefined {
  if (field === undefined || content?.kind !== "tlv") return undefined;
  const held = content.objects.find(([, form]) => JSON.stringify(form).includes(`"{${field}}"`));
  return held === undefined ? undefined : Number.parseInt(held[0], 16);
}
