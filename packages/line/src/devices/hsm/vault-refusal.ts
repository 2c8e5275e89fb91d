/** The vault refuses, and says why: the caller's fault or the key's, never a card's. */
export class VaultRefusal extends Error {
  override readonly name = "VaultRefusal";
}
