/** The market is killed at every named crash point, started again, and nothing is double-rented, lost or left over. */
import { afterAll, beforeAll, test } from 'vitest';
import { World } from '../world.ts';
import { pointsOf, surviveCrash } from './survive.ts';

let world: World;

beforeAll(async () => {
  // A receipt is never young enough: every rental goes through the check before a hand-over too.
  world = await World.start({ args: { market: ['--receipt-age-ms', '0'] } });
  await world.verify();
}, 240_000);

afterAll(async () => {
  await world.close();
});

for (const point of pointsOf('market')) {
  test(`a market killed at ${point} loses nothing`, async () => {
    await surviveCrash(world, 'market', point);
  });
}
