/** The exports of the WASM module. Memory is imported and laid out by the caller: nothing here allocates or keeps state. */
export { digestWords, fillCells, fillCellsAt, gatherCells, segmentCounters, walkFour } from './memory';
export { addPanel, expandSegment, orderTile } from './product';
