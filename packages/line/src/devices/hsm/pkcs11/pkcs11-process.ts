/** The process that alone speaks to the token: a library that dies takes only this process with it. */
import { drawFrom } from "../draw.js";
import { selfTest } from "../self-test.js";
import { serve } from "../serve.js";
import { vaultCalls } from "../vault-core.js";
import { makeTokenKeys, type TokenCeremony, type TokenUnlock } from "./make.js";
import { probeToken } from "./probes.js";
import { readRegister } from "./register.js";
import { Token } from "./token.js";
import { TokenKeyring } from "./token-keyring.js";

serve<TokenCeremony, TokenUnlock>({
  make: async ({ unlock, ...ceremony }) => {
    selfTest();
    const token = await Token.open(unlock);
    try {
      makeTokenKeys(token, ceremony, probeToken(token, unlock.missing));
    } finally {
      token.disconnect();
    }
  },
  open: async (file, unlock) => {
    selfTest();
    const register = readRegister(file);
    const token = await Token.open(unlock);
    try {
      drawFrom((length) => token.random(length));
      const { operations, keptKeys, transports } = probeToken(token, unlock.missing);
      const ring = new TokenKeyring(token, file, register, { keptKeys, transports });
      return vaultCalls(ring, { provider: `pkcs11 (${unlock.label})`, operations });
    } catch (error) {
      token.disconnect();
      throw error;
    }
  },
});
