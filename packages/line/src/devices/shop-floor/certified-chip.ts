/** Virtual GlobalPlatform chips that come with a certified key pair (SCP11): written apart from the host side. */
import { concat } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import { fabricateGlobalPlatform } from "@persoline/card/virtual";

/** What their maker knows: the published private key of its authority, which certifies its chips and its hosts alike. */
export interface CertifiedFab {
  readonly authority: Uint8Array;
  /** What the chips' certificates call it. */
  readonly authorityName: Uint8Array;
  readonly kid: 0x11 | 0x13 | 0x15;
  readonly kvn: number;
  /** Version of the chips' key 10, by which they judge hosts. */
  readonly authorityKvn: number;
  readonly isd: Uint8Array;
}

/** The chip's own private key: of authority and chip number, so that the same delivery is made again. */
const privateKeyOf = ({ authority }: CertifiedFab, chipNumber: Uint8Array): Uint8Array =>
  nodeCrypto.sha256(concat(authority, chipNumber));

export function certifiedChip(fab: CertifiedFab, chipNumber: Uint8Array, offersT0: boolean): Uint8Array {
  const { p256 } = nodeCrypto;
  const { kid, kvn, authorityKvn, isd } = fab;
  const privateKey = privateKeyOf(fab, chipNumber);
  const publicKey = p256.publicKeyOf(privateKey);
  return fabricateGlobalPlatform({
    chipNumber,
    offersT0,
    keySets: [],
    isd,
    elliptic: [
      { kid, kvn, privateKey, publicKey, certificates: certificate(fab, chipNumber, publicKey) },
      {
        kid: 0x10,
        kvn: authorityKvn,
        publicKey: p256.publicKeyOf(fab.authority),
        identifier: new Uint8Array(0),
      },
    ],
  });
}

/** Amendment F, 6.1: it names the chip by its number, and holds through 2099. */
function certificate(
  { authority, authorityName }: CertifiedFab,
  chipNumber: Uint8Array,
  publicKey: Uint8Array,
): Uint8Array {
  const signed = concat(
    Uint8Array.of(0x93, chipNumber.length, ...chipNumber),
    Uint8Array.of(0x42, authorityName.length, ...authorityName),
    Uint8Array.of(0x5f, 0x20, chipNumber.length, ...chipNumber),
    Uint8Array.of(0x95, 2, 0x00, 0x80),
    Uint8Array.of(0x5f, 0x24, 4, 0x20, 0x99, 0x12, 0x31),
    Uint8Array.of(0x7f, 0x49, publicKey.length + 5, 0xb0, publicKey.length, ...publicKey, 0xf0, 1, 0x00),
  );
  const signature = nodeCrypto.p256.sign(authority, signed);
  const body = concat(signed, Uint8Array.of(0x5f, 0x37, signature.length, ...signature));
  return concat(Uint8Array.of(0x7f, 0x21, 0x81, body.length), body);
}
