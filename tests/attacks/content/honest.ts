/** The trial module of the honest machines beside the content families. */
export { runHonestTries as runTries } from './content-family.ts';
