/** Which room may import what: the table of ARCHITECTURE.md as data. A new room, or a wider row, needs an ADR. */

/**
 * `rooms`: other workspace packages. `packages`: 'declared' allows whatever the room's package.json declares, a list
 * allows only these. `node`: whether shipped source may use Node's own modules; a room without runs in a browser.
 */
export type RoomRule = { rooms: readonly string[]; packages: 'declared' | readonly string[]; node: boolean };

/** Rooms that ship. tests, bench and tools may import anything, and nothing may import them. */
export const importTable: Readonly<Record<string, RoomRule>> = {
  'packages/domain': { rooms: [], packages: [], node: false },
  'packages/contract': { rooms: ['@celium/domain'], packages: ['zod'], node: false },
  'packages/proof': { rooms: [], packages: ['@noble/hashes'], node: false },
  'packages/chain': { rooms: ['@celium/domain', '@celium/contract'], packages: 'declared', node: true },
  'packages/sdk': { rooms: ['@celium/contract'], packages: [], node: false },
  'apps/control-plane': {
    rooms: ['@celium/domain', '@celium/contract', '@celium/proof', '@celium/chain'],
    packages: 'declared',
    node: true,
  },
  'apps/agent': { rooms: ['@celium/domain', '@celium/contract', '@celium/chain'], packages: 'declared', node: true },
  'apps/prover': { rooms: ['@celium/proof'], packages: 'declared', node: true },
  'apps/validator': {
    rooms: ['@celium/domain', '@celium/contract', '@celium/proof', '@celium/chain', '@celium/sdk'],
    packages: 'declared',
    node: true,
  },
  'apps/cli': {
    rooms: ['@celium/sdk', '@celium/domain', '@celium/contract', '@celium/chain', '@celium/proof'],
    packages: 'declared',
    node: true,
  },
  'apps/console': { rooms: ['@celium/sdk'], packages: 'declared', node: false },
};

/** Folders whose files may import anything. */
export const freeRooms = ['tests', 'bench', 'tools'] as const;

/** What test files may import on top of their room's row. */
export const testPackages = ['vitest', 'fast-check'] as const;
