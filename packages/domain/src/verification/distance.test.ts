/** Round trips bound distances from above: a machine can seem farther away than it is, never nearer. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { distanceKmAtMost, greatCircleKm, judgeLocation, type Coordinates } from './distance.ts';

const HELSINKI = { latitude: 60.17, longitude: 24.94 };
const FRANKFURT = { latitude: 50.11, longitude: 8.68 };
const VIRGINIA = { latitude: 39.04, longitude: -77.49 };

test('distances over the earth are those of the atlas', () => {
  expect(greatCircleKm(HELSINKI, FRANKFURT)).toBeCloseTo(1_519, -2);
  expect(greatCircleKm(FRANKFURT, VIRGINIA)).toBeCloseTo(6_560, -2);
  expect(greatCircleKm({ latitude: 0, longitude: 0 }, { latitude: 0, longitude: 180 })).toBeCloseTo(20_015, -1);
});

test('ten milliseconds there and back are at most 1,021 km', () => {
  expect(distanceKmAtMost(10)).toBeCloseTo(1_021, 0);
  expect(distanceKmAtMost(-1)).toBe(0);
});

test('a machine in Virginia that says Frankfurt is contradicted by a vantage point in Virginia, and by no other', () => {
  const near = { rttMinMs: 3, coordinates: VIRGINIA, isOwn: true };
  const far = { rttMinMs: 90, coordinates: FRANKFURT, isOwn: false };
  expect(judgeLocation(FRANKFURT, [far, near])).toMatchObject({ verdict: 'fail', code: 'LOCATION_CONTRADICTED' });
  expect(judgeLocation(FRANKFURT, [far])).toMatchObject({ verdict: 'pass' });
  expect(judgeLocation(VIRGINIA, [far, near])).toMatchObject({ verdict: 'pass', vantages: 2 });
});

test('one other vantage point that lies contradicts nobody; two that agree do', () => {
  const own = { rttMinMs: 1, coordinates: FRANKFURT, isOwn: true };
  const liar = { rttMinMs: 0, coordinates: VIRGINIA, isOwn: false };
  expect(judgeLocation(FRANKFURT, [own, liar])).toMatchObject({ verdict: 'pass' });
  const second = { rttMinMs: 3, coordinates: HELSINKI, isOwn: false };
  expect(judgeLocation(FRANKFURT, [own, liar, second])).toMatchObject({ code: 'LOCATION_CONTRADICTED' });
});

test('without a place on either side nothing is contradicted, and the bound is shown all the same', () => {
  expect(judgeLocation(null, [{ rttMinMs: 10, coordinates: HELSINKI, isOwn: true }])).toMatchObject({
    code: 'NO_COORDINATES',
  });
  const unplaced = judgeLocation(HELSINKI, [{ rttMinMs: 10, coordinates: null, isOwn: true }]);
  expect(unplaced).toMatchObject({ verdict: 'not-tested', code: 'NO_COORDINATES' });
  expect(unplaced.distanceKmAtMost).toBeCloseTo(1_021, 0);
  expect(judgeLocation(HELSINKI, [])).toMatchObject({ code: 'NO_ROUND_TRIP', distanceKmAtMost: null });
});

test('a machine where it says it is cannot be contradicted, however it delays', () => {
  const place: fc.Arbitrary<Coordinates> = fc.record({
    latitude: fc.double({ min: -90, max: 90, noNaN: true }),
    longitude: fc.double({ min: -180, max: 180, noNaN: true }),
  });
  const delays = fc.array(fc.tuple(place, fc.double({ min: 0, max: 500, noNaN: true })), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(place, delays, (truth, vantages) => {
      const seen = vantages.map(([coordinates, delayMs]) => ({
        coordinates,
        isOwn: true,
        rttMinMs: (2 * greatCircleKm(truth, coordinates)) / (299.792_458 / 1.468) + delayMs,
      }));
      expect(judgeLocation(truth, seen).verdict).toBe('pass');
    }),
  );
});
