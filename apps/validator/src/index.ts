/** The validator is a program (`main.ts`) and exports nothing. */
export {};
