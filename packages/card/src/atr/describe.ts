import { hex } from "../bytes/index.js";
import type { Atr } from "./atr.js";
import { type CardCapabilities, parseHistorical } from "./historical.js";
import { bitRate, etuSeconds } from "./timing.js";

/** The ATR in words, a line a fact, problems last. */
export function describeAtr(atr: Atr): string[] {
  const lines = [
    `ATR ${hex(atr.bytes)}`,
    `convention: ${atr.convention}`,
    `protocols: ${[...new Set(atr.protocols)]
      .filter((t) => t !== 15)
      .map((t) => `T=${t}`)
      .join(", ")}`,
    speed(atr),
    `extra guard time: N = ${atr.n}${atr.n === 255 ? " (the shortest)" : ""}`,
  ];
  const { specific, t0, t1, t15 } = atr;
  if (specific !== undefined) {
    const change = specific.canChange ? "a warm reset may change it" : "unable to change";
    lines.push(
      `specific mode: T=${specific.protocol}, ${specific.implicitParameters ? "implicit parameters, " : ""}${change}`,
    );
  } else {
    lines.push("negotiable mode: PPS is possible");
  }
  if (t0 !== undefined) lines.push(`T=0: WI ${t0.wi}`);
  if (t1 !== undefined) lines.push(`T=1: IFSC ${t1.ifsc}, BWI ${t1.bwi}, CWI ${t1.cwi}, ${t1.edc}`);
  if (t15 !== undefined) {
    const classes = ["A (5 V)", "B (3 V)", "C (1.8 V)"].filter((_, i) => (t15.classes & (1 << i)) !== 0);
    lines.push(`classes: ${classes.join(", ") || "none"}; clock stop: ${t15.clockStop}`);
  }
  lines.push(...historical(atr.historicalBytes));
  if (atr.tck !== undefined)
    lines.push(`TCK ${hex(Uint8Array.of(atr.tck))}, ${atr.tckRight === true ? "right" : "wrong"}`);
  for (const { severity, at, text } of atr.problems) lines.push(`${severity} at byte ${at + 1}: ${text}`);
  return lines;
}

function speed({ ta1, fi, di, fmaxMHz }: Atr): string {
  const code = `TA1 ${hex(Uint8Array.of(ta1))}`;
  if (fi === undefined || di === undefined || fmaxMHz === undefined) return `${code}: reserved codes`;
  const hertz = fmaxMHz * 1e6;
  const etu = etuSeconds(fi, di, hertz) * 1e6;
  return `${code}: Fi ${fi}, Di ${di}, at most ${fmaxMHz} MHz: etu ${round(etu)} µs, ${round(bitRate(fi, di, hertz))} bit/s`;
}

const round = (n: number) => Number(n.toPrecision(6)).toString();

function historical(bytes: Uint8Array): string[] {
  const read = parseHistorical(bytes);
  switch (read.kind) {
    case "none":
      return ["historical bytes: none"];
    case "dir-reference":
      return [`historical bytes: DIR data reference ${hex(read.value)}`];
    case "proprietary":
      return [`historical bytes: ${hex(read.value)}${printable(read.value)}`];
    case "compact-tlv": {
      const lines = [`historical bytes: ${hex(bytes)}`];
      for (const { tag, value } of read.objects) {
        lines.push(
          `  ${NAMES[tag] ?? `object ${tag.toString(16).toUpperCase()}`}: ${hex(value)}${printable(value)}`,
        );
      }
      if (read.lcs !== undefined) lines.push(`  life cycle status: ${hex(Uint8Array.of(read.lcs))}`);
      if (read.sw !== undefined) lines.push(`  status: ${hex(Uint8Array.of(read.sw >> 8, read.sw & 0xff))}`);
      if (read.capabilities !== undefined) lines.push(`  capabilities: ${capabilities(read.capabilities)}`);
      return lines;
    }
  }
}

const NAMES: Readonly<Record<number, string>> = {
  1: "country code",
  2: "issuer identification number",
  3: "card service data",
  4: "initial access data",
  5: "card issuer's data",
  6: "pre-issuing data",
  7: "card capabilities",
  8: "status indicator",
  15: "application identifier",
};

function printable(bytes: Uint8Array): string {
  const text = String.fromCharCode(...bytes);
  return bytes.length >= 3 && /^[\x20-\x7e]+$/.test(text) ? ` "${text}"` : "";
}

function capabilities(read: CardCapabilities): string {
  const words = read.selection.map((way) => `select by ${way}`);
  if (read.sfi) words.push("short EF identifiers");
  if (read.recordNumber) words.push("record numbers");
  if (read.recordId) words.push("record identifiers");
  if (read.chaining === true) words.push("command chaining");
  if (read.extendedLength === true) words.push("extended length");
  if (read.channels !== undefined)
    words.push(`${read.channels} logical channel${read.channels === 1 ? "" : "s"}`);
  return words.join(", ");
}
