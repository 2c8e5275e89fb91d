declare const brand: unique symbol;

/** Keeps values of the same run-time type apart at compile time. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
