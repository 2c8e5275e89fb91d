/** The reader itself: Tesseract compiled to WebAssembly, with its English data from the same installation. It never asks a network for anything. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createWorker, OEM, PSM, type Worker } from "tesseract.js";

export interface TextReader {
  /**
   * `picture`: PNG of one or more lines in Latin letters, at `dpi`. Confidence: of the word that is least sure, 0 to 100. Throws when the
   * engine fails.
   */
  read(
    picture: Uint8Array,
    how: { readonly lines: number; readonly dpi: number },
  ): Promise<{ readonly text: string; readonly confidence: number }>;
  close(): Promise<void>;
}

const require = createRequire(import.meta.url);
const data = join(dirname(require.resolve("@tesseract.js-data/eng/package.json")), "4.0.0_best_int");

/** Names are no words of a language: nothing is to be bent towards one that is. */
const withoutDictionaries = {
  load_system_dawg: "0",
  load_freq_dawg: "0",
  load_unambig_dawg: "0",
  load_punc_dawg: "0",
  load_number_dawg: "0",
  load_bigram_dawg: "0",
};

/** Throws when the engine or its data cannot be loaded. */
export async function openTextReader(): Promise<TextReader> {
  const engine = await new Promise<Worker>((resolve, reject) => {
    createWorker(
      "eng",
      OEM.LSTM_ONLY,
      {
        langPath: data,
        cacheMethod: "none",
        // The engine tells a failure to load here and nowhere else.
        errorHandler: (problem: unknown) => reject(new Error(`the text reader failed: ${String(problem)}`)),
      },
      withoutDictionaries,
    ).then(resolve, reject);
  });
  return {
    read: async (picture, { lines, dpi }) => {
      await engine.setParameters({
        tessedit_pageseg_mode: lines > 1 ? PSM.SINGLE_BLOCK : PSM.SINGLE_LINE,
        user_defined_dpi: String(dpi),
      });
      const { data: page } = await engine.recognize(Buffer.from(picture), {}, { text: true, blocks: true });
      const words = (page.blocks ?? []).flatMap(({ paragraphs }) =>
        paragraphs.flatMap((paragraph) => paragraph.lines.flatMap((line) => line.words)),
      );
      const confidence = Math.min(100, ...words.map((word) => word.confidence));
      return { text: page.text.trim(), confidence: words.length === 0 ? 0 : confidence };
    },
    close: async () => {
      await engine.terminate();
    },
  };
}
