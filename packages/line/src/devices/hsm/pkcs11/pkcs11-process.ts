/** The process that alone speaks to the token: a library that dies takes only this process with it. */
import { drawFrom } from "../draw.js";
import { holdOffice } from "../office/hold.js";
import { witnessed } from "../office/witness.js";
import { OrderSecrets } from "../order-secrets.js";
import { shelfOf } from "../order-shelf.js";
import { selfTest } from "../self-test.js";
import { type Hear, serve } from "../serve.js";
import { mustStayInMemory, swapOf } from "../swap.js";
import { vaultCalls } from "../vault-core.js";
import { begunIn } from "./begun.js";
import { makeTokenKeys, type TokenCeremony, type TokenUnlock } from "./make.js";
import { probeToken } from "./probes.js";
import { readRegister } from "./register.js";
import { Token } from "./token.js";
import { TokenKeyring } from "./token-keyring.js";
import { openTokenOffice } from "./token-office.js";

/** `expected`: serial of the token that the keys were made in. */
const opening = async (unlock: TokenUnlock, hear: Hear, expected?: string): Promise<Token> => {
  const { missing: _, pin, ...place } = unlock;
  return Token.open({ ...place, expected, pin: await hear(pin) });
};

const providerOf = ({ label }: TokenUnlock): string => `pkcs11 (${label})`;

serve<TokenCeremony, TokenUnlock>({
  survey: async (unlock, hear) => {
    selfTest();
    const token = await opening(unlock, hear);
    try {
      const { operations } = probeToken(token, unlock.missing);
      return { provider: providerOf(unlock), operations, swap: swapOf() };
    } finally {
      token.disconnect();
    }
  },
  make: async ({ unlock, ...ceremony }, { hear, swapAccepted }) => {
    selfTest();
    mustStayInMemory(ceremony.environment, swapAccepted);
    const release = holdOffice(ceremony.file);
    try {
      const token = await opening(unlock, hear, begunIn(ceremony.file));
      try {
        makeTokenKeys(token, ceremony, probeToken(token, unlock.missing));
      } finally {
        token.disconnect();
      }
    } finally {
      release();
    }
  },
  open: async (file, unlock, { hear, hearOther, swapAccepted, deed }) => {
    selfTest();
    mustStayInMemory(readRegister(file).environment, swapAccepted);
    if (deed !== undefined) {
      const { missing: _, pin, ...place } = unlock;
      const office = await openTokenOffice(file, { ...place, pin: await hear(pin) });
      try {
        await witnessed(office, deed, hearOther);
      } finally {
        office.close();
      }
    }
    const register = readRegister(file);
    const token = await opening(unlock, hear, register.serial);
    try {
      drawFrom((length) => token.random(length));
      const { operations, keptKeys, transports } = probeToken(token, unlock.missing);
      const ring = new TokenKeyring(token, file, register, { keptKeys, transports });
      ring.orders = new OrderSecrets(shelfOf(file));
      ring.lettersOf = deed?.order;
      return vaultCalls(ring, { provider: providerOf(unlock), operations });
    } catch (error) {
      token.disconnect();
      throw error;
    }
  },
});
