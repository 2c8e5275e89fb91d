declare module "gcode-parser" {
  export function parseStringSync(
    text: string,
  ): readonly { readonly words: readonly (readonly [letter: string, value: number | string])[] }[];
}
