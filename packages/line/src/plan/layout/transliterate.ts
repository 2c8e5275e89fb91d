/**
 * Latin letters for card texts whose character set is small (OCR-B, embossing): ICAO Doc 9303-3 section 6, tables A (Latin) and
 * B (Cyrillic). Greek, for which ICAO has no table, by ELOT 743 (ISO 843), as Greek passports have it. Case is kept: "Щукин" → "Shchukin". Letters with marks that the tables do not name lose their marks.
 */
const letters: Readonly<Record<string, string>> = {
  // Table A: national Latin letters that are not a base letter with its mark removed.
  Ä: "AE",
  Å: "AA",
  Æ: "AE",
  Ö: "OE",
  Ø: "OE",
  Œ: "OE",
  Ü: "UE",
  ẞ: "SS",
  ß: "ss",
  Þ: "TH",
  Ð: "D",
  Đ: "D",
  Ħ: "H",
  Ĳ: "IJ",
  Ł: "L",
  Ŋ: "N",
  Ŧ: "T",
  ı: "i",
  ĸ: "q",
  Ŀ: "L",
  Ə: "E",
  ſ: "s",
  ŉ: "n",
  // Table B: Cyrillic.
  А: "A",
  Б: "B",
  В: "V",
  Г: "G",
  Ґ: "G",
  Ѓ: "G",
  Д: "D",
  Ђ: "D",
  Е: "E",
  Ё: "E",
  Є: "IE",
  Ж: "ZH",
  З: "Z",
  Ѕ: "DZ",
  И: "I",
  І: "I",
  Ї: "I",
  Й: "I",
  Ј: "J",
  К: "K",
  Ќ: "K",
  Л: "L",
  Љ: "LJ",
  М: "M",
  Н: "N",
  Њ: "NJ",
  О: "O",
  П: "P",
  Р: "R",
  С: "S",
  Т: "T",
  Ћ: "C",
  У: "U",
  Ў: "U",
  Ф: "F",
  Х: "KH",
  Ц: "TS",
  Ч: "CH",
  Џ: "DZ",
  Ш: "SH",
  Щ: "SHCH",
  Ъ: "IE",
  Ы: "Y",
  Ь: "",
  Э: "E",
  Ю: "IU",
  Я: "IA",
  Ғ: "G",
  Қ: "K",
  Ң: "N",
  Ө: "O",
  Ұ: "U",
  Ү: "U",
  Һ: "H",
  Ә: "A",
  // Punctuation that comes in typographic forms.
  "’": "'",
  "‘": "'",
  ʼ: "'",
  "`": "'",
  "´": "'",
  "“": '"',
  "”": '"',
  "–": "-",
  "—": "-",
  "‑": "-",
  "·": ".",
  " ": " ",
};

/** Greek letters by ELOT 743, type 2 (transcription); pairs of letters are seen to first. */
const greek: Readonly<Record<string, string>> = {
  Α: "A",
  Β: "V",
  Γ: "G",
  Δ: "D",
  Ε: "E",
  Ζ: "Z",
  Η: "I",
  Θ: "TH",
  Ι: "I",
  Κ: "K",
  Λ: "L",
  Μ: "M",
  Ν: "N",
  Ξ: "X",
  Ο: "O",
  Π: "P",
  Ρ: "R",
  Σ: "S",
  Τ: "T",
  Υ: "Y",
  Φ: "F",
  Χ: "CH",
  Ψ: "PS",
  Ω: "O",
};
const bare = (char: string): string => char.normalize("NFD").replaceAll(/\p{M}/gu, "");

/** Pairs that sound otherwise than their letters: what the first, and the second of them become. */
function greekPairs(text: string): string {
  const cased = (to: string, from: string): string => (isUpper(from) ? to : to.toLowerCase());
  return text
    .replaceAll(
      /(^|[^\p{L}])([Μμ])([Ππ])/gu,
      (_, before: string, first: string) => before + cased("B", first),
    )
    .replaceAll(/([Γγ])([ΓγΞξΧχ])/gu, (_, first: string, second: string) => {
      const rest = bare(second).toUpperCase() === "Γ" ? cased("G", second) : second;
      return cased("N", first) + rest;
    })
    .replaceAll(
      /([ΑαΕεΗη])([ΥυΎύ])(?=(\p{L})?)/gu,
      (_, first: string, second: string, next: string | undefined) => {
        const voiced = next !== undefined && /[ΑΕΗΙΟΥΩΒΓΔΖΛΜΝΡ]/u.test(bare(next).toUpperCase());
        return first + cased(voiced ? "V" : "F", second);
      },
    )
    .replaceAll(/([Οο])([ΥυΎύ])/gu, (_, first: string, second: string) => first + cased("U", second));
}

const isUpper = (char: string | undefined): boolean =>
  char !== undefined && char.toLowerCase() !== char && char.toUpperCase() === char;

/** Basic Latin for every letter of the tables; what they do not know stays as it is, for the caller to refuse. */
export function transliterate(text: string): string {
  const composed = text.normalize("NFC");
  const chars = Array.from(/\p{Script=Greek}/u.test(composed) ? greekPairs(composed) : composed);
  return chars
    .map((char, i) => {
      const own = letters[char];
      if (own !== undefined && !isUpper(char)) return own;
      const upper = own ?? letters[char.toUpperCase()] ?? greek[bare(char).toUpperCase()];
      if (upper === undefined) return char.normalize("NFD").replaceAll(/\p{M}/gu, "");
      if (!isUpper(char)) return upper.toLowerCase();
      // "Щукин" gives "Shchukin", "ЩУКИН" gives "SHCHUKIN".
      const alone = !isUpper(chars[i + 1]) && !isUpper(chars[i - 1]);
      return alone ? upper.slice(0, 1) + upper.slice(1).toLowerCase() : upper;
    })
    .join("");
}

/** Check digit of ICAO Doc 9303-3 section 4.9: weights 7 3 1; digits count as themselves, A = 10 … Z = 35, all else 0. */
export function checkDigit(text: string): string {
  const weights = [7, 3, 1];
  const sum = Array.from(text).reduce((total, char, i) => {
    const value = /^[0-9A-Z]$/.test(char) ? Number.parseInt(char, 36) : 0;
    return total + value * (weights[i % 3] ?? 0);
  }, 0);
  return String(sum % 10);
}
