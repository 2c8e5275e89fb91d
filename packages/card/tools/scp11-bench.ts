// Authorities, certificates and openings of SCP11 against a virtual card: for tests and benches of both sides.
import { nodeCrypto, nodeP256 } from "../node/index.js";
import type { Command, Response } from "../src/apdu/index.js";
import { concat, unhex } from "../src/bytes/index.js";
import {
  type CertificateContent,
  makeCertificate,
  Scp11Handshake,
  sendCertificates,
  type Scp11Plan,
  type Scp11Session,
  type Scp11Variant,
} from "../src/globalplatform/index.js";
import type { FabEllipticKey } from "../src/virtual/index.js";
import { GpBench, gpNumber } from "./gp-bench.js";

export interface Pair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}
export interface Named extends Pair {
  readonly name: Uint8Array;
}
export const named = (name: string): Named => ({
  ...nodeP256.generate(),
  name: new TextEncoder().encode(name),
});

/** The authority of the cards (CA-KLCC), that of the hosts (CA-KLOC), and nobody's. */
export const authorities = { cards: named("cards"), hosts: named("hosts"), nobody: named("nobody") };

/** One certificate, valid through 2026. */
export const certify = (
  by: Named,
  whose: { readonly name: Uint8Array; readonly publicKey: Uint8Array },
  change: Partial<CertificateContent> = {},
): Uint8Array =>
  makeCertificate(
    {
      serialNumber: unhex("01"),
      authority: by.name,
      subject: whose.name,
      use: "agreement",
      effective: "20260101",
      expires: "20261231",
      publicKey: whose.publicKey,
      ...change,
    },
    (message) => nodeP256.sign(by.privateKey, message),
  );

export const kids = { a: 0x11, b: 0x13, c: 0x15 } as const;
export const hostAuthority = { id: 0x10, kvn: 0x01 } as const;
export const pairKvn = 0x03;
export const cardKey: Named = { ...nodeP256.generate(), name: gpNumber };
export const host = named("host");

/** What a chip comes with: all three pairs (one key), and the hosts' authority. */
export const elliptic = (
  certificates: readonly Uint8Array[] = [certify(authorities.cards, cardKey)],
): FabEllipticKey[] => [
  ...([0x11, 0x13, 0x15] as const).map((kid) => ({
    kid,
    kvn: pairKvn,
    privateKey: cardKey.privateKey,
    publicKey: cardKey.publicKey,
    certificates: concat(...certificates),
  })),
  {
    kid: 0x10,
    kvn: hostAuthority.kvn,
    publicKey: authorities.hosts.publicKey,
    identifier: authorities.hosts.name,
  },
];

export const planOf = (variant: Scp11Variant, change: Partial<Scp11Plan> = {}): Scp11Plan => ({
  crypto: nodeCrypto,
  variant,
  kvn: pairKvn,
  kid: kids[variant],
  keyLength: 16,
  usage: 0x3c,
  trusted: { publicKey: authorities.cards.publicKey, identifier: authorities.cards.name },
  today: "20260704",
  ...(variant === "b"
    ? {}
    : {
        host: {
          privateKey: host.privateKey,
          certificates: [certify(authorities.hosts, host)],
          authority: hostAuthority,
        },
      }),
  ...change,
});

/** Sends a command and fetches all of a long answer. */
export function whole(bench: GpBench, command: Command): Response {
  let answer = bench.send(command);
  while (answer.sw >> 8 === 0x61) {
    const rest = bench.send({ cla: 0, ins: 0xc0, p1: 0, p2: 0, le: answer.sw & 0xff || 256 });
    answer = { data: concat(answer.data, rest.data), sw: rest.sw };
  }
  return answer;
}

/** Opens; `damage` may alter what passes either way. Throws CardProblem as the handshake does. */
export function openScp11(
  bench: GpBench,
  plan: Scp11Plan,
  damage: {
    readonly command?: (command: Command, at: number) => Command;
    readonly answer?: (answer: Response, at: number) => Response;
  } = {},
): Scp11Session {
  const handshake = new Scp11Handshake(plan);
  let command = handshake.first;
  for (let at = 0; ; at++) {
    const answer = whole(bench, damage.command?.(command, at) ?? command);
    const next = handshake.next(damage.answer?.(answer, at) ?? answer);
    if ("session" in next) return next.session;
    command = next.send;
  }
}

export const variants = ["a", "b", "c"] as const;
/** A chip with all of that, and a key set beside it. */
export const fresh = (): GpBench => new GpBench({ elliptic: elliptic() });
export const getStatus: Command = { cla: 0x80, ins: 0xf2, p1: 0x80, p2: 2, data: unhex("4F00"), le: 256 };
export const sendHost = (bench: GpBench, certificates: readonly Uint8Array[]): string =>
  sendCertificates(certificates, hostAuthority)
    .map((command) => bench.say(command))
    .join();
export const hostCertificate = (): Uint8Array => certify(authorities.hosts, host);
/** The command that agrees upon keys, as the host makes it. */
export function agreement(variant: (typeof variants)[number]): Command {
  const bench = fresh();
  const handshake = new Scp11Handshake(planOf(variant));
  for (let command = handshake.first; ; ) {
    if (command.ins === 0x82 || command.ins === 0x88) return command;
    const next = handshake.next(whole(bench, command));
    if ("session" in next) throw new Error("opened before keys were agreed upon");
    command = next.send;
  }
}
