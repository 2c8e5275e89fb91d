/** Findings as quality control leaves them. */
import type { Finding } from "@persoline/card/program";

const ok = (what: string, detail: string): Finding => ({ what, result: "ok", detail });

/** Of a payment card with CDA whose transaction went well. */
export const onlineFindings: readonly Finding[] = [
  ok("transaction: application selection", "by the directory"),
  ok(
    "transaction: offline data authentication",
    "CDA: certificates hold, the signature comes with the cryptogram",
  ),
  ok("transaction: cardholder verification", "encipheredPin"),
  ok("transaction: first cryptogram", "ARQC, combined signature right"),
  ok("transaction: issuer authentication", "the card believes the issuer"),
  ok("transaction: script", "instruction 24: 9000"),
  ok("transaction: second cryptogram", "TC, combined signature right"),
  ok("transaction: script", "instruction 24: 9000"),
  ok("transaction: script", "instruction DA: 9000"),
  ok("transaction: ARQC by the security module", "right"),
  ok("transaction", "approved online; TVR 0008008000, TSI FC00, CVM results 440302"),
];

/** Of an access card with a PIN. */
export const shownFindingsSample: readonly Finding[] = [
  ok("proof: files read back by content", "2"),
  ok("proof: unreadable files by MAC", "2"),
  ok("proof: internal authentication", "1"),
  ok("proof: keys by the session's cryptogram", "1"),
  ok("proof: states and versions", "2"),
  ok("proof: PIN", "all 3 tries left"),
];
