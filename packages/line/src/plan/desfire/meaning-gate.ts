import type { Tell } from "../../orders/yaml.js";
import { checkGate, checkHolder, unknownPlace } from "../meaning-gate.js";
import { mostRead } from "./commands.js";
import { readerOf } from "./contents.js";
import type { DesfireProduct } from "./model.js";
import type { DesfireProductFile } from "./schema.js";

/** The files of a gate are there, and its key reads them. */
export function checkDesfireGate(file: DesfireProductFile, product: DesfireProduct, tell: Tell): void {
  const fields = checkGate(file, tell);
  const { gate } = file;
  if (fields === undefined || gate === undefined) return;
  const path = (role: string): string[] => ["gate", role];
  const at = file.applications.findIndex(({ name }) => name === gate.application);
  const [app, model] = [file.applications[at], product.applications[at]];
  if (app === undefined || model === undefined) {
    const names = file.applications.map(({ name }) => name);
    unknownPlace(tell, path("application"), `application ${gate.application}`, names);
    return;
  }
  if (gate.key >= app.keys.count)
    tell(
      path("key"),
      "no-such-key",
      `there is no key ${gate.key}: the application has ${app.keys.count}`,
      "name another",
    );
  const named = (role: "zones" | "holder" | "number") => {
    const name = gate[role];
    if (name === undefined) return undefined;
    const index = app.files.findIndex((one) => one.name === name);
    const [entry, spec] = [app.files[index], model.files[index]];
    if (entry === undefined || spec === undefined) {
      const names = app.files.map((one) => one.name);
      unknownPlace(tell, path(role), `file ${name} in ${app.name}`, names);
      return undefined;
    }
    const content = "content" in entry ? entry.content : undefined;
    return { content, model: spec };
  };
  const unread = (role: string): void =>
    tell(
      path(role),
      "gate-cannot-read",
      `key ${gate.key} may not read it`,
      "give the key read, or name another",
    );

  const zones = named("zones");
  if (zones !== undefined) {
    if (zones.model.content?.kind !== "list" || zones.model.content.field !== fields.zones)
      tell(
        path("zones"),
        "other-rights",
        `its records are not those of the register's field ${fields.zones}`,
        `name a file with records: "{${fields.zones}}"`,
      );
    else if (readerOf(zones.model, gate.key) !== gate.key) unread("zones");
  }
  const holder = named("holder");
  if (holder !== undefined) {
    checkHolder(holder.content, path("holder"), tell);
    if (readerOf(holder.model, gate.key) !== gate.key) unread("holder");
  }
  const number = named("number");
  if (number !== undefined) {
    const { spec, content } = number.model;
    const fits = "size" in spec && spec.size <= mostRead("ev2", "plain");
    const own = content?.kind === "value" && JSON.stringify(content.form).includes('"{cardNumber}"');
    if (!own || !fits || spec.rights.read !== "free")
      tell(
        path("number"),
        "no-card-number",
        "a card is looked up by a file that anyone may read, with its card number and nothing else, in one frame",
        'name a file of at most 59 bytes with read: free and value: "{cardNumber}"',
      );
  } else if (gate.number === undefined && file.picc["random-uid"]) {
    tell(
      path("number"),
      "hidden-from-gates",
      "cards that hide their UID could not be told from each other at a gate",
      "name a file with the card number that anyone may read, or leave out random-uid",
    );
  }
}
