/** What a card makes of a session's commands: tests look behind the encryption, at what is under the data encryption key alone. */
import type { Command, Response } from "@persoline/card/apdu";
import { unpad80 } from "@persoline/card/crypto";
import { deriveScp03SessionKeys, type KeySet, parseInitializeUpdate } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";

const MAC = 8;

/** Data fields of SCP03's commands of level 03 or 33 in S8 mode, deciphered; `commands` are those after EXTERNAL AUTHENTICATE, all of them. */
export function deciphered(
  keys: Pick<KeySet, "enc" | "mac">,
  {
    open,
    answer,
    commands,
  }: { readonly open: Command; readonly answer: Response; readonly commands: readonly Command[] },
): readonly Uint8Array[] {
  const { cardChallenge } = parseInitializeUpdate(answer.data);
  const { sEnc } = deriveScp03SessionKeys(nodeCrypto, keys, open.data ?? new Uint8Array(0), cardChallenge);
  const cipher = nodeCrypto.aes(sEnc);
  return commands.map(({ data = new Uint8Array(0) }, at) => {
    const body = data.slice(0, -MAC);
    if (body.length === 0) return body;
    const counter = new Uint8Array(16);
    new DataView(counter.buffer).setUint32(12, at + 1);
    return unpad80(cipher.cbcDecrypt(cipher.encrypt(counter), body));
  });
}
