/** What a token's answers mean, in words, and what to do about them (PKCS#11 2.40, 5.1). The code stands behind, for the token's maker. */

type Words = readonly [what: string, remedy: string];

const again = "run the same command again; a run takes up the cards in work";
const gone: Words = ["it is not there any more", `see that it is plugged in and has power, then ${again}`];
const forgotten: Words = ["it has forgotten this session (was it pulled out, or started anew?)", again];
const missing: Words = [
  "the object is not there any more (was it deleted, or the token started anew?)",
  `${again}. If this comes again, look with "persoline keys list" which key is gone, and restore the token's backup`,
];
const forbidden: Words = [
  "the key may not be used so",
  'the object was made or changed by another program: look at it with the token\'s own tools, and replace the key ("persoline keys rotate")',
];
const unable: Words = [
  "it does not know how",
  '"persoline security" shows what this token can do; use another one, or the vault, for the rest',
];
const undescribed: Words = [
  "it does not take an object of this description",
  "see in its maker's manual whether it stores such keys, and whether its policy (FIPS mode) forbids them",
];
const full: Words = ["it has no room left", "delete objects that nobody needs with the token's own tools"];
const misfit: Words = [
  "what it was given does not fit this key",
  "it was made for another key, or damaged: ask for it again",
];
const failed: Words = ["it failed", `look at its display or log, start it anew, then ${again}`];
/** No token was spoken to yet. */
const unstarted: Words = [
  "its library does not start",
  `see that the library's configuration is there and right (SoftHSM: the file that SOFTHSM2_CONF names, and the folder of tokens in it), and that it may be read, then ${again}`,
];
const busy: Words = [
  "it has no session free",
  "end other programs that use it, then run the same command again",
];

const WORDS: Readonly<Record<string, Words>> = {
  CKR_DEVICE_REMOVED: gone,
  CKR_TOKEN_NOT_PRESENT: gone,
  CKR_SLOT_ID_INVALID: gone,
  CKR_TOKEN_NOT_RECOGNIZED: ["its library does not know it", "see that this library is the one of its maker"],
  CKR_SESSION_CLOSED: forgotten,
  CKR_SESSION_HANDLE_INVALID: forgotten,
  CKR_USER_NOT_LOGGED_IN: forgotten,
  CKR_CRYPTOKI_NOT_INITIALIZED: forgotten,
  CKR_KEY_HANDLE_INVALID: missing,
  CKR_OBJECT_HANDLE_INVALID: missing,
  CKR_WRAPPING_KEY_HANDLE_INVALID: missing,
  CKR_UNWRAPPING_KEY_HANDLE_INVALID: missing,
  CKR_KEY_FUNCTION_NOT_PERMITTED: forbidden,
  CKR_KEY_TYPE_INCONSISTENT: forbidden,
  CKR_KEY_NOT_WRAPPABLE: forbidden,
  CKR_KEY_UNEXTRACTABLE: forbidden,
  CKR_ACTION_PROHIBITED: forbidden,
  CKR_MECHANISM_INVALID: unable,
  CKR_MECHANISM_PARAM_INVALID: unable,
  CKR_FUNCTION_NOT_SUPPORTED: unable,
  CKR_KEY_SIZE_RANGE: unable,
  CKR_ATTRIBUTE_TYPE_INVALID: undescribed,
  CKR_ATTRIBUTE_VALUE_INVALID: undescribed,
  CKR_ATTRIBUTE_READ_ONLY: undescribed,
  CKR_ATTRIBUTE_SENSITIVE: undescribed,
  CKR_TEMPLATE_INCOMPLETE: undescribed,
  CKR_TEMPLATE_INCONSISTENT: undescribed,
  CKR_DEVICE_MEMORY: full,
  CKR_WRAPPED_KEY_INVALID: misfit,
  CKR_WRAPPED_KEY_LEN_RANGE: misfit,
  CKR_ENCRYPTED_DATA_INVALID: misfit,
  CKR_ENCRYPTED_DATA_LEN_RANGE: misfit,
  CKR_DATA_INVALID: misfit,
  CKR_DATA_LEN_RANGE: misfit,
  CKR_GENERAL_ERROR: failed,
  CKR_FUNCTION_FAILED: failed,
  CKR_DEVICE_ERROR: failed,
  CKR_HOST_MEMORY: ["this machine has no memory left", "end other programs, then run the same command again"],
  CKR_SESSION_COUNT: busy,
  CKR_OPERATION_ACTIVE: busy,
  CKR_TOKEN_WRITE_PROTECTED: ["it is write-protected", "lift its write protection for the ceremony"],
  CKR_SESSION_READ_ONLY: ["it is write-protected", "lift its write protection for the ceremony"],
  CKR_PIN_INCORRECT: ["it is not this token's PIN", "make sure which token it is before the next try"],
  CKR_PIN_INVALID: ["this can be no PIN of this token", "make sure which token it is before the next try"],
  CKR_PIN_LEN_RANGE: ["no PIN of this token is so short or long", "make sure which token it is"],
  CKR_PIN_LOCKED: ["it is locked after too many wrong ones", "its security officer sets a new one (SO PIN)"],
  CKR_PIN_EXPIRED: ["it has expired", "set a new one with the token's own tools"],
  CKR_USER_PIN_NOT_INITIALIZED: ["the token has none yet", "its security officer sets one (SO PIN)"],
};

const unknown: Words = [
  "its library refuses",
  "the token's maker tells what this answer means; look at the token's log",
];

/** The name that PKCS#11 has for it; the library's binding says some of them as `CKR_…:number`, and errors of its own in words. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? /^CKR_\w+/.exec(error.message)?.[0] : undefined;
}

/** "it has no room left; delete objects … (CKR_DEVICE_MEMORY of C_CreateObject)". */
export function wordsOf(error: unknown): string {
  const code = codeOf(error);
  const method = error instanceof Error && "method" in error ? error.method : undefined;
  const [what, remedy] =
    (code === undefined
      ? undefined
      : method === "C_Initialize" && WORDS[code] === failed
        ? unstarted
        : WORDS[code]) ?? unknown;
  const of = typeof method === "string" && method !== "" ? ` of ${method}` : "";
  return `${what}: ${remedy} (${code ?? "no code"}${of})`;
}
