/** The agent is killed at every named crash point, started again, and nothing is double-rented, lost or left over. */
import { afterAll, beforeAll, test } from 'vitest';
import { World } from '../world.ts';
import { pointsOf, surviveCrash } from './survive.ts';

let world: World;

beforeAll(async () => {
  world = await World.start();
  await world.verify();
}, 240_000);

afterAll(async () => {
  await world.close();
});

for (const point of pointsOf('agent')) {
  test(`an agent killed at ${point} loses nothing`, async () => {
    await surviveCrash(world, 'agent', point);
  });
}
