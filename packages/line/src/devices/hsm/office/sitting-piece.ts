/** The piece of a key that a custodian brings to a sitting, or takes away from it. */
import { hex } from "@persoline/card/bytes";
import { keyLength } from "./key-length.js";
import {
  checkValue,
  drawKey,
  readComponent,
  readShare,
  type Share,
  splitKey,
  writeComponent,
  writeShare,
} from "./pieces.js";
import type { Counter } from "./place.js";
import { OfficeRefusal } from "./refusal.js";
import type { KeyAction, Pending, Sitting } from "./types.js";
import { deedText } from "./words.js";

/** What can be said of a piece's check value without the piece. Throws OfficeRefusal. */
export function judgePieceKcv({ number, action, sittings, needed }: Pending, kcv: string | undefined): void {
  if (action.do !== "import") {
    if (kcv === undefined) return;
    throw new OfficeRefusal(
      `ceremony ${number} takes no piece of a key, it is "${deedText(action)}": leave --piece-kcv and --piece-fd out, or name another ceremony ("persoline keys ceremonies")`,
    );
  }
  if (action.form === "shares") {
    if (kcv === undefined) return;
    throw new OfficeRefusal("a share proves itself and has no check value: leave --piece-kcv out");
  }
  if (kcv === undefined)
    throw new OfficeRefusal(
      `a component comes with its check value: give that of component ${sittings.length + 1} of ${needed}, as its form states it, with --piece-kcv`,
    );
  if (!/^(?:[0-9A-F]{6}|[0-9A-F]{10})$/i.test(kcv))
    throw new OfficeRefusal(
      "the check value of a component has 6 hexadecimal digits (by CMAC of AES: 10); give it with --piece-kcv",
    );
}

interface Handed {
  readonly sitting: Sitting;
  readonly pieces: readonly string[];
}

/** Takes the piece that this custodian brings, or hands them theirs. */
export async function piece(
  place: { readonly counter: Counter },
  pending: Pending,
  sitting: Sitting,
  kcv: string | undefined,
): Promise<Handed> {
  const { action, pieces, sittings } = pending;
  const which = `${sittings.length + 1} of ${pending.needed}`;
  if (action.do === "import") return brought(place, action, { pieces, sitting, which, kcv });
  if (action.do !== "generate" || action.leaves === undefined || action.leaves.as === "block")
    return { sitting, pieces };
  const { key, leaves } = action;
  if (leaves.as === "components") {
    const drawn = drawKey(key.algorithm === "3DES" ? "3DES" : key.algorithm, keyLength(key));
    const value = checkValue(key.algorithm, drawn, "gp");
    place.counter.hand(
      `Component ${which} of key ${key.name}\n${writeComponent(drawn)}\nCheck value ${value}\n`,
    );
    const digits = hex(drawn);
    drawn.fill(0);
    return { sitting: { ...sitting, kcv: value }, pieces: [...pieces, digits] };
  }
  const shares = pieces.length > 0 ? pieces : await drawnShares(action, leaves);
  const share = shares[sittings.length] ?? "";
  place.counter.hand(`Share ${which} of key ${key.name}, ${leaves.needed} are needed\n${share}\n`);
  return { sitting: { ...sitting, share: readShare(share, keyLength(key)).number }, pieces: shares };
}

async function drawnShares(
  { key }: Extract<KeyAction, { do: "generate" }>,
  { count, needed }: { readonly count: number; readonly needed: number },
): Promise<string[]> {
  const value = drawKey(key.algorithm, keyLength(key));
  const shares: Share[] = await splitKey(value, count, needed);
  value.fill(0);
  return shares.map(writeShare);
}

function brought(
  { counter }: { readonly counter: Counter },
  { key, form }: Extract<KeyAction, { do: "import" }>,
  {
    pieces,
    sitting,
    which,
    kcv,
  }: { pieces: readonly string[]; sitting: Sitting; which: string; kcv: string | undefined },
): Handed {
  if (form === "shares") {
    const share = readShare(counter.ask("piece", `Share ${which} of key ${key.name}`), keyLength(key));
    if (pieces.some((other) => readShare(other, keyLength(key)).number === share.number))
      throw new OfficeRefusal("this share was entered already; bring another one");
    const text = writeShare(share);
    share.value.fill(0);
    return { sitting: { ...sitting, share: share.number }, pieces: [...pieces, text] };
  }
  const stated = (kcv ?? "").toUpperCase();
  const component = readComponent(
    counter.ask("piece", `Component ${which} of key ${key.name}`),
    keyLength(key),
  );
  const digits = hex(component);
  const methods = (["gp", "zeros", "cmac"] as const).map((method) =>
    checkValue(key.algorithm, component, method),
  );
  component.fill(0);
  if (!methods.includes(stated))
    throw new OfficeRefusal(
      `the component that was entered does not have the check value ${stated}: enter it again`,
    );
  if (/^0+$/.test(digits)) throw new OfficeRefusal("a component of zeros hides nothing; it is refused");
  if (pieces.includes(digits))
    throw new OfficeRefusal("this component was entered already; bring the other one");
  return { sitting: { ...sitting, kcv: stated }, pieces: [...pieces, digits] };
}
