import { firstMethod, type PaymentProfile, packNumeric, restrictionsOf } from "@persoline/card/emv";

/** What a card's proof is played at: a terminal, and a transaction there that the product's cards are meant for. */
export interface ProofTerminal {
  readonly atm: boolean;
  /** 9C. */
  readonly transactionType: number;
  /** ISO 3166, three digits. */
  readonly country: string;
  /** In minor units. */
  readonly amount: number;
  /** Ways to verify the holder; the PIN goes enciphered or not at all. */
  readonly methods: readonly ["encipheredPin", "signature", "none"];
  /** Whether the PIN is what the card's list comes to first, and the card has a key of its own to decipher it with. */
  readonly showsPin: boolean;
}

type Profile = Pick<PaymentProfile, "cvm" | "country" | "proof" | "usage">;

const methods = ["encipheredPin", "signature", "none"] as const;
const PURCHASE = 0x00;
const CASH = 0x01;

/** Some other country than the issuer's. */
const abroad = (country: string): string => (country === "756" ? "276" : "756");

/** One on each side of the list's amounts, the highest first. */
function amountsFor({ x, y }: Profile["cvm"]): readonly number[] {
  const amounts = [Math.max(x, y) + 1, x - 1, x + 1, y - 1, y + 1].filter((amount) => amount > 0);
  return [...new Set(amounts)].sort((one, other) => other - one);
}

/**
 * The first that shows the PIN of those that usage control (9F07) allows, purchases at home before anything else; else the first allowed.
 * Undefined: the product's cards may be used for nothing anywhere.
 */
export function proofTerminal(profile: Profile): ProofTerminal | undefined {
  const { cvm, country, proof, usage } = profile;
  const dynamic = proof === "dda" || proof === "cda";
  const data = new Map([
    [0x9f07, usage],
    [0x5f28, packNumeric(country, 2)],
  ]);
  const allowed = [country, abroad(country)].flatMap((where) =>
    [PURCHASE, CASH].flatMap((transactionType) =>
      [false, true].flatMap((atm) => {
        const place = { atm, transactionType, country: where };
        // Dates are each card's own.
        return restrictionsOf({ ...place, date: "" }, data).length > 0
          ? []
          : amountsFor(cvm).map((amount): ProofTerminal => {
              const first = firstMethod({ ...place, amount, methods }, cvm);
              return { ...place, amount, methods, showsPin: dynamic && first === "encipheredPin" };
            });
      }),
    ),
  );
  return allowed.find(({ showsPin }) => showsPin) ?? allowed[0];
}
